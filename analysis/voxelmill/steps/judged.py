"""QC of one dataset, judged: rows of all images with their faults, as *aggregate* judges them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.aggregation import judge
from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.layout import Layout
from voxelmill.qc import Metric
from voxelmill.steps.gather import qc_channels, read_record
from voxelmill.steps.work import read_batch
from voxelmill.tables import read_table, rows
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


def judged(batch_files: Sequence[Path], settings: Settings) -> Judged:
    """Read the QC of one dataset and judge it by all metrics' plate-level rules."""
    layout = Layout.of_batch(batch_files[0])
    batches = tuple(read_batch(file) for file in sorted(batch_files))
    files = [layout.qc(batch.name) for batch in batches]
    table = read_table(files)
    channels = qc_channels(settings, table)
    faults = judge(settings.qc.of(Metric), channels, table, len(table["Metadata_Image"]))
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
        frozenset(fault for metric in settings.qc.of(Metric) for fault in metric.fails),
    )
