"""Step *aggregate*: tables of all batches → ``images.parquet`` and ``wells.parquet``.

An image row says status, faults, counts and QC values; a well row holds counts, the median of
each feature over all objects of the well, and the median of each QC value over its images.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.aggregation import Key, group_medians, group_rows, judge
from voxelmill.batch import place_columns
from voxelmill.config import Settings
from voxelmill.ledger import write_json
from voxelmill.overframe import prefix
from voxelmill.steps.gather import Gathered, channels_of, gather, read_plate_map
from voxelmill.tables import numeric, read_table, units, write_table
from voxelmill.verdict import verdict_of, worst

STATES = ("ok", "flagged", "excluded", "quarantined")
"""Of an image."""


def aggregate(
    batch_files: Sequence[Path], out: Path, settings: Settings, plate_map: Path | None = None
) -> None:
    """Summarise one dataset and write the record `out`.

    Raises
    ------
    BadInput
        A record is absent, or the plate map breaks a rule.
    StoreUnavailable
        A table is absent or damaged.
    """
    treatments = read_plate_map(plate_map) if plate_map else {}
    found = gather(batch_files)
    images, image_units = _images(found, settings)
    write_table(found.layout.images, images, image_units)
    wells, well_units = _wells(found, settings, images, treatments)
    n = write_table(found.layout.wells, wells, {**image_units, **well_units})
    status = list(images["Metadata_Status"])
    counts = {c: int(np.nansum(v)) for c, v in images.items() if c.startswith("Metadata_Count_")}
    write_json(
        out,
        {
            "step": "aggregate",
            "dataset": found.dataset,
            "settings": settings.part("aggregate"),
            "images": {s: status.count(s) for s in STATES},
            "wells": n,
            "counts": {c.removeprefix("Metadata_Count_"): v for c, v in counts.items()},
            "quarantined": dict(found.quarantined),
            "excluded": dict(found.excluded),
        },
    )


def _images(found: Gathered, settings: Settings) -> tuple[dict[str, Any], dict[str, str]]:
    files = [found.layout.qc(b.name) for b in found.batches]
    quality = read_table(files)
    columns = [c for c in quality if not c.startswith("Metadata_")]
    names = [c for metric in settings.qc.metrics for c in metric.columns()]
    faults = judge(
        settings.qc.metrics, channels_of(columns, names), quality, len(quality["Metadata_Image"])
    )
    place = {key: i for i, key in enumerate(_frame_keys(quality))}
    order = [
        (item, t) for item in found.items for t in ([t for p, t in place if p == item.path] or [0])
    ]
    rows = [place.get((item.path, t), -1) for item, t in order]
    lost = [item.path in found.quarantined for item, _ in order]
    flags = [
        "; ".join(faults[r]) if r >= 0 and not q else "" for r, q in zip(rows, lost, strict=True)
    ]
    left_out = [found.excluded.get(item.path, "") for item, _ in order]
    fails = {fault for metric in settings.qc.metrics for fault in metric.fails}
    table: dict[str, Any] = {
        **place_columns(found.dataset, [item for item, _ in order]),
        "Metadata_Timepoint": np.asarray([t for _, t in order], np.int64),
        "Metadata_Status": [
            "quarantined" if q else "excluded" if x else "flagged" if f else "ok"
            for q, x, f in zip(lost, left_out, flags, strict=True)
        ],
        "Metadata_Verdict": [
            "fail" if r < 0 or q else verdict_of([v for v in f.split("; ") if v], fails)
            for r, q, f in zip(rows, lost, flags, strict=True)
        ],
        "Metadata_Flags": flags,
        "Metadata_Excluded": left_out,
        "Metadata_Reason": [found.reasons.get(item.path, "") for item, _ in order],
    }
    keys = [(item.path, t) for item, t in order]
    table |= _counts(
        found, settings, keys, [q or bool(x) for q, x in zip(lost, left_out, strict=True)]
    )
    table |= {
        c: np.asarray([quality[c][r] if r >= 0 else np.nan for r in rows], float) for c in columns
    }
    return table, units(files[0])


def _frame_keys(table: Mapping[str, Any]) -> list[tuple[str, int]]:
    return list(zip(table["Metadata_Image"], table["Metadata_Timepoint"].tolist(), strict=True))


def _counts(
    found: Gathered, settings: Settings, keys: Sequence[tuple[str, int]], lost: Sequence[bool]
) -> dict[str, Any]:
    counts = {}
    for name in settings.objects:
        files = [found.layout.objects(name, b.name) for b in found.batches]
        table = read_table(files, ["Metadata_Image", "Metadata_Timepoint"])
        sizes = Counter(_frame_keys(table))
        numbers = [np.nan if q else sizes[k] for k, q in zip(keys, lost, strict=True)]
        counts[f"Metadata_Count_{prefix(name)}"] = np.asarray(numbers, np.float64)
    return counts


def _wells(
    found: Gathered,
    settings: Settings,
    images: Mapping[str, Any],
    treatments: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, Any], dict[str, str]]:
    keys: list[Key] = list(zip(images["Metadata_Plate"], images["Metadata_Well"], strict=True))
    groups = group_rows(keys)
    status = np.asarray(images["Metadata_Status"])
    table: dict[str, Any] = {
        "Metadata_Plate": [plate for plate, _ in groups],
        "Metadata_Well": [well for _, well in groups],
    }
    for column in dict.fromkeys(c for row in treatments.values() for c in row):
        table[column] = [treatments.get(well, {}).get(column) for _, well in groups]
    table["Metadata_Images"] = np.asarray([len(r) for r in groups.values()], np.int64)
    verdicts = images["Metadata_Verdict"]
    table["Metadata_Verdict"] = [worst(verdicts[i] for i in r) for r in groups.values()]
    left_out = images["Metadata_Excluded"]
    table["Metadata_Excluded"] = [
        "; ".join(dict.fromkeys(left_out[i] for i in r)) if all(left_out[i] for i in r) else ""
        for r in groups.values()
    ]
    for state in STATES[1:]:
        hits = [int((status[r] == state).sum()) for r in groups.values()]
        table[f"Metadata_Images_{state.capitalize()}"] = np.asarray(hits, np.int64)
    for column in (c for c in images if c.startswith("Metadata_Count_")):
        sums = [np.nan if np.isnan(images[column][r]).all() else np.nansum(images[column][r])
                for r in groups.values()]  # fmt: skip
        table[column] = np.asarray(sums, float)
    known: dict[str, str] = {}
    for name in settings.objects:
        files = [found.layout.objects(name, b.name) for b in found.batches]
        table |= _medians(read_table(files), list(groups))
        known |= units(files[0])
    return table | _medians(images, list(groups)), known


def _medians(table: Mapping[str, Any], groups: Sequence[Key]) -> dict[str, Any]:
    values = {c: v for c, v in numeric(table).items() if not c.startswith("Metadata_")}
    keys: list[Key] = list(zip(table["Metadata_Plate"], table["Metadata_Well"], strict=True))
    medians = group_medians(keys, values)
    return {c: np.asarray([medians.get(g, {}).get(c, np.nan) for g in groups]) for c in values}
