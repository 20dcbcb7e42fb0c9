"""Table of all batches, ``results/batches.parquet``: what jobs need of a scan, one row a batch.

Small where the manifest is not: a job on another machine reads this table, never the manifest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from pathlib import Path
from typing import Any

from voxelmill.extent import Extent
from voxelmill.layout import batch_table
from voxelmill.sizing import Kind
from voxelmill.storeoptions import is_url
from voxelmill.tables import read_table, rows, write_table

NONE = Kind("[]", "", "[]")
"""An image that could not be opened."""
Key = tuple[str, str]
"""Dataset and URL."""


@dataclass(frozen=True)
class BatchLoad:
    """How much there is to do: images, the largest of them, pixels."""

    images: int
    extent: Extent | None
    """The largest image, ``extent.batch`` images like it; None if none can be opened."""
    voxels: int
    """t·c·z·y·x of all images."""
    bytes: int
    """Pixels of all images, decoded."""


@dataclass(frozen=True)
class Entry:
    """One row of the table."""

    dataset: str
    url: str
    batch: str
    images: int
    shape: str
    """JSON of the largest image's shape, as in the manifest; dtype and spacing_um likewise."""
    dtype: str
    spacing_um: str
    voxels: int
    bytes: int
    cut: str
    """What the batch was cut by: `sizing.Rule.text`."""
    sha256: str
    """Of the batch file."""

    @property
    def load(self) -> BatchLoad:
        """What a job of this batch has to do."""
        extent = Kind(self.shape, self.dtype, self.spacing_um).extent
        found = replace(extent, batch=self.images, afar=is_url(self.url)) if extent else None
        return BatchLoad(self.images, found, self.voxels, self.bytes)


@dataclass(frozen=True)
class BatchTable:
    """All batches of all datasets, in order."""

    entries: Mapping[Key, tuple[Entry, ...]] = field(default_factory=dict)
    manifest: str = ""
    """SHA-256 of the manifest that they were cut from."""

    @classmethod
    def read(cls, results: Path) -> "BatchTable":
        """Read the table of a results folder; empty if there is none.

        Raises
        ------
        StoreUnavailable
            It is damaged.
        """
        path = batch_table(results)
        if not path.exists():
            return cls()
        found: dict[Key, list[Entry]] = {}
        manifest = ""
        for row in rows(read_table(path)):
            manifest = row.pop("manifest")
            entry = Entry(**row)
            found.setdefault((entry.dataset, entry.url), []).append(entry)
        return cls({key: tuple(entries) for key, entries in found.items()}, manifest)

    def write(self, results: Path) -> None:
        """Write the table."""
        entries = [entry for each in self.entries.values() for entry in each]
        columns = {f.name: [getattr(e, f.name) for e in entries] for f in fields(Entry)}
        write_table(batch_table(results), {**columns, "manifest": [self.manifest] * len(entries)})


def summed(kinds: Sequence[Kind]) -> dict[str, Any]:
    """Fields of an `Entry` that images of these kinds decide."""
    number = {kind: kinds.count(kind) for kind in set(kinds)}
    extents = {kind: extent for kind in number if (extent := kind.extent) is not None}
    largest = max(extents, key=lambda kind: (extents[kind].size, kind), default=NONE)
    return {
        "images": len(kinds),
        **largest._asdict(),
        "voxels": sum(number[kind] * prod(extent.shape) for kind, extent in extents.items()),
        "bytes": sum(number[kind] * extent.size for kind, extent in extents.items()),
    }


def total(loads: Sequence[BatchLoad]) -> BatchLoad:
    """All batches of a dataset together; the extent is the largest of theirs."""
    extents = [load.extent for load in loads if load.extent is not None]
    return BatchLoad(
        sum(load.images for load in loads),
        max(extents, key=lambda extent: extent.size, default=None),
        sum(load.voxels for load in loads),
        sum(load.bytes for load in loads),
    )
