"""The QC report: what a person looks at before a run goes on.

In: the judged QC of one dataset. Out: the values of its page: the report's own, without objects,
with the worst images first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from voxelmill.config import Settings
from voxelmill.layout import REVIEW
from voxelmill.report.model import FieldRow, ReportData, Thumbnail
from voxelmill.report.ranking import ranked
from voxelmill.sizes import THUMBNAILS, edge_for
from voxelmill.software import versions
from voxelmill.steps.judged import Judged
from voxelmill.steps.thumbnails import choose, pictures, plate_of
from voxelmill.tables import units

Images: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What the record of the review says of each image."""


def qc_page(found: Judged, images: Images, settings: Settings) -> ReportData:
    """Values of the page.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        An image cannot be read.
    """
    dataset = found.batches[0].dataset
    fields = tuple(_fields(found, images))
    return ReportData(
        dataset=dataset,
        **plate_of(found.items),
        fields=fields,
        thumbnails=tuple(_thumbnails(found, images, fields)),
        parameters=settings.part(REVIEW),
        versions=versions(),
        warnings=(_next(dataset, images, settings),),
        units=units(found.layout.qc(found.batches[0].name)),
        channels=found.channels,
    )


def _fields(found: Judged, images: Images) -> list[FieldRow]:
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


def _thumbnails(found: Judged, images: Images, fields: Sequence[FieldRow]) -> list[Thumbnail]:
    """Thumbnails of the worst and the typical images of every well."""
    lost = {path for path, image in images.items() if image["quarantined"]}
    shown = choose(found.items, lost, THUMBNAILS, ranked(fields))
    edge = edge_for(len(shown), len(found.channels), 0)
    return pictures(found.layout, found.batches, shown, (), edge)


def _next(dataset: str, images: Images, settings: Settings) -> str:
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
