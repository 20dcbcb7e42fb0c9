"""A dataset as its exports see it; refused where it is not finished."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from voxelmill.crate.recorded import Recorded
from voxelmill.export.finished import Finished, Labelled, Provenance
from voxelmill.layout import BATCH_STEPS, Layout, manifest
from voxelmill.ledger import sha256_of
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.gather import gather, read_record
from voxelmill.steps.viewdata import Results
from voxelmill.study import Study
from voxelmill.tables import read_table

NEEDED = ("aggregate", "report")
"""Of the steps of a dataset; earlier versions have left no crate."""


def finished(
    results: Results, dataset: str, sets: Sequence[str] = (), study: Study | None = None
) -> Finished:
    """Read what is known of a finished dataset.

    Parameters
    ----------
    results : Results
    dataset : str
    sets : sequence of str
        Object sets to export; empty: all.
    study : Study, optional
        Instead of the one that the results have.

    Raises
    ------
    BadInput
        It is not finished, or has no such object set.
    StoreUnavailable
        A table is damaged.
    """
    layout = results.layout(dataset)
    files = sorted((layout.root / "batches").glob("*.json"))
    _refuse_unfinished(layout, [file.stem for file in files])
    found = gather(files)
    settings: dict[str, Any] = {}
    images: list[Labelled] = []
    rows: dict[tuple[str, str], int] = {}
    version = ""
    for batch in found.batches:
        segmented = read_record(layout.record("segment", batch.name))
        measured = read_record(layout.record("measure", batch.name))
        settings |= segmented["settings"] | measured["settings"]
        version = measured["voxelmill"]
        rows |= {(batch.name, name): n for name, n in measured["rows"].items()}
        root = layout.labels_of(batch.name)
        for item in batch.items:
            if measured["images"][item.path]["status"] == "ok":
                objects = segmented["images"][item.path]["objects"]
                counts = {name: tuple(told["counts"]) for name, told in objects.items()}
                images.append(Labelled(item, root, counts))
    settings |= read_record(layout.record("aggregate"))["settings"]
    return Finished(
        layout=layout,
        batches=found.batches,
        images=tuple(images),
        left_out={**found.quarantined, **found.excluded},
        settings=settings,
        rows=rows,
        sets=_sets(dataset, list(settings["objects"]), sets),
        channels=_channels(results, dataset),
        provenance=_provenance(layout, version, study),
    )


def _refuse_unfinished(layout: Layout, batches: Sequence[str]) -> None:
    wanted = [(step, batch) for step in BATCH_STEPS for batch in batches]
    wanted += [(step, "") for step in NEEDED]
    absent = [job for job in wanted if not layout.record(*job).exists()]
    if absent:
        first = " ".join(part for part in absent[0] if part)
        raise BadInput(
            f"{layout.root.name}: not finished, {len(absent)} of {len(wanted)} jobs are to be done "
            f"(first: {first}). Run `voxelmill run`, or choose others with --dataset"
        )


def _sets(dataset: str, known: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    for name in chosen:
        if name not in known:
            raise BadConfig(f"--set {name}: {dataset} has {', '.join(known)}")
    return tuple(name for name in known if not chosen or name in chosen)


def _channels(results: Results, dataset: str) -> Mapping[str, tuple[str, ...]]:
    """Channels of each image; none where the dataset was copied without the manifest."""
    path = manifest(results.folder)
    if not path.is_file():
        return {}
    table = read_table(path, ["dataset", "image", "channels"])
    lines = zip(table["dataset"], table["image"], table["channels"], strict=True)
    return {image: tuple(json.loads(names)) for name, image, names in lines if name == dataset}


def _provenance(layout: Layout, version: str, study: Study | None) -> Provenance:
    if not layout.crate.is_file():
        return Provenance(version, study or Study())
    from voxelmill.crate.read import read_crate

    return recorded(read_crate(str(layout.root)), version, study, sha256_of(layout.crate))


def recorded(told: Recorded, version: str, study: Study | None, crate: str) -> Provenance:
    """Give what a crate tells of where results come from; a `study` that is given goes before."""
    kept = Study.model_validate(told.config.get("study") or {})
    return Provenance(version, study or kept, told.versions, crate)
