"""The ends of the engine in the Python API: arrays that a user holds, plain files for labels."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source
from voxelmill.painter import Painter
from voxelmill.plugin import Array, BadInput, Index, Labels, Pixels, Spacing
from voxelmill.stitch import MAX_OBJECTS

STRIPE_VOXELS = 1 << 21
"""What is written at once: 8 MiB."""


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

    def read(self, t: int, channels: Sequence[int], box: Box, halo: Index | None = None) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""
        # A list would make Dask shuffle: a slice where it says the same.
        first, last = channels[0], channels[-1] + 1
        run = list(channels) == list(range(first, last))
        part = self.array[t][(slice(first, last) if run else list(channels), *box.slices)]
        pixels = part.compute(scheduler="synchronous") if hasattr(part, "compute") else part
        native = np.asarray(pixels)
        return native.astype(native.dtype.newbyteorder("="), copy=False)

    def order(self, grid: Grid) -> Sequence[Block]:
        """Raster order."""
        return list(grid)


@dataclass(frozen=True)
class FileSource:
    """Pixels in a plain file, (t, c, z, y, x) in C order: an array that was in memory.

    Tasks carry its name where they would carry, and pickle, the array.
    """

    file: str
    dtype: str
    shape: tuple[int, int, int, int, int]
    spacing_um: Spacing

    @classmethod
    def of(cls, array: Array, file: Path, spacing_um: Spacing) -> Self:
        """Write an array (t, c, z, y, x) to `file`."""
        native = array.dtype.newbyteorder("=")
        np.ascontiguousarray(array, native).tofile(file)
        t, c, z, y, x = array.shape
        return cls(str(file), native.str, (t, c, z, y, x), spacing_um)

    def read(self, t: int, channels: Sequence[int], box: Box, halo: Index | None = None) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""
        pixels = np.memmap(self.file, np.dtype(self.dtype), "r", shape=self.shape)
        return np.stack([pixels[t, c][box.slices] for c in channels])

    def order(self, grid: Grid) -> Sequence[Block]:
        """Raster order."""
        return list(grid)


class FileLabels:
    """Array face of the labels of one object set, (t, z, y, x): reads what it is indexed with."""

    def __init__(self, target: "FileTarget", name: str) -> None:
        self.target, self.name = target, name
        self.shape, self.dtype, self.ndim = (target.frames, *target.shape), np.dtype(np.int32), 4

    def __getitem__(self, key: tuple[slice | int | list[int], ...]) -> Labels:
        return np.array(self.target.open(self.name)[key])


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
    """Labels in plain files, one an object set: int32, (t, z, y, x) in C order, no header.

    Files are written to, not mapped, so that labels never count as memory of the writer.
    """

    folder: str
    frames: int
    shape: Index
    shard: Index | None = None

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole: as wide as the image, one stretch of the file a plane."""
        z, y, x = self.shape
        rows = 1 << int(np.log2(max(1, STRIPE_VOXELS // max(1, x))))
        depth = max(1, STRIPE_VOXELS // max(1, x * y))
        return Grid(self.shape, self.shard or (min(z, depth), min(y, rows), x))

    def file(self, name: str) -> Path:
        """File of one object set."""
        return Path(self.folder) / f"{name}.labels"

    def create(self, name: str) -> None:
        """Make the file, all background."""
        with self.file(name).open("wb") as file:
            file.truncate(4 * self.frames * int(np.prod(self.shape)))

    def open(self, name: str) -> Labels:
        """All labels, (t, z, y, x), as a read-only map of the file."""
        shape = (self.frames, *self.shape)
        return np.memmap(self.file(name), np.int32, "r", shape=shape)

    def write(self, name: str, t: int, box: Box, labels: Labels | Painter) -> str:
        """Write one shard."""
        if callable(labels):
            paint, labels = labels, np.empty(box.shape, np.int32)
            paint(box, labels)
        with self.file(name).open("r+b") as file:
            for z, y, row in self._rows(box, labels):
                os.pwrite(file.fileno(), row.data, self._offset(t, z, y, box.start[2]))
        return ""

    def _rows(self, box: Box, labels: Labels) -> Iterator[tuple[int, int, Labels]]:
        """Contiguous stretches of the file: planes where the box is as wide as the image."""
        whole = box.shape[2] == self.shape[2]
        for z, plane in enumerate(labels, start=box.start[0]):
            if whole:
                yield z, box.start[1], np.ascontiguousarray(plane)
            else:
                for y, row in enumerate(plane, start=box.start[1]):
                    yield z, y, np.ascontiguousarray(row)

    def _offset(self, t: int, z: int, y: int, x: int) -> int:
        depth, height, width = self.shape
        return 4 * (((t * depth + z) * height + y) * width + x)

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""
        return np.array(self.open(name)[t][box.slices])

    def finish(self, name: str, t: int) -> None:
        """Nothing is left to do."""


def as_labels(values: Array) -> Labels:
    """Turn ids of any integer dtype into int32.

    Raises
    ------
    BadInput
        They are no ids.
    """
    low, high = values.min(initial=0), values.max(initial=0)
    if values.dtype.kind not in "biu" or low < 0 or high > MAX_OBJECTS:
        found = f"{values.dtype}, {low} to {high}"
        raise BadInput(f"labels: {found}; allowed: ids 0 to {MAX_OBJECTS}")
    return np.asarray(values, np.int32)
