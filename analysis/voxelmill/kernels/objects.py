"""Which labels there are, where each of them lies, and arrays that hold only some of them."""

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs
from voxelmill.plugin import Labels

Ints = NDArray[np.int64]

DENSE = 8
"""Labels up to DENSE times as many as there are runs are looked up in a table, others sorted."""
SPARSE = 64
"""Labels up to a voxel count over SPARSE are looked up in a table, others sorted."""


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
    if top <= flat.size // SPARSE:
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


def extents(found: Runs, ny: int) -> tuple[Ints, Ints]:
    """First voxel and bounding box of every label.

    Parameters
    ----------
    found : Runs
        Of a (z, y, x) array.
    ny : int
        Its extent along y.

    Returns
    -------
    ids : (n,) int64 array
        Labels that occur, ascending.
    table : (n, 9) int64 array
        z, y, x of the first voxel in raster order; first z, y, x and last z, y, x + 1 of the box.
    """
    labels = np.ascontiguousarray(found.table[:, 2])
    top = int(labels.max(initial=0))
    if top <= max(1024, DENSE * labels.size):
        table = np.empty((top + 1, 9), np.int64)
        _extents(found, labels, ny, table)
        ids = np.flatnonzero(table[:, 0] >= 0)
        return ids, table[ids]
    ids, rows = np.unique(labels, return_inverse=True)
    table = np.empty((ids.size, 9), np.int64)
    _extents(found, rows.astype(np.int32), ny, table)
    return ids.astype(np.int64), table


@kernel
def _extents(found: Runs, rows: Labels, ny: int, table: Ints) -> None:
    """Fill the row of `table` that `rows` gives for each run."""
    runs, first = found
    table[:, 0] = -1
    for line in range(first.size - 1):
        z, y = line // ny, line % ny
        for i in range(first[line], first[line + 1]):
            start, stop, box = runs[i, 0], runs[i, 1], table[rows[i]]
            if box[0] < 0:
                box[0], box[1], box[2] = z, y, start
                box[3], box[4], box[5] = z, y, start
                box[7], box[8] = 0, 0
            box[4] = min(box[4], y)
            box[5] = min(box[5], start)
            box[6] = z + 1
            box[7] = max(box[7], y + 1)
            box[8] = max(box[8], stop)


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
    label, wanted = np.int64(0), False
    for i in range(labels.size):
        value = np.int64(labels[i])
        if value == 0:
            continue
        if value != label:
            row = np.searchsorted(ids, value)
            label, wanted = value, bool(row < ids.size and ids[row] == value)
        if wanted:
            kept[i] = labels[i]
