"""Step *report*: tables, thumbnails and parameters of one dataset → ``report.html``."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voxelmill.citation import citation
from voxelmill.config import Settings
from voxelmill.ledger import write_bytes, write_json
from voxelmill.overframe import prefix
from voxelmill.report import render
from voxelmill.report.model import FieldRow, Histogram, ReportData, Thumbnail
from voxelmill.report.ranking import ranked
from voxelmill.report.summary import summary
from voxelmill.sizes import THUMBNAILS, edge_for
from voxelmill.software import versions
from voxelmill.steps.flatfields import flatfields
from voxelmill.steps.gate import told
from voxelmill.steps.gather import Gathered, gather, qc_channels, read_record
from voxelmill.steps.labelplace import check_labels
from voxelmill.steps.plateverdict import findings, plate_verdict
from voxelmill.steps.spread import every, spread
from voxelmill.steps.thumbnails import choose, pictures, plate_of
from voxelmill.tables import read_table, rows, units


def report(batch_files: Sequence[Path], out: Path, settings: Settings, command: str = "") -> None:
    """Write the report of one dataset and the record `out`.

    Raises
    ------
    BadInput, StoreUnavailable
        A record or table is absent or damaged.
    """
    found = gather(batch_files)
    data = _data(found, settings, command)
    verdict = summary(data)
    write_bytes(found.layout.report, render(data).encode())
    write_json(
        out,
        {
            "step": "report",
            "dataset": found.dataset,
            "settings": settings.part("report"),
            "images": len(found.items),
            "quarantined": dict(found.quarantined),
            "thumbnails": len(data.thumbnails),
            "verdict": verdict.level,
            "states": dict(verdict.counts),
        },
    )


def _data(found: Gathered, settings: Settings, command: str) -> ReportData:
    images = read_table(found.layout.images)
    fields = tuple(_field(row, settings) for row in rows(images))
    segmented = {
        image: entry
        for batch in found.batches
        for image, entry in read_record(found.layout.record("segment", batch.name))[
            "images"
        ].items()
    }
    aggregated = read_record(found.layout.record("aggregate"))
    channels = qc_channels(settings, images)
    histograms, sampled = _spread(found, settings, fields)
    verdict, reasons = plate_verdict(aggregated)
    return ReportData(
        dataset=found.dataset,
        **plate_of(found.items),
        fields=fields,
        wells=read_table(found.layout.wells),
        thumbnails=tuple(_thumbnails(found, settings, fields, segmented, len(channels))),
        parameters=settings.part("report"),
        fitted=_fitted(segmented, settings),
        versions=versions(),
        warnings=_seams(segmented),
        units=units(found.layout.wells),
        channels=tuple(channels),
        command=command,
        findings=findings(aggregated),
        citation=citation(),
        histograms=histograms,
        sampled=sampled,
        verdict=verdict,
        reasons=reasons,
        approval=told(found.layout, settings),
        flatfields=flatfields(found.layout, on=settings.illumination is not None),
    )


def _spread(
    found: Gathered, settings: Settings, fields: Sequence[FieldRow]
) -> tuple[dict[str, Histogram], str]:
    """Histograms of all features, and how the objects were picked."""
    histograms: dict[str, Histogram] = {}
    said = []
    for name in settings.objects:
        step = every(sum(f.counts.get(name, 0) for f in fields))
        files = [found.layout.objects(name, b.name) for b in found.batches]
        histograms |= spread(files, step)
        said += [f"one of {step} {name} of each image"] if step > 1 else []
    return histograms, f"Histograms of objects are of a sample: {', '.join(said)}." if said else ""


def _thumbnails(
    found: Gathered,
    settings: Settings,
    fields: Sequence[FieldRow],
    segmented: Mapping[str, Any],
    channels: int,
) -> list[Thumbnail]:
    """Thumbnails of the worst and the typical images; what was excluded is not read."""
    lost = {*found.quarantined, *found.excluded}
    shown = choose(found.items, lost, THUMBNAILS, ranked(fields))
    if found.layout.store:
        check_labels(found.layout.labels_address, {i.path: segmented[i.path] for i in shown})
    edge = edge_for(len(shown), channels, len(settings.objects))
    return pictures(found.layout, found.batches, shown, list(settings.objects), edge)


def _field(row: dict[str, Any], settings: Settings) -> FieldRow:
    counts = {name: row[f"Metadata_Count_{prefix(name)}"] for name in settings.objects}
    status = row["Metadata_Status"]
    return FieldRow(
        image=row["Metadata_Image"],
        well=row["Metadata_Well"],
        site=row["Metadata_Site"],
        status="ok" if status == "flagged" else status,
        reason=row["Metadata_Excluded"] or row["Metadata_Reason"],
        verdict=row["Metadata_Verdict"],
        counts={n: int(c) for n, c in counts.items() if not math.isnan(c)},
        qc={c: v for c, v in row.items() if not c.startswith("Metadata_")},
        flags=tuple(f for f in row["Metadata_Flags"].split("; ") if f),
    )


def _fitted(segmented: dict[str, Any], settings: Settings) -> dict[str, object]:
    """Fitted parameters of the first usable image, by object set: the record has them all."""
    for image, entry in segmented.items():
        if entry["status"] == "ok":
            return {"image": image} | {
                name: entry["objects"][name]["fitted"][0] for name in settings.objects
            }
    return {}


def _seams(segmented: dict[str, Any]) -> tuple[str, ...]:
    """Warn about objects that a block seam may have cut, and name the halo that would do."""
    found = []
    for image, entry in segmented.items():
        for name, done in entry.get("objects", {}).items():
            if n := sum(done["seams"]):
                halo = max(max(h[1:]) for h in done["halo"])
                longest = max(max(size[1:]) for size in done["longest"])
                found.append(
                    f"{image or 'image'}: {n} {name} may be cut: they reach beyond the halo of "
                    f"{halo} voxels, or are pieces of what is too large for the segmenter; the "
                    f"longest extends over {longest}. Give the segmenter a larger diameter, or "
                    f"set objects.{name}.halo_px: {longest + 1}"
                )
    return tuple(found)
