"""Values of the objects in one channel: listed object by object, and their sums on the way.

In: `Objects` and one channel. Out: float64 values in raster order within an object, all at once or
in batches that stay in the cache; one row of sums an object. In float64 the sums of integer images
are exact (below 2**53).

Loops over image and list count with unsigned numbers: for signed ones numba adds, at every access,
a look at whether the index counts from the end.
"""

from collections.abc import Iterator

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects
from voxelmill.plugin import Array, Pixels

SUM, MEAN, STD, MIN, MAX = range(5)
"""Columns of sums."""

BATCH_VOXELS = 1 << 16
AHEAD = 64
"""Runs of an object that are touched together."""
READABLE = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8")


def voxels(objects: Objects) -> Ints:
    """List the voxels object by object, in raster order.

    Returns
    -------
    (n_voxels,) int64 array
        Index into the flattened array.
    """
    return _voxels(objects.runs, objects.shape, int(objects.sizes.sum()))


def gather(image: Pixels, flat: Ints) -> Floats:
    """Values of the listed voxels as float64 (exact up to 2**53)."""
    return _gather(flattened(image), flat)


def flattened(image: Pixels) -> Array:
    """One channel (z, y, x) as a flat read-only array of a type that kernels can read."""
    dtype = image.dtype.newbyteorder("=")
    if dtype.str[1:] not in READABLE:
        dtype = np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    # A view: read-only and writable arrays would be compiled for separately.
    flat = image.astype(dtype, copy=False).reshape(-1).view()
    flat.flags.writeable = False
    return flat


def batches(objects: Objects) -> Iterator[tuple[slice, Ints]]:
    """Split the objects into rows of about BATCH_VOXELS voxels, or one object if it is larger.

    Yields
    ------
    slice, (n + 1,) int64 array
        Rows, and offsets of their objects' voxels when those are listed one after the other.
    """
    starts = objects.starts
    row = 0
    while row < objects.ids.size:
        fitting = int(np.searchsorted(starts, starts[row] + BATCH_VOXELS, side="right")) - 1
        rows = slice(row, max(row + 1, fitting))
        yield rows, starts[rows.start : rows.stop + 1] - starts[row]
        row = rows.stop


def batch_voxels(objects: Objects) -> int:
    """Most voxels of a batch."""
    return max(BATCH_VOXELS, int(objects.sizes.max(initial=0)))


def read(flat: Array, objects: Objects, rows: slice, out: Floats) -> tuple[Floats, Floats]:
    """Values of the objects in `rows`, one object after the other, in raster order; their sums.

    Parameters
    ----------
    flat : array
        What ``flattened`` made of a channel.
    objects : Objects
        The objects.
    rows : slice
        What ``batches`` yields.
    out : (batch_voxels,) float64 array
        Takes the values: new memory for each batch would cost as much time as reading.

    Returns
    -------
    (n_voxels,) float64 array
        Part of `out`, exact up to 2**53.
    (n, 5) float64 array
        Sum, mean, nothing yet, minimum and maximum; NaN throughout where an object has a NaN.
    """
    first = objects.first[rows.start : rows.stop + 1]
    known = np.empty((first.size - 1, 5))
    count, _ = _read(flat, objects.runs, first, objects.shape, out, known)
    return out[:count], known


@kernel
def add_up(mine: Floats, known: Floats) -> None:
    """Fill in sum, mean, minimum and maximum of some values; NaN with a NaN or without values."""
    total = 0.0
    least = np.inf
    most = -np.inf
    for v in mine:
        total += v
        least = min(least, v)
        most = max(most, v)
    _note(known, mine.size, total, least, most)


@kernel
def deviate(mine: Floats, known: Floats) -> None:
    """Fill in the standard deviation (population) of values whose mean is `known`."""
    mean = known[MEAN]
    squares = 0.0
    for v in mine:
        squares += (v - mean) * (v - mean)
    known[STD] = np.sqrt(squares / mine.size) if mine.size else np.nan


@kernel
def _voxels(runs: Ints, shape: tuple[int, int, int], count: int) -> Ints:
    flat = np.empty(count, np.int64)
    at = 0
    for r in range(runs.shape[0]):
        row = (runs[r, 0] * shape[1] + runs[r, 1]) * shape[2]
        for x in range(runs[r, 2], runs[r, 3]):
            flat[at] = row + x
            at += 1
    return flat


@kernel
def _gather(image: Array, flat: Ints) -> Floats:
    out = np.empty(flat.size)
    for i in range(flat.size):
        out[i] = image[np.uint64(flat[i])]
    return out


@kernel
def _touch(image: Array, runs: Ints, shape: tuple[int, int, int]) -> float:
    """Load the ends of each run: nothing waits for them, so the memory fetches many at once.

    The sum is of no use but to keep the loop from being optimised away.
    """
    total = 0.0
    for r in range(runs.shape[0]):
        row = (runs[r, 0] * shape[1] + runs[r, 1]) * shape[2]
        total += image[np.uint64(row + runs[r, 2])]
        total += image[np.uint64(row + runs[r, 3] - 1)]
    return total


@kernel
def _read(
    image: Array,
    runs: Ints,
    first: Ints,
    shape: tuple[int, int, int],
    values: Floats,
    known: Floats,
) -> tuple[int, float]:
    at = np.uint64(0)
    touched = 0.0
    for i in range(first.size - 1):
        began = at
        total = 0.0
        least = np.inf
        most = -np.inf
        for r in range(first[i], first[i + 1]):
            if (r - first[i]) % AHEAD == 0:
                touched += _touch(image, runs[r : min(r + AHEAD, first[i + 1])], shape)
            row = (runs[r, 0] * shape[1] + runs[r, 1]) * shape[2]
            start = np.uint64(row + runs[r, 2])
            length = np.uint64(runs[r, 3] - runs[r, 2])
            for x in range(length):
                v = np.float64(image[start + x])
                values[at + x] = v
                total += v
                least = min(least, v)
                most = max(most, v)
            at += length
        _note(known[i], int(at - began), total, least, most)
    return int(at), touched


@kernel
def _note(known: Floats, size: int, total: float, least: float, most: float) -> None:
    known[:] = np.nan
    if size > 0 and not np.isnan(total):
        known[SUM] = total
        known[MEAN] = total / size
        known[MIN] = least
        known[MAX] = most
