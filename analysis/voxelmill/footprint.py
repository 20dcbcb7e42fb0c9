"""What a run leaves on a file system: files and bytes. Pure.

In: the images of every batch, a configuration, bytes by object as calibrated. Out: a `Footprint`
of each dataset. Bytes count as file systems do, which round each file up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxelmill.config import Config
from voxelmill.costs import table_columns
from voxelmill.estimate import Group
from voxelmill.extent import Extent
from voxelmill.layout import DATASET_STEPS
from voxelmill.plan import label_files
from voxelmill.sizes import THUMBNAILS, diameter_px, objects_of, values_of

ROUNDED = 2048
"""Bytes that a file takes more than it holds, on the average: half a block of 4 KiB."""
THUMBNAIL, PICTURES, PAGE, IMAGE_ROW = 80_000, 11_000_000, 300_000, 1000
"""Bytes of a report: each thumbnail, the page itself, the row of an image."""
OUTPUTS = {"qc": 2, "review": 2, "segment": 2, "measure": 1, "aggregate": 3, "report": 2,
           "provenance": 3}  # fmt: skip
"""Files that Snakemake tracks, tables of objects besides."""
BESIDES = 13
"""Files that *provenance* leaves besides: README, configuration, sheet, ten of the workflow."""
LINE, CRATE, JOB = 90, 30_000, 6000
"""Bytes of the list of checksums for a file, and of the crate for an image and set: a line each.
Bytes of the crate at all, and for what there is of each batch."""
METADATA, DATABASE = 600, 2
"""Bytes that Snakemake keeps of each tracked file, and the files of its database."""


@dataclass(frozen=True)
class Footprint:
    """Files and bytes of results, and files that Snakemake keeps of them in its own folder."""

    files: int
    bytes: int
    tracked: int
    away: int = 0
    """Of the files, those that lie on an object store only: labels. All others are copied."""
    bytes_away: int = 0

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(
            self.files + other.files,
            self.bytes + other.bytes,
            self.tracked + other.tracked,
            self.away + other.away,
            self.bytes_away + other.bytes_away,
        )

    @property
    def scratch_files(self) -> int:
        """Files on the file system of a cluster; its profile has one database of all outputs."""
        return self.files - self.away + DATABASE

    @property
    def scratch_bytes(self) -> int:
        """Bytes there."""
        size = self.bytes - self.bytes_away
        return size + self.tracked * METADATA + self.scratch_files * ROUNDED


def footprint(
    groups: Sequence[Group], config: Config, sizes: Mapping[str, float], labels: str | None = None
) -> Footprint:
    """Footprint of one dataset.

    Parameters
    ----------
    groups : sequence of Group
        Its batches.
    config : Config
    sizes : mapping of str to float
        ``bytes`` of a calibration.
    labels : str, optional
        ``folder`` or ``zip``; default: as configured.
    """
    sets = len(config.objects)
    images = sum(n for group in groups for _, n in group)
    # Of a batch: its file, three records, two tables and those of the objects.
    whole = sum(OUTPUTS[step] for step in DATASET_STEPS)
    files = len(groups) * (1 + 3 + 2 + sets) + whole + BESIDES + 2
    tracked = len(groups) * (OUTPUTS["qc"] + OUTPUTS["segment"] + OUTPUTS["measure"] + sets)
    tracked += whole
    if config.illumination:
        # A kind of images has two documents and a chunk for each of twice its channels.
        files += 5 + 2 * max((extent.shape[1] for g in groups for extent, _ in g), default=0)
        tracked += 1
    size = PAGE + min(min(THUMBNAILS, images) * THUMBNAIL, PICTURES)
    if config.qc.gate != "report":
        # Record and page of the review, the approval, and what each batch leaves out, at most.
        files += OUTPUTS["review"] + 1 + len(groups)
        tracked += OUTPUTS["review"]
        size *= 2
    number: dict[Extent, int] = {}
    for extent, n in (each for group in groups for each in group):
        number[extent] = number.get(extent, 0) + n
    size += sum(
        int(n * (_tables(extent, config, sizes) + IMAGE_ROW)) for extent, n in number.items()
    )
    size += CRATE + len(groups) * JOB + images * (1 + sets) * LINE
    label_bytes = sum(int(n * _labels(extent, config, sizes)) for extent, n in number.items())
    if (labels or config.labels) == "zip":
        return Footprint(files + len(groups), size + label_bytes, tracked)
    # One more for a well, if there is one.
    more = sum(n * (label_files(extent, config) + 1) for extent, n in number.items()) + 1
    away = (more + BESIDES, label_bytes) if config.store else (0, 0)
    return Footprint(files + more, size + more * LINE + label_bytes, tracked, *away)


def _labels(extent: Extent, config: Config, sizes: Mapping[str, float]) -> float:
    """Bytes of the labels of one image."""
    each = objects_of(extent, config) / max(1, len(config.objects))
    return sum(
        each * diameter_px(extent, config, spec) * sizes["label"]
        for spec in config.objects.values()
    )


def _tables(extent: Extent, config: Config, sizes: Mapping[str, float]) -> float:
    """Bytes of tables, index and records of one image."""
    objects = objects_of(extent, config)
    values = values_of(objects, table_columns(extent, config))
    return values * sizes["value"] + objects * sizes["index"] + sizes["record"]
