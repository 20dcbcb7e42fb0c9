"""What each job reads and writes, by the identifiers of the crate."""

from collections.abc import Iterable

from voxelmill.crate import ids
from voxelmill.crate.facts import Facts, Job
from voxelmill.layout import APPROVAL, BATCH_STEPS

LABELS, LIGHT = "labels.ome.zarr/", "illumination.ome.zarr/"
"""Folders of many files, which are named as a whole."""


def there(facts: Facts, identifiers: Iterable[str]) -> list[str]:
    """Those of some identifiers that the crate has."""
    made = {
        *(f"{ids.INVENTORIES}{b.name}" for b in facts.batches if b.inputs),
        *(f"{ids.LABELS}{b.name}" for b in facts.batches if b.labels),
        *(f"{ids.LEFT_OUT}{b.name}" for b in facts.batches if b.left_out),
    }
    return [
        i for i in identifiers
        if i in (ids.INPUT, *facts.folders) or i in made or ids.path(i) in facts.files
    ]  # fmt: skip


def read_by(facts: Facts, job: Job) -> list[str]:
    """What a job reads; also what it may read, if that is there."""
    batch, names = job.batch, [b.name for b in facts.batches]
    pixels = [ids.INPUT, f"{ids.INVENTORIES}{batch}", f"batches/{batch}.json"]
    light = ["records/illumination.json", LIGHT]
    labels = [f"labels/{batch}.ozx", LABELS, f"{ids.LABELS}{batch}"]
    quality = [path for b in names for path in (f"records/qc/{b}.json", f"qc/{b}.parquet")]
    measured = [path for b in names for path in (f"records/measure/{b}.json", *_tables(facts, b))]
    found = {
        "qc": pixels,
        "review": quality,
        "illumination": [ids.INPUT],
        "segment": [*pixels, f"gate/{batch}.json", *light],
        "measure": [*pixels, *labels, f"records/segment/{batch}.json", f"index/{batch}.parquet",
                    *light],
        "aggregate": [*quality, *measured, ids.file(facts.plate_map)],
        "report": ["images.parquet", "wells.parquet", "records/aggregate.json", APPROVAL, *light],
    }  # fmt: skip
    return found[job.step]


def written_by(facts: Facts, job: Job) -> list[str]:
    """What a job writes."""
    batch = job.batch
    record = f"records/{job.step}/{batch}.json" if job.step in BATCH_STEPS else ""
    found = {
        "qc": [f"qc/{batch}.parquet"],
        "review": ["qc.html"],
        "illumination": [LIGHT],
        "segment": [f"labels/{batch}.ozx", LABELS, f"{ids.LABELS}{batch}", f"index/{batch}.parquet",
                    f"{ids.LEFT_OUT}{batch}"],
        "measure": _tables(facts, batch),
        "aggregate": ["images.parquet", "wells.parquet"],
        "report": ["report.html"],
    }  # fmt: skip
    return [*found[job.step], record or f"records/{job.step}.json"]


def _tables(facts: Facts, batch: str) -> list[str]:
    return [f"objects/{name}/{batch}.parquet" for name in facts.config["objects"]]
