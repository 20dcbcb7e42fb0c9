"""Step *review*: QC of all batches → a verdict on every image, and the QC report ``qc.html``.

In: batches with their QC records and tables. Out: the page that a person looks at, and the record
``records/review.json``: the verdict and faults of every image, as *aggregate* will judge it, which
of them are fatal, and a digest of all that: the approval speaks of this digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voxelmill.aggregation import judge
from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.layout import REVIEW, Layout
from voxelmill.ledger import digest, write_json
from voxelmill.natural import shorter_first
from voxelmill.report import render
from voxelmill.report.model import FieldRow, ReportData, Thumbnail
from voxelmill.sizes import THUMBNAILS
from voxelmill.steps.gate import seen
from voxelmill.steps.gather import channels_of, read_record
from voxelmill.steps.report import AT_ONCE, VERSIONS
from voxelmill.steps.thumbnails import choose, thumbnail
from voxelmill.steps.work import read_batch
from voxelmill.store.documents import write_bytes
from voxelmill.store.remote import side_by_side
from voxelmill.storeoptions import is_url
from voxelmill.tables import read_table, rows, units
from voxelmill.verdict import Verdict, verdict_of


@dataclass(frozen=True)
class Judged:
    """QC of one dataset: rows of its images with their faults, and what could not be read."""

    layout: Layout
    batches: tuple[Batch, ...]
    rows: tuple[dict[str, Any], ...]
    faults: tuple[tuple[str, ...], ...]
    """Of each row."""
    records: Mapping[str, Mapping[str, Any]]
    """What *qc* says of each image."""
    channels: tuple[str, ...]
    fatal: frozenset[str]

    @property
    def items(self) -> list[Item]:
        """All images in plate order."""
        return [item for batch in self.batches for item in batch.items]

    def verdict(self, faults: Sequence[str]) -> Verdict:
        """Verdict that follows from faults."""
        return verdict_of(faults, self.fatal)


def review(batch_files: Sequence[Path], out: Path, settings: Settings, command: str = "") -> None:
    """Judge the images of one dataset, write its QC report and the record `out`.

    Parameters
    ----------
    batch_files : sequence of Path
    out : Path
    settings : Settings
    command : str
        Command that goes on, for who approves.

    Raises
    ------
    BadInput, StoreUnavailable
        A record, a table or an image is absent or damaged.
    """
    found = judged(batch_files, settings)
    images = _images(found)
    html = render(_data(found, images, settings))
    write_bytes(found.layout.qc_report, html.encode())
    write_json(
        out,
        {
            "step": REVIEW,
            "dataset": found.batches[0].dataset,
            "settings": settings.part(REVIEW),
            "of": {batch.name: seen(found.layout.root, batch.name) for batch in found.batches},
            "images": images,
            "digest": digest(images),
            "command": command,
        },
    )


def judged(batch_files: Sequence[Path], settings: Settings) -> Judged:
    """Read the QC of one dataset and judge it by all metrics' plate-level rules."""
    layout = Layout.of_batch(batch_files[0])
    batches = tuple(read_batch(file) for file in sorted(batch_files))
    files = [layout.qc(batch.name) for batch in batches]
    table = read_table(files)
    names = [c for metric in settings.qc.metrics for c in metric.columns()]
    channels = channels_of([c for c in table if not c.startswith("Metadata_")], names)
    faults = judge(settings.qc.metrics, channels, table, len(table["Metadata_Image"]))
    records = {
        image: entry
        for batch in batches
        for image, entry in read_record(layout.record("qc", batch.name))["images"].items()
    }
    return Judged(
        layout,
        batches,
        tuple(rows(table)),
        tuple(tuple(found) for found in faults),
        records,
        tuple(channels),
        frozenset(fault for metric in settings.qc.metrics for fault in metric.fails),
    )


