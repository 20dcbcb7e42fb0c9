"""What two blocks have labelled in the same place, looked at by runs along x.

In: `Runs` of a box. Out: the runs of a smaller box, labels that reach its faces, and how many
voxels the labels of two labellings share.
"""

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs
from voxelmill.plugin import Index

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def clipped(found: Runs, ny: int, start: Index, stop: Index) -> Runs:
    """Runs of the box from `start` to `stop` (z, y, x) of an array with extent `ny` along y.

    Places along x count from the box's first voxel.
    """
    return Runs(*_clipped(found, ny, start, stop))


@kernel
def _clipped(found: Runs, ny: int, start: Index, stop: Index) -> tuple[NDArray[np.int32], Ints]:
    runs, first = found
    most = 0
    for z in range(start[0], stop[0]):
        most += first[z * ny + stop[1]] - first[z * ny + start[1]]
    table = np.empty((most, 3), np.int32)
    rows = np.zeros((stop[0] - start[0]) * (stop[1] - start[1]) + 1, np.int64)
    n, row = 0, 0
    for z in range(start[0], stop[0]):
        for y in range(start[1], stop[1]):
            for i in range(first[z * ny + y], first[z * ny + y + 1]):
                begin, end = max(runs[i, 0], start[2]), min(runs[i, 1], stop[2])
                if begin < end:
                    table[n, 0], table[n, 1] = begin - start[2], end - start[2]
                    table[n, 2] = runs[i, 2]
                    n += 1
            row += 1
            rows[row] = n
    return table[:n], rows


def renumbered(found: Runs, table: NDArray[np.int32]) -> Runs:
    """Runs with label ``table[label]``; those that become 0 are left out."""
    return Runs(*_renumbered(found, table))


@kernel
def _renumbered(found: Runs, table: NDArray[np.int32]) -> tuple[NDArray[np.int32], Ints]:
    runs, first = found
    kept = np.empty_like(runs)
    rows = np.zeros_like(first)
    n = 0
    for row in range(first.size - 1):
        for i in range(first[row], first[row + 1]):
            label = table[runs[i, 2]]
            if label:
                kept[n, 0], kept[n, 1], kept[n, 2] = runs[i, 0], runs[i, 1], label
                n += 1
        rows[row + 1] = n
    return kept[:n], rows


@kernel
def reaching(found: Runs, shape: Index, low: Mask, high: Mask, top: int) -> Mask:
    """Which labels 0…top touch the faces of an array that `low` and `high` name by axis."""
    runs, first = found
    nz, ny, nx = shape
    touches = np.zeros(top + 1, np.bool_)
    for row in range(first.size - 1):
        z, y = row // ny, row % ny
        outer = (
            (low[0] and z == 0)
            or (high[0] and z == nz - 1)
            or (low[1] and y == 0)
            or (high[1] and y == ny - 1)
        )
        for i in range(first[row], first[row + 1]):
            if outer or (low[2] and runs[i, 0] == 0) or (high[2] and runs[i, 1] == nx):
                touches[runs[i, 2]] = True
    return touches


@kernel
def meetings(a: Runs, b: Runs) -> tuple[Ints, Ints, Ints]:
    """Count the voxels that labels of two labellings of the same box share.

    Returns
    -------
    label_a, label_b : (m,) int64 array
        Pairs of labels that share a voxel, an entry for each two runs that meet: pairs recur.
    count : (m,) int64 array
        Voxels that these runs share.
    """
    found = np.empty((a.table.shape[0] + b.table.shape[0], 3), np.int64)
    n = 0
    for row in range(a.first.size - 1):
        i, j = a.first[row], b.first[row]
        while i < a.first[row + 1] and j < b.first[row + 1]:
            start = max(a.table[i, 0], b.table[j, 0])
            stop = min(a.table[i, 1], b.table[j, 1])
            if start < stop:
                found[n, 0], found[n, 1], found[n, 2] = a.table[i, 2], b.table[j, 2], stop - start
                n += 1
            if a.table[i, 1] < b.table[j, 1]:
                i += 1
            else:
                j += 1
    return found[:n, 0], found[:n, 1], found[:n, 2]


def sizes(found: Runs, top: int) -> Ints:
    """Voxels of each label 0…top."""
    length = found.table[:, 1] - found.table[:, 0]
    return np.bincount(found.table[:, 2], length, top + 1).astype(np.int64)
