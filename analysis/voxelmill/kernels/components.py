"""Connected components of a mask or of a label image, numbered in raster order.

In: (z, y, x) int32 labels, 0 = background. Out: (z, y, x) int32, where voxels share an id if a path
of touching voxels of the *same* label joins them; ids 1…n by the raster position of each
component's first voxel. Union-find over runs along x (Wu, Otoo and Suzuki 2009; runs as in He,
Chao and Suzuki 2008): the work goes with the number of runs, not of voxels.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

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


@kernel
def components(labels: Int32, full: bool) -> tuple[Int32, int]:
    """Components of equal label.

    Parameters
    ----------
    labels : (z, y, x) int32 array
        0 = background.
    full : bool
        Voxels that share a corner touch (8 or 26 neighbours); else only a face (4 or 6).

    Returns
    -------
    ids : (z, y, x) int32 array
        1…n in raster order of first voxels.
    n : int
    """
    nz, ny, _ = labels.shape
    runs, first = _runs(labels)
    parent = np.arange(runs.shape[0]).astype(np.int32)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for dz, dy in BEFORE:
            if dz and dy and not full:
                continue
            if z + dz >= 0 and 0 <= y + dy < ny:
                other = row + dz * ny + dy
                _join(runs, parent, first[other], first[other + 1], first[row], first[row + 1],
                      1 if full else 0)  # fmt: skip
    final, n = _number(parent)
    ids = np.zeros(labels.shape, np.int32)
    for row in range(nz * ny):
        line = ids[row // ny, row % ny]
        for i in range(first[row], first[row + 1]):
            line[runs[i, 0] : runs[i, 1]] = final[i]
    return ids, n


@kernel
def _runs(labels: Int32) -> tuple[Int32, Int64]:
    """Runs (start, stop, label) of equal label along x, and the first run of every row."""
    nz, ny, nx = labels.shape
    runs = np.empty((max(1024, labels.size // 64), 3), np.int32)
    first = np.zeros(nz * ny + 1, np.int64)
    n = 0
    for row in range(nz * ny):
        line = labels[row // ny, row % ny]
        if n + nx > runs.shape[0]:
            more = np.empty((2 * runs.shape[0] + nx, 3), np.int32)
            more[:n] = runs[:n]
            runs = more
        x = 0
        while x < nx:
            label = line[x]
            start = x
            x += 1
            while x < nx and line[x] == label:
                x += 1
            if label:
                runs[n, 0], runs[n, 1], runs[n, 2] = start, x, label
                n += 1
        first[row + 1] = n
    return runs[:n], first


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
    """Final id of each run: the smallest run of a set comes first in raster order."""
    final = np.zeros(parent.size, np.int32)
    n = 0
    for i in range(parent.size):
        root = find(parent, i)
        if root == i:
            n += 1
            final[i] = n
        else:
            final[i] = final[root]
    return final, n


@kernel
def boxes(ids: Int32, n: int) -> tuple[Int64, Int64]:
    """Voxel count and bounding box of each id.

    Returns
    -------
    sizes : (n + 1,) int64 array
    bounds : (n + 1, 6) int64 array
        First and last index along z, y, x: z0, y0, x0, z1, y1, x1.
    """
    sizes = np.zeros(n + 1, np.int64)
    bounds = np.empty((n + 1, 6), np.int64)
    bounds[:, :3] = 2**31
    bounds[:, 3:] = -1
    nz, ny, nx = ids.shape
    for z in range(nz):
        for y in range(ny):
            line = ids[z, y]
            x = 0
            while x < nx:
                i, start = line[x], x
                x += 1
                while x < nx and line[x] == i:
                    x += 1
                if i:
                    sizes[i] += x - start
                    box = bounds[i]
                    box[0], box[3] = min(box[0], z), max(box[3], z)
                    box[1], box[4] = min(box[1], y), max(box[4], y)
                    box[2], box[5] = min(box[2], start), max(box[5], x - 1)
    return sizes, bounds
