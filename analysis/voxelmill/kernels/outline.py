"""Trimming of objects: peel dim rims, and measure how bright what remains is at its edge.

All work on (z, y, x) labels and depend on nothing beyond the object that a voxel belongs to.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs
from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]


@kernel
def peel(labels: Array, inside: Runs, image: Int32, groups: Int32, least: Int32) -> None:
    """Remove, in place, weak voxels that a path of weak ones joins to another label or background.

    Weak voxels inside an object stay, so peeling makes no holes. The image's edge is no border.

    Parameters
    ----------
    labels : (z, y, x) integer array
    inside : Runs
        Where labels are above 0, at most.
    image : (z, y, x) int32 array
    groups : (z, y, x) int32 array
        May be `labels`.
    least : (g,) int32 array
        A voxel of group g is weak if the image is below ``least[g]``.
    """
    nz, ny, nx = labels.shape
    flat, bright, group = labels.reshape(-1), image.reshape(-1), groups.reshape(-1)
    stack = np.empty(256, np.int64)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for i in range(inside.first[row], inside.first[row + 1]):
            for p in range(row * nx + inside.table[i, 0], row * nx + inside.table[i, 1]):
                a = flat[p]
                if bright[p] >= least[group[p]] or a == 0:
                    continue
                x = p - row * nx
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
                stack[0] = p
                top = 1
                while top:
                    if top + 6 > stack.size:
                        stack = np.concatenate((stack, np.empty_like(stack)))
                    # Written out: a call with arrays costs more than a voxel.
                    top -= 1
                    at = stack[top]
                    line = at // nx
                    depth = line // ny if nz > 1 else 0
                    x, y_at = at - line * nx, line - depth * ny
                    for k in range(6 if nz > 1 else 4):
                        if k == 0:
                            q, exists = at - 1, x > 0
                        elif k == 1:
                            q, exists = at + 1, x + 1 < nx
                        elif k == 2:
                            q, exists = at - nx, y_at > 0
                        elif k == 3:
                            q, exists = at + nx, y_at + 1 < ny
                        elif k == 4:
                            q, exists = at - nx * ny, depth > 0
                        else:
                            q, exists = at + nx * ny, depth + 1 < nz
                        # `groups` may be `labels`: they are not read any more once set to 0.
                        if exists and flat[q] == a and bright[q] < least[group[q]]:
                            flat[q] = 0
                            stack[top] = q
                            top += 1


@kernel
def edge_levels(labels: Int32, inside: Runs, image: Int32, n: int) -> tuple[Int64, Int64]:
    """Voxels at each object's edge, and the sum of their intensity (at least 0).

    `inside` are runs outside which labels are 0.

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
        for i in range(inside.first[row], inside.first[row + 1]):
            for x in range(inside.table[i, 0], inside.table[i, 1]):
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
