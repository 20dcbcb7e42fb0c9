"""Connected components of a mask or of a label image, numbered in raster order.

In: (z, y, x) labels, 0 = background. Out: (z, y, x) int32, where voxels share an id if a path
of touching voxels of the *same* label joins them; ids 1…n by the raster position of each
component's first voxel. Union-find over runs along x (Wu, Otoo and Suzuki 2009; runs as in He,
Chao and Suzuki 2008): the work goes with the number of runs, not of voxels.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs, paint, runs
from voxelmill.plugin import Array, Index

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

BEFORE = ((0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Steps (z, y) to the earlier rows that a row may touch; without corners the mixed ones drop."""


@kernel
def find(parent: Int32, i: int) -> int:
    """Root of `i`, halving the path."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def components(labels: Array, full: bool) -> tuple[Int32, int]:
    """Components of equal label.

    Parameters
    ----------
    labels : (z, y, x) integer array
        0 = background.
    full : bool
        Voxels that share a corner touch (8 or 26 neighbours); else only a face (4 or 6).

    Returns
    -------
    ids : (z, y, x) int32 array
        1…n in raster order of first voxels.
    n : int
    """
    found = runs(labels)
    sets, n = joined(found, labels.shape, full)
    ids = np.empty(labels.shape, np.int32)
    paint(found, sets + np.int32(1), ids)
    return ids, n


@kernel
def joined(runs: Runs, shape: Index, full: bool) -> tuple[Int32, int]:
    """Number the sets of touching runs of equal label, in an array of extent `shape`.

    Returns
    -------
    sets : (n,) int32 array
        Set of each run, 0… in raster order of the sets' first runs.
    count : int
        How many sets there are.
    """
    table, first = runs
    nz, ny, _ = shape
    parent = np.arange(table.shape[0]).astype(np.int32)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for dz, dy in BEFORE:
            if dz and dy and not full:
                continue
            if z + dz >= 0 and 0 <= y + dy < ny:
                other = row + dz * ny + dy
                _join(table, parent, first[other], first[other + 1], first[row], first[row + 1],
                      1 if full else 0)  # fmt: skip
    return _number(parent)


@kernel
def _join(runs: Int32, parent: Int32, i: int, i_end: int, j: int, j_end: int, slack: int) -> None:
    """Join the runs i… of one row with the runs j… of another that touch them."""
    while i < i_end and j < j_end:
        _unite(runs, parent, i, j, slack)
        if runs[i, 1] < runs[j, 1]:
            i += 1
        elif runs[j, 1] < runs[i, 1]:
            j += 1
        else:
            # Of runs that end alike, each may touch the other's successor by a corner.
            if i + 1 < i_end:
                _unite(runs, parent, i + 1, j, slack)
            if j + 1 < j_end:
                _unite(runs, parent, i, j + 1, slack)
            i, j = i + 1, j + 1


@kernel
def _unite(runs: Int32, parent: Int32, i: int, j: int, slack: int) -> None:
    """Join two runs of equal label that touch; the smaller root stays."""
    if runs[i, 2] != runs[j, 2]:
        return
    if runs[i, 0] < runs[j, 1] + slack and runs[j, 0] < runs[i, 1] + slack:
        a, b = find(parent, i), find(parent, j)
        if a < b:
            parent[b] = a
        else:
            parent[a] = b


@kernel
def _number(parent: Int32) -> tuple[Int32, int]:
    """Number of each run's set: the smallest run of a set comes first in raster order."""
    sets = np.empty(parent.size, np.int32)
    n = 0
    for i in range(parent.size):
        root = find(parent, i)
        if root == i:
            sets[i] = n
            n += 1
        else:
            sets[i] = sets[root]
    return sets, n


@kernel
def boxes(runs: Runs, sets: Int32, n: int, ny: int) -> tuple[Int64, Int64]:
    """Voxel count and bounding box of each set of runs of an array with `ny` rows a plane.

    Returns
    -------
    sizes : (n,) int64 array
    bounds : (n, 6) int64 array
        First and last index along z, y, x: z0, y0, x0, z1, y1, x1.
    """
    table, first = runs
    sizes = np.zeros(n, np.int64)
    bounds = np.empty((n, 6), np.int64)
    bounds[:, :3] = 2**31
    bounds[:, 3:] = -1
    for row in range(first.size - 1):
        z, y = row // ny, row % ny
        for i in range(first[row], first[row + 1]):
            start, stop = table[i, 0], table[i, 1]
            sizes[sets[i]] += stop - start
            box = bounds[sets[i]]
            box[0], box[3] = min(box[0], z), max(box[3], z)
            box[1], box[4] = min(box[1], y), max(box[4], y)
            box[2], box[5] = min(box[2], start), max(box[5], stop - 1)
    return sizes, bounds
