"""Which labels an array holds and where each of them lies: one linear pass."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Labels

Ints = NDArray[np.int64]


def present(labels: Labels) -> Ints:
    """Labels that occur, ascending, without 0.

    Parameters
    ----------
    labels : (z, y, x) int32 array

    Returns
    -------
    (n,) int64 array
    """
    flat = labels.reshape(-1)
    if not flat.size:
        return np.zeros(0, np.int64)
    # Labels come in runs along x: sorting one voxel a run is far cheaper than sorting all.
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    found = np.unique(np.append(flat[starts], flat[0]))
    kept: Ints = found[found > 0].astype(np.int64)
    return kept


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
    ids = present(labels)
    table = np.zeros((ids.size, 9), np.int64)
    if ids.size:
        _extents(np.ascontiguousarray(labels), ids, table)
    return ids, table


@kernel
def _extents(labels: Labels, ids: Ints, table: Ints) -> None:
    table[:, 0] = -1
    depth, height, width = labels.shape
    for z in range(depth):
        for y in range(height):
            label, row = nb.int64(0), nb.int64(0)
            for x in range(width):
                value = nb.int64(labels[z, y, x])
                if value == 0:
                    continue
                if value != label:
                    label, row = value, np.searchsorted(ids, value)
                if table[row, 0] < 0:
                    table[row, 0], table[row, 1], table[row, 2] = z, y, x
                    table[row, 3], table[row, 4], table[row, 5] = z, y, x
                table[row, 4] = min(table[row, 4], y)
                table[row, 5] = min(table[row, 5], x)
                table[row, 6] = z + 1
                table[row, 7] = max(table[row, 7], y + 1)
                table[row, 8] = max(table[row, 8], x + 1)


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
