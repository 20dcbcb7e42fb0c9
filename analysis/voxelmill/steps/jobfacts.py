"""Which jobs a dataset took and what they left: from records, logs and the times of files.

In: records by step and batch, what is listed. Out: the values of a crate. Where logs say nothing,
as of jobs in pods, the time of a record is the end of its job.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from voxelmill.batch import Batch
from voxelmill.crate.facts import BatchFacts, Job
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS, ILLUMINATION, PROVENANCE, REVIEW, Layout
from voxelmill.published import bare
from voxelmill.steps.checksums import File
from voxelmill.steps.effort import times
from voxelmill.steps.gather import Gathered

Records = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Step → batch → record."""


def jobs_of(layout: Layout, records: Records, found: Mapping[str, File]) -> Iterator[Job]:
    """All jobs whose records are listed, in the order of steps and batches."""
    known = times(layout)
    whole = [step for step in DATASET_STEPS if step != PROVENANCE]
    wanted = [(step, batch) for step in BATCH_STEPS for batch in records[step]]
    for step, batch in [*wanted, *((step, "") for step in (REVIEW, ILLUMINATION, *whole))]:
        path = layout.record(step, batch).relative_to(layout.root).as_posix()
        if path not in found:
            continue
        start, end, core_s, cores, gib = known.get(step, {}).get(batch) or (
            0.0, _changed(layout.root / path, found[path]), 0.0, 0.0, 0.0,
        )  # fmt: skip
        record = records[step][batch] if batch else {}
        yield Job(step, batch, end, start, core_s, cores, gib, str(record.get("voxelmill", "")),
                  _text(record, step))  # fmt: skip


def batch_facts(batch: Batch, records: Records, gathered: Gathered) -> BatchFacts:
    """What there is to say of every image of a batch."""
    segmented = records["segment"][batch.name]["images"]
    judged = records["qc"][batch.name]["images"]
    inputs, labels, left_out = {}, {}, {}
    for path in (item.path for item in batch.items):
        entry = segmented.get(path, {})
        if digest := entry.get("input") or judged.get(path, {}).get("input"):
            inputs[path] = digest
        for name, done in entry.get("objects", {}).items():
            labels[path, name] = done["sha256"]
        if reason := gathered.excluded.get(path) or gathered.quarantined.get(path):
            left_out[path] = reason_told(reason, batch.url)
    return BatchFacts(batch.name, len(batch.items), inputs, labels, left_out)


def reason_told(reason: str, url: str) -> str:
    """Reason on one line without what is of this machine: the folder of the dataset, any other."""
    folder = str(Path(url).parent) if url.startswith("/") else ""
    local = reason.replace(f"{folder}/", "") if folder.strip("/") else reason
    return " ".join(bare(local).split())


def _changed(path: Path, file: File) -> float:
    return file.stored.modified or path.stat().st_mtime


def _text(record: Mapping[str, Any], step: str) -> str:
    """What a job had to do, and how much of it was left out."""
    images = record.get("images")
    if not images:
        return f"Step {step} of the whole dataset."
    used = sum(image["status"] == "ok" for image in images.values())
    return f"Step {step} of {len(images)} images, {len(images) - used} of them left out."
