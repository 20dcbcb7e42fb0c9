"""The two ends of the engine: where pixels come from and where labels go.

`Source` and `Target` are all that the engine knows of storage. ``StoreSource`` and ``StoreTarget``
are OME-Zarr; ``ArraySource`` and ``FileTarget`` serve the Python API. All are small and picklable.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import Array, BadInput, Index, Labels, Pixels, Spacing
from voxelmill.stitch import MAX_OBJECTS
from voxelmill.store.label_layout import label_shards
from voxelmill.store.labels import read_labels, write_coarse_labels, write_labels
from voxelmill.store.read import Image, read_box


class Source(Protocol):
    """Pixels of one image."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""

    @property
    def spacing_um(self) -> Spacing:
        """Voxel size along z, y, x in micrometres."""

    def read(self, t: int, channels: Sequence[int], box: Box) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""


class Target(Protocol):
    """Labels of one image, by object set."""

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole: no two of them share a file."""

    def write(self, name: str, t: int, box: Box, labels: Labels) -> None:
        """Write one shard."""

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""

    def finish(self, name: str, t: int) -> None:
        """Do what needs all shards: the coarse end of the pyramid."""


@dataclass(frozen=True)
class StoreSource:
    """Pixels of an OME-Zarr image."""

    image: Image
    sparse: bool = False
    """Whether an absent chunk means 0; else it is an error."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""
        return self.image.shape

    @property
    def spacing_um(self) -> Spacing:
        """Voxel size along z, y, x in micrometres."""
        return self.image.spacing_um

    def read(self, t: int, channels: Sequence[int], box: Box) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""
        return read_box(self.image, t, channels, box, sparse=self.sparse)


@dataclass(frozen=True)
class StoreTarget:
    """Label images in an OME-Zarr beside the results."""

    root: str
    path: str
    shape: Index

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole."""
        return label_shards(self.shape)

    def write(self, name: str, t: int, box: Box, labels: Labels) -> None:
        """Write one shard and its share of the pyramid."""
        write_labels(self.root, self.path, name, t, box, labels)

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""
        return read_labels(self.root, self.path, name, t, box)

    def finish(self, name: str, t: int) -> None:
        """Write the coarse end of the pyramid."""
        write_coarse_labels(self.root, self.path, name, t)

    def remove(self) -> None:
        """Remove all labels of the image."""
        shutil.rmtree(Path(self.root) / self.path / "labels", ignore_errors=True)


@dataclass(frozen=True)
class ArraySource:
    """Pixels of anything that slices like an array (t, c, z, y, x), such as a Dask array."""

    array: Any
    spacing_um: Spacing

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""
        t, c, z, y, x = self.array.shape
        return t, c, z, y, x

    def read(self, t: int, channels: Sequence[int], box: Box) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""
        part = self.array[t][(list(channels), *box.slices)]
        pixels = part.compute(scheduler="synchronous") if hasattr(part, "compute") else part
        native = np.asarray(pixels)
        return native.astype(native.dtype.newbyteorder("="), copy=False)


class SourceArray:
    """Array face of a source, (t, c, z, y, x): reads what it is indexed with."""

    def __init__(self, source: Source, dtype: np.dtype[Any]) -> None:
        self.source, self.shape, self.dtype, self.ndim = source, source.shape, dtype, 5

    def __getitem__(self, key: tuple[slice | int | list[int], ...]) -> Array:
        # Dask hands down what the user indexes with: slices with steps, single numbers, lists.
        picked = [np.arange(n)[k] for n, k in zip(self.shape, key, strict=True)]
        shape = tuple(n for p in picked for n in p.shape)
        if 0 in shape:
            return np.zeros(shape, self.dtype)
        t, c, z, y, x = (np.atleast_1d(p) for p in picked)
        low, high = [int(p.min()) for p in (z, y, x)], [int(p.max()) + 1 for p in (z, y, x)]
        box = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        near = np.ix_(np.arange(c.size), z - low[0], y - low[1], x - low[2])
        pixels = [self.source.read(int(i), c.tolist(), box)[near] for i in t]
        return np.stack(pixels).reshape(shape)


@dataclass(frozen=True)
class FileTarget:
    """Labels in plain memory-mapped files, one an object set, shaped (t, z, y, x)."""

    folder: str
    frames: int
    shape: Index
    shard: Index = field(default=(64, 2048, 2048))

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole."""
        return Grid(self.shape, self.shard)

    def file(self, name: str) -> Path:
        """File of one object set."""
        return Path(self.folder) / f"{name}.npy"

    def create(self, name: str) -> None:
        """Make the file, all background."""
        shape = (self.frames, *self.shape)
        np.lib.format.open_memmap(self.file(name), "w+", np.int32, shape).flush()

    def fill(self, name: str, labels: Any) -> None:  # noqa: ANN401 - duck-typed array
        """Make the file from labels (t, z, y, x) of any integer dtype.

        Raises
        ------
        BadInput
            Their shape is not that of the image, or they are no ids.
        """
        values = np.asarray(labels)
        if values.shape != (shape := (self.frames, *self.shape)):
            raise BadInput(f"labels: {values.shape}; the image has {shape} (t, z, y, x)")
        low, high = values.min(initial=0), values.max(initial=0)
        if values.dtype.kind not in "biu" or low < 0 or high > MAX_OBJECTS:
            found = f"{values.dtype}, {low} to {high}"
            raise BadInput(f"labels: {found}; allowed: ids 0 to {MAX_OBJECTS}")
        self.create(name)
        np.load(self.file(name), mmap_mode="r+")[...] = values

    def write(self, name: str, t: int, box: Box, labels: Labels) -> None:
        """Write one shard."""
        np.load(self.file(name), mmap_mode="r+")[t][box.slices] = labels

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""
        return np.array(np.load(self.file(name), mmap_mode="r")[t][box.slices])

    def finish(self, name: str, t: int) -> None:
        """Nothing is left to do."""
