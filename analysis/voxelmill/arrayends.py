"""The ends of the engine in the Python API: arrays that a user holds, and arrays for a user."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np

from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source, Target
from voxelmill.plugin import Array, BadInput, Index, Labels, Pixels, Spacing
from voxelmill.stitch import MAX_OBJECTS

Key: TypeAlias = tuple[slice | int | list[int], ...]


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
        picked = slice(first, last) if run else list(channels)
        # Indexed once: Dask goes through all of its chunks each time.
        part = self.array[(slice(t, t + 1), picked, *box.slices)]
        pixels = part.compute(scheduler="synchronous") if hasattr(part, "compute") else part
        native: Array = np.asarray(pixels)[0]
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


class SourceArray:
    """Array face of a source, (t, c, z, y, x): reads what it is indexed with."""

    def __init__(self, source: Source, dtype: np.dtype[Any]) -> None:
        self.source, self.shape, self.dtype, self.ndim = source, source.shape, dtype, 5

    def __getitem__(self, key: Key) -> Array:
        return _indexed(self, key, lambda t, c, box: self.source.read(t, c.tolist(), box))


class LabelArray:
    """Array face of the labels of one object set, (t, z, y, x): reads what it is indexed with."""

    def __init__(self, target: Target, name: str, shape: tuple[int, int, int, int]) -> None:
        self.target, self.name = target, name
        self.shape, self.dtype, self.ndim = shape, np.dtype(np.int32), 4

    def __getitem__(self, key: Key) -> Array:
        return _indexed(self, key, lambda t, box: self.target.read(self.name, t, box))


def _indexed(face: SourceArray | LabelArray, key: Key, read: Callable[..., Array]) -> Array:
    """What lies at `key`, by reading one box a time point.

    Dask hands down what the user indexes with: slices with steps, single numbers, lists.
    """
    picked = [np.arange(n)[k] for n, k in zip(face.shape, key, strict=True)]
    shape = tuple(n for p in picked for n in p.shape)
    if 0 in shape:
        return np.zeros(shape, face.dtype)
    t, *rest, z, y, x = (np.atleast_1d(p) for p in picked)
    low, high = [int(p.min()) for p in (z, y, x)], [int(p.max()) + 1 for p in (z, y, x)]
    box = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    near = np.ix_(*map(np.arange, map(len, rest)), z - low[0], y - low[1], x - low[2])
    return np.stack([read(int(i), *rest, box)[near] for i in t]).reshape(shape)


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