def _images(found: Judged) -> dict[str, dict[str, Any]]:
    """What the record says of every image: of all its time points together."""
    faults: dict[str, list[str]] = {}
    for row, some in zip(found.rows, found.faults, strict=True):
        faults.setdefault(row["Metadata_Image"], []).extend(some)
    images = {}
    for item in found.items:
        entry = found.records[item.path]
        lost = entry["status"] == "quarantined"
        mine = [] if lost else list(dict.fromkeys(faults.get(item.path, ())))
        images[item.path] = {
            "well": item.well,
            "verdict": "fail" if lost else found.verdict(mine),
            "faults": mine,
            "fatal": [fault for fault in mine if found.verdict([fault]) == "fail"],
            "quarantined": entry["reason"] if lost else "",
            "input": entry.get("input", ""),
        }
    return images


def _data(found: Judged, images: Mapping[str, Mapping[str, Any]], settings: Settings) -> ReportData:
    items, dataset = found.items, found.batches[0].dataset
    shown = _worst_first(items, images)
    return ReportData(
        dataset=dataset,
        plate=next((i.plate for i in items if i.plate), ""),
        rows=tuple(sorted({i.row for i in items if i.row}, key=shorter_first)),
        columns=tuple(sorted({i.column for i in items if i.column}, key=shorter_first)),
        fields=tuple(_fields(found, images)),
        thumbnails=tuple(_thumbnails(found, shown)),
        parameters=settings.part(REVIEW),
        versions={name: version(name) for name in VERSIONS},
        warnings=(_next(dataset, images, settings),),
        units=units(found.layout.qc(found.batches[0].name)),
        channels=found.channels,
        worst_first=True,
    )


def _fields(found: Judged, images: Mapping[str, Mapping[str, Any]]) -> list[FieldRow]:
    """One row a time point; one for an image that could not be read."""
    made = []
    by_image: dict[str, list[int]] = {}
    for i, row in enumerate(found.rows):
        by_image.setdefault(row["Metadata_Image"], []).append(i)
    for item in found.items:
        reason = images[item.path]["quarantined"]
        field = FieldRow(item.path, item.well, item.site)
        if reason:
            made.append(replace(field, status="quarantined", reason=reason, verdict="fail"))
            continue
        for i in by_image.get(item.path, ()):
            qc = {c: v for c, v in found.rows[i].items() if not c.startswith("Metadata_")}
            flags = found.faults[i]
            made.append(replace(field, qc=qc, flags=flags, verdict=found.verdict(flags)))
    return made


def _worst_first(items: Sequence[Item], images: Mapping[str, Mapping[str, Any]]) -> list[Item]:
    """Images to show: those that fail, those that are flagged, then some of every well."""
    lost = {path for path, image in images.items() if image["quarantined"]}
    bad = [
        item
        for verdict in ("fail", "warn")
        for item in items
        if images[item.path]["verdict"] == verdict and item.path not in lost
    ][:THUMBNAILS]
    taken = lost | {item.path for item in bad}
    return [*bad, *choose(items, taken, THUMBNAILS - len(bad))]


def _thumbnails(found: Judged, shown: Sequence[Item]) -> list[Thumbnail]:
    batch_of = {item.path: batch for batch in found.batches for item in batch.items}
    afar = any(is_url(batch.url) for batch in found.batches)

    def read(item: Item) -> Thumbnail:
        return thumbnail(batch_of[item.path], item, "", ())

    return side_by_side(read, shown, AT_ONCE if afar else 1)


def _next(dataset: str, images: Mapping[str, Mapping[str, Any]], settings: Settings) -> str:
    """What happens after the page was read."""
    verdicts = [image["verdict"] for image in images.values() if not image["quarantined"]]
    failing = f"{verdicts.count('fail')} of {len(images)} images fail QC"
    if settings.qc.gate == "auto":
        return f"{failing}; they are left out of what follows (qc.gate: auto)."
    return (
        f"{failing} and {verdicts.count('warn')} are flagged. Nothing is segmented before somebody "
        f"approves: voxelmill approve RESULTS --dataset {dataset}, with --exclude WELL or "
        "--exclude-failing and --why TEXT to leave images out."
    )
