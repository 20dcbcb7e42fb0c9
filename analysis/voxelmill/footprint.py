"""What a run leaves on a file system: files and bytes. Pure.

In: the images of every batch, a configuration, bytes by object as calibrated. Out: a `Footprint`
of each dataset. Bytes count as file systems do, which round each file up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxelmill.config import Config
from voxelmill.costs import table_columns
from voxelmill.estimate import Group
from voxelmill.need import Extent
from voxelmill.plan import label_files
from voxelmill.sizes import THUMBNAILS, diameter_px, objects_of, values_of

ROUNDED = 2048
"""Bytes that a file takes more than it holds, on the average: half a block of 4 KiB."""
THUMBNAIL, PAGE, IMAGE_ROW = 80_000, 300_000, 1000
"""Bytes of a report: each thumbnail, the page itself, the row of an image."""
OUTPUTS = {"qc": 2, "segment": 2, "measure": 1, "aggregate": 3, "report": 2}
"""Files that Snakemake tracks, tables of objects besides."""
METADATA, DATABASE = 600, 2
"""Bytes that Snakemake keeps of each tracked file, and the files of its database."""


@dataclass(frozen=True)
class Footprint:
    """Files and bytes of results, and files that Snakemake keeps of them in its own folder."""

    files: int
    bytes: int
    tracked: int

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(
            self.files + other.files, self.bytes + other.bytes, self.tracked + other.tracked
        )

    @property
    def scratch_files(self) -> int:
        """Files on the file system of a cluster; its profile has one database of all outputs."""
        return self.files + DATABASE

    @property
    def scratch_bytes(self) -> int:
        """Bytes there."""
        return self.bytes + self.tracked * METADATA + self.scratch_files * ROUNDED


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
    files = len(groups) * (1 + 3 + 2 + sets) + OUTPUTS["aggregate"] + OUTPUTS["report"] + 2
    tracked = len(groups) * (OUTPUTS["qc"] + OUTPUTS["segment"] + OUTPUTS["measure"] + sets)
    tracked += OUTPUTS["aggregate"] + OUTPUTS["report"]
    size = PAGE + min(THUMBNAILS, images) * THUMBNAIL
    known: dict[Extent, tuple[int, float]] = {}
    for extent, number in (each for group in groups for each in group):
        if extent not in known:
            known[extent] = label_files(extent, config), _bytes(extent, config, sizes)
        size += int(number * (known[extent][1] + IMAGE_ROW))
    if (labels or config.labels) == "zip":
        files += len(groups)
    else:
        # One more for a well, if there is one.
        files += sum(n * (known[extent][0] + 1) for group in groups for extent, n in group) + 1
    return Footprint(files, size, tracked)


def _bytes(extent: Extent, config: Config, sizes: Mapping[str, float]) -> float:
    """Bytes of labels, tables, index and records of one image."""
    objects = objects_of(extent, config)
    each = objects / max(1, len(config.objects))
    labels = sum(
        each * diameter_px(extent, config, spec) * sizes["label"]
        for spec in config.objects.values()
    )
    values = values_of(objects, table_columns(extent, config))
    return labels + values * sizes["value"] + objects * sizes["index"] + sizes["record"]
