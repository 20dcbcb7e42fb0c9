"""The numbers that the page's script reads: JSON in which no text can end the script element.

In: report data in plate order. Out: one compact ASCII line. Columns rather than rows, four
significant digits, so that a 1536-well plate stays small.
"""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from voxelmill.natural import natural
from voxelmill.report.heatmap import verdict_words, viridis
from voxelmill.report.layout import (
    QUALITY,
    Grouping,
    Measure,
    Well,
    channels_of,
    object_sets,
)
from voxelmill.report.model import FieldRow, Histogram, ReportData, State

Number = float | int | None
STATES: dict[State, str] = {
    "pass": "p",
    "warn": "w",
    "fail": "f",
    "excluded": "x",
    "quarantined": "q",
}
"""One letter an image keeps the page small."""


def safe_json(value: object) -> str:
    """ASCII JSON that is inert inside HTML: ``<``, ``>`` and ``&`` are written as escapes."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def payload(
    data: ReportData,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    shown: tuple[Measure, ...],
    groups: tuple[Grouping, ...] = (),
) -> str:
    """Everything that menus, table and plots show."""
    sets = object_sets(data)
    index = {w.name: i for i, w in enumerate(wells)}
    return safe_json(
        {
            "viridis": "".join(c[1:] for c in viridis()),
            "wells": [_well(w, fields) for w in wells],
            "measures": [{"unit": m.unit, "values": numbers(m.values)} for m in shown],
            "groupings": [_grouping(g) for g in groups],
            "objects": {
                str(i): _histogram(data.histograms[m.name])
                for i, m in enumerate(shown)
                if m.name in data.histograms
            },
            "sets": sets,
            "fields": {
                "well": [index.get(f.well, -1) for f in fields],
                "site": [f.site for f in fields],
                "image": [f.image for f in fields],
                "state": "".join(STATES[f.state] for f in fields),
                "reason": {i: f.reason for i, f in enumerate(fields) if f.status != "ok"},
                "flags": {i: f.flags for i, f in enumerate(fields) if f.flags},
                "counts": [[f.counts.get(s) for f in fields] for s in sets],
            },
            "metrics": metrics(data, fields),
        }
    )


def _well(well: Well, fields: tuple[FieldRow, ...]) -> dict[str, object]:
    notes = [*well.notes, *([f"Excluded: {well.excluded}"] if well.excluded else [])]
    return {
        "name": well.name,
        "fields": well.fields,
        "verdict": verdict_words(well, fields),
        "state": well.state(fields),
        "notes": notes,
    }


def _grouping(found: Grouping) -> dict[str, object]:
    """Names of the groups in natural order, and the group of each well."""
    names = sorted({*found.values}, key=natural)
    return {
        "name": found.name,
        "groups": [n or "(none)" for n in names],
        "of": [names.index(v) for v in found.values],
    }


def _histogram(found: Histogram) -> dict[str, object]:
    return {
        "range": numbers((found.low, found.high)),
        "counts": found.counts,
        "outside": (found.below, found.above),
    }


def metrics(data: ReportData, fields: tuple[FieldRow, ...]) -> list[dict[str, object]]:
    """QC columns by metric, each with one series of values for every channel.

    A column is ``<metric>_<channel>`` where it ends in a known channel name.
    """
    found: dict[str, list[dict[str, object]]] = {}
    units: dict[str, str] = {}
    for key in dict.fromkeys(k for f in fields for k in f.qc):
        metric, channel = split(key, channels_of(data))
        low, high = data.limits.get(key, (None, None))
        values = numbers(f.qc.get(key, np.nan) for f in fields)
        limits = numbers((low, high))
        found.setdefault(metric, []).append(
            {"channel": channel, "values": values, "limits": limits}
        )
        units.setdefault(metric, "" if data.units.get(key) == "1" else data.units.get(key, ""))
    return [
        {"label": m.removeprefix(QUALITY).replace("_", " "), "unit": units[m], "series": s}
        for m, s in found.items()
    ]


def split(key: str, channels: Sequence[str]) -> tuple[str, str]:
    """Metric and channel of a QC column; the longest fitting channel name wins."""
    fitting = [c for c in channels if c and key.endswith("_" + c)]
    channel = max(fitting, key=len, default="")
    return (key[: -len(channel) - 1], channel) if channel else (key, "")


def numbers(values: Iterable[float | None]) -> list[Number]:
    """JSON numbers of four significant digits; None for what is not finite."""
    return [_number(v) for v in values]


def _number(value: float | None) -> Number:
    if value is None or not np.isfinite(value):
        return None
    if value == round(value) and abs(value) < 1e9:
        return int(value)
    return float(f"{value:.4g}")
