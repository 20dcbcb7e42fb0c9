"""Put the page together: templates, style, script and the policy that allows only these.

In: :class:`ReportData`. Out: HTML text.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from voxelmill.report.gallery import Gallery, css, gallery
from voxelmill.report.heatmap import PlateMap, number, plate_map, viridis
from voxelmill.report.layout import (
    Measure,
    Well,
    measures,
    most_measures,
    object_sets,
    plate_order,
    wells_of,
)
from voxelmill.report.model import FieldRow, ReportData, Thumbnail
from voxelmill.report.overlay import SET_COLOURS
from voxelmill.report.payload import payload
from voxelmill.verdict import ORDER

SCRIPTS = ("common.js", "plate.js", "fields.js", "gallery.js")
MANY_MEASURES = 30
"""More than so many measures get a search box."""
FOCUS = ("sharpness", "focus", "powerloglogslope")
"""Parts of the names of QC columns that tell how sharp an image is."""


@dataclass(frozen=True)
class Verdict:
    """How many images there are, and of these fine, flagged and quarantined."""

    images: int
    ok: int
    flagged: int
    quarantined: int

    @property
    def level(self) -> str:
        """``fail``, ``warn`` or ``pass``."""
        return "fail" if self.quarantined else "warn" if self.flagged else "pass"


def render(data: ReportData) -> str:
    """Write the report of one dataset.

    Parameters
    ----------
    data : ReportData
        What to show; texts may hold anything.

    Returns
    -------
    str
        A complete HTML page that loads nothing from elsewhere.
    """
    fields = plate_order(data)
    wells = wells_of(data, fields)
    offered = measures(data, wells, fields) if data.rows and data.columns else ()
    shown = offered[: most_measures(wells)]
    style = asset("style.css")
    script = "".join(asset(name) for name in SCRIPTS)
    environment = Environment(
        loader=PackageLoader("voxelmill.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template("page.html.j2").render(
        policy=policy(style, script),
        style=_own(style),
        script=_own(script),
        payload=_own(payload(data, fields, wells, shown)),
        measures_left_out=len(offered) - len(shown),
        **_content(data, fields, wells, shown),
    )


def _content(
    data: ReportData,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    shown: tuple[Measure, ...],
) -> dict[str, Any]:
    sets = object_sets(data)
    colours = [css(SET_COLOURS[i % len(SET_COLOURS)]) for i in range(len(sets))]
    pictures = gallery(_in_order(data.thumbnails, fields), {f.image for f in fields if f.flags})
    return {
        "data": data,
        "fields": fields,
        "verdict": verdict_of(fields),
        "totals": {s: sum(f.counts.get(s, 0) for f in fields) for s in sets},
        "sets": dict(zip(sets, colours, strict=True)),
        "maps": _maps(data, fields, wells, shown),
        "groups": _groups(shown),
        "search": len(shown) > MANY_MEASURES,
        "ramp": viridis()[::16] + viridis()[-1:],
        "unplaced": [w.name for w in wells if w.place is None] if shown else [],
        "gallery": pictures,
        "cards": sorted(_cards(pictures, fields, wells), key=worst)
        if data.worst_first
        else _cards(pictures, fields, wells),
        "quarantined": [(i, f) for i, f in enumerate(fields) if f.status == "quarantined"],
        "has_qc": any(f.qc for f in fields),
        "parameters": to_yaml(data.parameters),
        "fitted": to_yaml(data.fitted) if data.fitted else "",
        "links": {t: a for t, a in data.links.items() if harmless(a)},
    }


def asset(name: str) -> str:
    """Text of a file of the page's own style or script."""
    return files("voxelmill.report").joinpath("static", name).read_text(encoding="utf-8")


def _own(text: str) -> Markup:
    """Mark the package's own text, or text made inert by ``safe_json``, as not to be escaped."""
    return Markup(text)  # noqa: S704


def policy(style: str, script: str) -> str:
    """Content security policy that admits exactly this style and this script."""
    style_hash, script_hash = (
        b64encode(sha256(text.encode()).digest()).decode("ascii") for text in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; "
        f"script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'"
    )


def verdict_of(fields: tuple[FieldRow, ...]) -> Verdict:
    """Count the images by verdict."""
    bad = sum(f.status == "quarantined" for f in fields)
    flagged = sum(bool(f.flags) for f in fields if f.status == "ok")
    return Verdict(len(fields), len(fields) - bad - flagged, flagged, bad)


def _maps(
    data: ReportData,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    shown: tuple[Measure, ...],
) -> list[tuple[int, PlateMap]]:
    """Up to two maps with the measure's index: the first count, and focus or what comes next."""
    focus = [i for i, m in enumerate(shown) if any(f in m.name.lower() for f in FOCUS)]
    chosen = list(dict.fromkeys([0, *focus[:1], 1]))[:2]
    return [
        (i, plate_map(data.rows, data.columns, wells, fields, shown[i]))
        for i in chosen
        if i < len(shown)
    ]


def _groups(shown: tuple[Measure, ...]) -> dict[str, list[tuple[int, Measure]]]:
    groups: dict[str, list[tuple[int, Measure]]] = {}
    for i, measure in enumerate(shown):
        groups.setdefault(measure.group, []).append((i, measure))
    return groups


def _in_order(thumbs: tuple[Thumbnail, ...], fields: tuple[FieldRow, ...]) -> tuple[Thumbnail, ...]:
    order = {f.image: i for i, f in enumerate(fields)}
    return tuple(sorted(thumbs, key=lambda t: order.get(t.image, len(fields))))


def _cards(
    pictures: Gallery, fields: tuple[FieldRow, ...], wells: tuple[Well, ...]
) -> list[dict[str, Any]]:
    """Cards in plate order, each with its field and its well's index."""
    order = {f.image: i for i, f in enumerate(fields)}
    index = {w.name: i for i, w in enumerate(wells)}
    cards = sorted(pictures.cards, key=lambda c: order.get(c.thumb.image, len(fields)))
    return [
        {
            "card": c,
            "well": index.get(c.thumb.well, -1),
            "index": order.get(c.thumb.image, -1),
            "field": fields[order[c.thumb.image]] if c.thumb.image in order else None,
        }
        for c in cards
    ]


def worst(card: Mapping[str, Any]) -> int:
    """Sort key of cards by verdict."""
    return -ORDER.index(card["field"].verdict) if card["field"] else 0


def to_yaml(value: Mapping[str, object]) -> str:
    """YAML of nested settings; values YAML has no type for are written as text."""
    return yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=88)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _plain(v)
            for v in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)
        ]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def harmless(address: str) -> bool:
    """Whether a link is relative or http(s): never script or data."""
    head = address.split("/", 1)[0].split("?", 1)[0].split("#", 1)[0]
    return ":" not in head or address.startswith(("http://", "https://"))
