"""What a run says when it has stopped at the gate: which page to look at, and how to go on."""

import shlex
from collections.abc import Iterator

from voxelmill.approval import failing
from voxelmill.config import Config
from voxelmill.layout import Layout
from voxelmill.steps.gate import Shut, read_review

MOST = 20
"""Images that are named; the page has all."""


def waiting(config: Config, layout: Layout, waits: Shut) -> list[str]:
    """Lines on one dataset that may not go on."""
    review = read_review(layout.root)
    name = layout.root.name
    if review is None or waits == "unseen":
        return [f"{name}: QC is not finished; the gate ({config.qc.gate}) follows it"]
    images = review["images"].values()
    lost = sum(bool(image["quarantined"]) for image in images)
    warned = sum(image["verdict"] == "warn" for image in images)
    bad = failing(review)
    results = config.store or str(config.folder)
    page = f"{results}/{name}/{layout.qc_report.name}"
    return [
        (
            f"{name}: QC is done and waits for your approval: of {len(images)} images {len(bad)} "
            f"fail, {warned} are flagged, {lost} are quarantined"
        ),
        *_named(bad),
        f"  look at: {page}",
        f"  to go on with all images: {command(results, name)}",
        f"  without those that fail:  {command(results, name)} --exclude-failing --why TEXT",
        f"  without some wells:       {command(results, name)} --exclude WELL --why TEXT",
        f"  then again: {review['command']}",
    ]


def _named(bad: dict[str, str]) -> Iterator[str]:
    for image, faults in list(bad.items())[:MOST]:
        yield f"  fails {image or 'image'}: {faults}"
    if len(bad) > MOST:
        yield f"  … and {len(bad) - MOST} more"


def command(results: str, dataset: str) -> str:
    """Command that approves a dataset as it is."""
    return f"voxelmill approve {shlex.quote(results)} --dataset {dataset}"
