"""Trimming of objects: peel dim rims, and measure how bright what remains is at its edge.

All work on (z, y, x) labels and depend on nothing beyond the object that a voxel belongs to.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

FACES = ((0, 0, -1), (0, 0, 1), (0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0))
"""Steps (z, y, x) to the neighbours that share a face."""


@kernel
def peel(labels: Array, image: Int32, groups: Int32, least: Int32) -> None:
    """Remove, in place, weak voxels that a path of weak ones joins to another label or background.

    Weak voxels inside an object stay, so peeling makes no holes. The image's edge is no border.

    Parameters
    ----------
    labels : (z, y, x) integer array
    image : (z, y, x) int32 array
    groups : (z, y, x) int32 array
        May be `labels`.
    least : (g,) int32 array
        A voxel of group g is weak if the image is below ``least[g]``.
    """
    nz, ny, nx = labels.shape
    flat, bright, group = labels.reshape(-1), image.reshape(-1), groups.reshape(-1)
    stack = np.empty((256, 3), np.int64)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for x in range(nx):
            p = row * nx + x
            a = flat[p]
            if a == 0 or bright[p] >= least[group[p]]:
                continue
            if not (
                (x > 0 and flat[p - 1] != a)
                or (x + 1 < nx and flat[p + 1] != a)
                or (y > 0 and flat[p - nx] != a)
                or (y + 1 < ny and flat[p + nx] != a)
                or (z > 0 and flat[p - nx * ny] != a)
                or (z + 1 < nz and flat[p + nx * ny] != a)
            ):
                continue
            flat[p] = 0
            stack[0, 0], stack[0, 1], stack[0, 2] = z, y, x
            top = 1
            while top:
                if top + 6 > stack.shape[0]:
                    stack = np.concatenate((stack, np.empty_like(stack)))
                top = _remove_around(labels, image, groups, least, a, stack, top - 1)


@kernel
def _remove_around(
    labels: Array, image: Int32, groups: Int32, least: Int32, label: int, stack: Int64, top: int
) -> int:
    """Remove the weak voxels of this label beside ``stack[top]``, and put them there instead."""
    z, y, x = stack[top]
    for dz, dy, dx in FACES:
        i, j, k = z + dz, y + dy, x + dx
        if 0 <= i < labels.shape[0] and 0 <= j < labels.shape[1] and 0 <= k < labels.shape[2]:
            if labels[i, j, k] == label and image[i, j, k] < least[groups[i, j, k]]:
                # `groups` may be `labels`: its value here was read for the last time.
                labels[i, j, k] = 0
                stack[top, 0], stack[top, 1], stack[top, 2] = i, j, k
                top += 1
    return top


@kernel
def edge_levels(labels: Int32, image: Int32, n: int) -> tuple[Int64, Int64]:
    """Voxels at each object's edge, and the sum of their intensity (at least 0).

    The edge are voxels with a neighbour in the plane that is not of the object; the image's end
    is none.

    Returns
    -------
    count, level : (n + 1,) int64 array
    """
    nz, ny, nx = labels.shape
    count, level = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        line, bright = labels[z, y], image[z, y]
        above, below = labels[z, max(y - 1, 0)], labels[z, min(y + 1, ny - 1)]
        for x in range(nx):
            a = line[x]
            if a and (
                above[x] != a
                or below[x] != a
                or line[max(x - 1, 0)] != a
                or line[min(x + 1, nx - 1)] != a
            ):
                count[a] += 1
                level[a] += max(bright[x], 0)
    return count, level
