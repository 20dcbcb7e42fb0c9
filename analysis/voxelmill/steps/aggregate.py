"""Step *aggregate*: tables of all batches → ``images.parquet`` and ``wells.parquet``.

An image row says status, faults, counts and QC values; a well row holds counts, the median of
each feature over all objects of the well, and the median of each QC value over its images. Images
are judged by pixels and objects, then wells, then the plate; the record has the plate's verdict.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.aggregation import Key, group_medians, group_rows, judge, medians_by
from voxelmill.batch import Item, place_columns
from voxelmill.config import Settings
from voxelmill.ledger import write_json
from voxelmill.objectquality import ObjectQuality, object_quality, own
from voxelmill.objectrows import Frame, ObjectRows
from voxelmill.overframe import prefix
from voxelmill.platequality import plate_quality
from voxelmill.qc import Check, Metric, PlateMetric
from voxelmill.steps.gather import Gathered, gather, qc_channels, read_plate_map
from voxelmill.tables import numeric, read_table, units, write_table
from voxelmill.verdict import verdict_of, well_verdict, worst

Sets = Mapping[str, ObjectRows]
COLUMNS = 16
"""Feature columns of which medians are taken at a time."""
BACKGROUND = "ImageQuality_Background_"

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
    sets = {name: ObjectRows([found.layout.objects(name, b.name) for b in found.batches],
                             prefix(name)) for name in settings.objects}  # fmt: skip
    quality = read_table([found.layout.qc(b.name) for b in found.batches])
    frames = _frames(found, quality)
    images, objects = _images(found, settings, sets, quality, frames)
    image_units = units(found.layout.qc(found.batches[0].name)) | objects.units
    write_table(found.layout.images, images, image_units)
    wells, well_units = _wells(sets, images, frames, treatments)
    technical = [f"Metadata_Count_{prefix(n)}" for n in settings.objects if own(settings, n)]
    technical += [c for c in images if c.startswith(BACKGROUND)]
    items = [item for item, _ in frames]
    plate = plate_quality(settings.qc.of(PlateMetric), items, images, wells, technical)
    _judge_wells(wells, plate.faults, _fatal(settings.qc.of(PlateMetric)))
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
            **plate.as_json(),
            "unjudged": [*objects.unjudged, *plate.unjudged],
        },
    )


def _fatal(metrics: Sequence[Check]) -> set[str]:
    return {fault for metric in metrics for fault in metric.fails}


def _frames(found: Gathered, quality: Mapping[str, Any]) -> list[tuple[Item, int]]:
    """Every image and time point in plate order; of an image without QC values, the first."""
    times: dict[str, list[int]] = {}
    for path, t in _frame_keys(quality):
        times.setdefault(path, []).append(t)
    return [(item, t) for item in found.items for t in times.get(item.path, [0])]


def _images(
    found: Gathered,
    settings: Settings,
    sets: Sets,
    quality: Mapping[str, Any],
    order: Sequence[tuple[Item, int]],
) -> tuple[dict[str, Any], ObjectQuality]:
    columns = [c for c in quality if not c.startswith("Metadata_")]
    metrics = settings.qc.of(Metric)
    channels = qc_channels(settings, quality)
    faults = judge(metrics, channels, quality, len(quality["Metadata_Image"]))
    place = {key: i for i, key in enumerate(_frame_keys(quality))}
    keys = [(item.path, t) for item, t in order]
    rows = [place.get(key, -1) for key in keys]
    lost = [item.path in found.quarantined for item, _ in order]
    left_out = [found.excluded.get(item.path, "") for item, _ in order]
    uncounted = [q or bool(x) for q, x in zip(lost, left_out, strict=True)]
    counts = {name: _counts(sets[name], keys, uncounted) for name in sets}
    objects = object_quality(settings, keys, sets, counts)
    flags = [
        "" if q else "; ".join([*(faults[r] if r >= 0 else ()), *more])
        for r, q, more in zip(rows, lost, objects.faults, strict=True)
    ]
    fails = _fatal(settings.qc.metrics)
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
    table |= {f"Metadata_Count_{prefix(name)}": values for name, values in counts.items()}
    table |= {
        c: np.asarray([quality[c][r] if r >= 0 else np.nan for r in rows], float) for c in columns
    }
    return table | objects.columns, objects


def _frame_keys(table: Mapping[str, Any]) -> list[tuple[str, int]]:
    return list(zip(table["Metadata_Image"], table["Metadata_Timepoint"].tolist(), strict=True))


def _counts(rows: ObjectRows, keys: Sequence[Frame], lost: Sequence[bool]) -> NDArray[np.float64]:
    sizes = rows.counts()
    numbers = [np.nan if q else sizes.get(k, 0) for k, q in zip(keys, lost, strict=True)]
    return np.asarray(numbers, np.float64)


def _wells(
    sets: Sets,
    images: Mapping[str, Any],
    frames: Sequence[tuple[Item, int]],
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
    left_out = images["Metadata_Excluded"]
    judged = [
        well_verdict([verdicts[i] for i in r if not left_out[i]], sum(bool(left_out[i]) for i in r))
        for r in groups.values()
    ]
    table["Metadata_Verdict"] = [verdict for verdict, _ in judged]
    table["Metadata_Flags"] = [reason for _, reason in judged]
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
    place = {key: i for i, key in enumerate(groups)}
    well = {(item.path, t): place[key] for (item, t), key in zip(frames, keys, strict=True)}
    for rows in sets.values():
        table |= _object_medians(rows, well, len(groups))
        known |= units(rows.files[0])
    return table | _medians(images, list(groups)), known


def _judge_wells(wells: dict[str, Any], faults: Sequence[list[str]], fails: set[str]) -> None:
    """Add what the plate says of its wells to what their images say."""
    both = zip(wells["Metadata_Verdict"], faults, strict=True)
    wells["Metadata_Verdict"] = [worst((v, verdict_of(more, fails))) for v, more in both]
    wells["Metadata_Flags"] = [
        "; ".join([flag, *more] if flag else more)
        for flag, more in zip(wells["Metadata_Flags"], faults, strict=True)
    ]


def _object_medians(rows: ObjectRows, well: Mapping[Frame, int], number: int) -> dict[str, Any]:
    """Medians over the objects of each well, a few columns at a time: tables may be large."""
    group = rows.rows_of(well)
    features = rows.features
    found: dict[str, Any] = {}
    for first in range(0, len(features), COLUMNS):
        values = numeric(rows.read(features[first : first + COLUMNS]))
        found |= {rows.names[c]: v for c, v in medians_by(group, number, values).items()}
    return found


def _medians(table: Mapping[str, Any], groups: Sequence[Key]) -> dict[str, Any]:
    values = {c: v for c, v in numeric(table).items() if not c.startswith("Metadata_")}
    keys: list[Key] = list(zip(table["Metadata_Plate"], table["Metadata_Well"], strict=True))
    medians = group_medians(keys, values)
    return {c: np.asarray([medians.get(g, {}).get(c, np.nan) for g in groups]) for c in values}
