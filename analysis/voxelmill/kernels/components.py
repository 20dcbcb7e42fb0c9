"""Connected components of a mask or of a label image, numbered in raster order.

In: (z, y, x) int32 labels, 0 = background. Out: (z, y, x) int32, where voxels share an id if a path
of touching voxels of the *same* label joins them; ids 1…n by the raster position of each
component's first voxel. Union-find over the earlier neighbours (Wu, Otoo and Suzuki 2009).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]


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
    nz, ny, nx = labels.shape
    ids = np.zeros(labels.shape, np.int32)
    parent = np.zeros(labels.size // 2 + 2, np.int32)
    count = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                label = labels[z, y, x]
                if label == 0:
                    continue
                mine = 0
                for dz in range(-1 if z > 0 else 0, 1):
                    for dy in range(-1 if y > 0 else 0, 2 if dz < 0 and y + 1 < ny else 1):
                        last = 2 if dz < 0 or dy < 0 else 0
                        for dx in range(-1, last):
                            if not 0 <= x + dx < nx:
                                continue
                            if not full and abs(dz) + abs(dy) + abs(dx) != 1:
                                continue
                            if labels[z + dz, y + dy, x + dx] != label:
                                continue
                            other = find(parent, ids[z + dz, y + dy, x + dx])
                            if mine == 0 or other == mine:
                                mine = other
                            else:
                                low, high = min(mine, other), max(mine, other)
                                parent[high] = low
                                mine = low
                if mine == 0:
                    count += 1
                    if count == parent.size:
                        parent = np.append(parent, np.zeros(count, np.int32))
                    parent[count] = count
                    mine = count
                ids[z, y, x] = mine
    return ids, _flatten(ids, parent, count)


@kernel
def _flatten(ids: Int32, parent: Int32, count: int) -> int:
    """Replace provisional ids by final ones, in place; the smallest id of a set is its first."""
    final = np.zeros(count + 1, np.int32)
    n = 0
    for i in range(1, count + 1):
        root = find(parent, i)
        if root == i:
            n += 1
            final[i] = n
        else:
            final[i] = final[root]
    flat = ids.ravel()
    for p in range(flat.size):
        flat[p] = final[flat[p]]
    return n


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
            for x in range(nx):
                i = ids[z, y, x]
                if i == 0:
                    continue
                sizes[i] += 1
                box = bounds[i]
                box[0], box[3] = min(box[0], z), max(box[3], z)
                box[1], box[4] = min(box[1], y), max(box[4], y)
                box[2], box[5] = min(box[2], x), max(box[5], x)
    return sizes, bounds
