"""Step *review*: QC of all batches → a verdict on every image, and the QC report ``qc.html``.

In: batches with their QC records and tables. Out: the page that a person looks at, and the record
``records/review.json``: the verdict and faults of every image, as *aggregate* will judge it, which
of them are fatal, and a digest of all that: the approval speaks of this digest.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxelmill.config import Settings
from voxelmill.layout import REVIEW
from voxelmill.ledger import digest, write_json
from voxelmill.report import render
from voxelmill.steps.gate import seen
from voxelmill.steps.judged import Judged, judged
from voxelmill.steps.reviewpage import qc_page
from voxelmill.store.documents import write_bytes


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
    html = render(qc_page(found, images, settings))
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
