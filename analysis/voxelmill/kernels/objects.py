"""Which labels an array holds and where each of them lies: one linear pass over runs along x."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Labels

Ints = NDArray[np.int64]

DENSE = 64
"""Labels up to a voxel count over DENSE are looked up in a table, larger ones by bisection."""


def present(labels: Labels) -> Ints:
    """Labels that occur, ascending, without 0.

    Parameters
    ----------
    labels : (z, y, x) int32 array

    Returns
    -------
    (n,) int64 array
    """
    flat = np.ascontiguousarray(labels).reshape(-1)
    top = int(flat.max(initial=0))
    if top <= flat.size // DENSE:
        return np.flatnonzero(_seen(flat, top)).astype(np.int64)
    # Labels come in runs along x: sorting one voxel a run is far cheaper than sorting all.
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    found = np.unique(np.append(flat[starts], flat[0]))
    kept: Ints = found[found > 0].astype(np.int64)
    return kept


@kernel
def _seen(flat: Labels, top: int) -> NDArray[np.bool_]:
    seen = np.zeros(top + 1, np.bool_)
    for value in flat:
        seen[value] = True
    seen[0] = False
    return seen


def extents(labels: Labels) -> tuple[Ints, Ints]:
    """First voxel and bounding box of every label.

    Parameters
    ----------
    labels : (z, y, x) int32 array

    Returns
    -------
    ids : (n,) int64 array
        Labels that occur, ascending.
    table : (n, 9) int64 array
        z, y, x of the first voxel in raster order; first z, y, x and last z, y, x + 1 of the box.
    """
    top = int(labels.max(initial=0))
    if top <= labels.size // DENSE:
        table = np.zeros((top + 1, 9), np.int64)
        _extents(np.ascontiguousarray(labels), np.zeros(0, np.int64), table)
        ids = np.flatnonzero(table[:, 0] >= 0)
        return ids, table[ids]
    ids = present(labels)
    table = np.zeros((ids.size, 9), np.int64)
    if ids.size:
        _extents(np.ascontiguousarray(labels), ids, table)
    return ids, table


@kernel
def _extents(labels: Labels, ids: Ints, table: Ints) -> None:
    """Fill `table`, whose rows are those of `ids`, or the labels themselves where it is empty."""
    table[:, 0] = -1
    depth, height, width = labels.shape
    for z in range(depth):
        for y in range(height):
            line = labels[z, y]
            x = 0
            while x < width:
                value, start = line[x], x
                x += 1
                while x < width and line[x] == value:
                    x += 1
                if value == 0:
                    continue
                row = nb.int64(value) if ids.size == 0 else np.searchsorted(ids, nb.int64(value))
                if table[row, 0] < 0:
                    table[row, 0], table[row, 1], table[row, 2] = z, y, start
                    table[row, 3], table[row, 4], table[row, 5] = z, y, start
                table[row, 4] = min(table[row, 4], y)
                table[row, 5] = min(table[row, 5], start)
                table[row, 6] = z + 1
                table[row, 7] = max(table[row, 7], y + 1)
                table[row, 8] = max(table[row, 8], x)


def keep(labels: Labels, ids: Ints) -> Labels:
    """Copy of `labels` with everything but `ids` (ascending) set to 0.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    ids : (n,) int64 array, ascending

    Returns
    -------
    (z, y, x) int32 array
    """
    # Not zeros_like: it keeps the order of transposed labels, and reshape would copy.
    kept = np.zeros(labels.shape, labels.dtype)
    if ids.size:
        _keep(labels.reshape(-1), ids, kept.reshape(-1))
    return kept


@kernel
def _keep(labels: Labels, ids: Ints, kept: Labels) -> None:
    label, wanted = nb.int64(0), False
    for i in range(labels.size):
        value = nb.int64(labels[i])
        if value == 0:
            continue
        if value != label:
            row = np.searchsorted(ids, value)
            label, wanted = value, row < ids.size and ids[row] == value
        if wanted:
            kept[i] = labels[i]


@kernel
def renumber(labels: Labels, table: Labels, out: Labels) -> None:
    """Write ``table[labels]`` into `out`, arrays (z, y, x) of equal shape; both may be strided."""
    depth, height, width = labels.shape
    for z in range(depth):
        for y in range(height):
            line, target = labels[z, y], out[z, y]
            for x in range(width):
                target[x] = table[line[x]]


@kernel
def meetings(a: Labels, b: Labels) -> tuple[Ints, Ints, Ints, Ints]:
    """Count the voxels that labels of two labellings of the same box share.

    Parameters
    ----------
    a, b : (z, y, x) int32 array
        Dense labels 0…n of the same box.

    Returns
    -------
    label_a, label_b : (m,) int64 array
        Pairs of labels above 0 that share a voxel, one entry a run along x: pairs recur.
    count : (m,) int64 array
        Voxels of the run.
    sizes : (2, k) int64 array
        Voxels of each label in the box.
    """
    sizes = np.zeros((2, max(a.max(), b.max()) + 1), np.int64)
    found = np.empty((1024, 3), np.int64)
    n = 0
    depth, height, width = a.shape
    for z in range(depth):
        for y in range(height):
            one, two = a[z, y], b[z, y]
            x = 0
            while x < width:
                i, j, start = one[x], two[x], x
                x += 1
                while x < width and one[x] == i and two[x] == j:
                    x += 1
                sizes[0, i] += x - start
                sizes[1, j] += x - start
                if i and j:
                    if n == found.shape[0]:
                        found = np.concatenate((found, np.empty_like(found)))
                    found[n, 0], found[n, 1], found[n, 2] = i, j, x - start
                    n += 1
    return found[:n, 0], found[:n, 1], found[:n, 2], sizes
