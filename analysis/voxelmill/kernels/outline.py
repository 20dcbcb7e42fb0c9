"""Trimming and tidying of objects: peel dim rims, fill holes, keep the largest piece.

All work on (z, y, x) int32 labels (a mask is labels of 0 and 1) and depend on nothing beyond the
object, or the hole of limited extent, that a voxel belongs to.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import boxes, components
from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Index

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@kernel
def peel(labels: Int32, weak: Mask) -> Int32:
    """Remove every `weak` voxel that a path of weak ones joins to another label or background.

    Weak voxels inside an object stay, so peeling makes no holes. The image's edge is no border.
    """
    nz, ny, nx = labels.shape
    out = labels.copy()
    flat, soft = out.ravel(), weak.ravel()
    stack = np.empty(1024, np.int64)
    top = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                p = (z * ny + y) * nx + x
                a = flat[p]
                if a == 0 or not soft[p]:
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
                if top == stack.size:
                    stack = np.append(stack, np.empty(top, np.int64))
                stack[top] = p
                top += 1
    while top:
        top -= 1
        p = stack[top]
        a = flat[p]
        if a == 0:
            continue
        flat[p] = 0
        x, y, z = p % nx, p // nx % ny, p // (nx * ny)
        for k in range(6):
            step = 1 if k < 2 else (nx if k < 4 else nx * ny)
            place, size = (x, nx) if k < 2 else ((y, ny) if k < 4 else (z, nz))
            forth = k % 2 == 1
            if (forth and place + 1 == size) or (not forth and place == 0):
                continue
            q = p + step if forth else p - step
            if flat[q] == a and soft[q]:
                if top == stack.size:
                    stack = np.append(stack, np.empty(top, np.int64))
                stack[top] = q
                top += 1
    return out


def fill_holes(labels: Int32, size: int, extent: Index) -> Int32:
    """Give enclosed background to the one object around it.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    size : int
        Largest hole in voxels.
    extent : tuple of int
        Largest extent of a hole along z, y, x in voxels.

    Returns
    -------
    (z, y, x) int32 array
        Holes that touch the edge of the array, or two objects, stay.
    """
    holes, n = components((labels == 0).astype(np.int32), False)
    sizes, bounds = boxes(holes, n)
    owner = _owners(labels, holes, n)
    small = (bounds[:, 3:] - bounds[:, :3] < np.array(extent)).all(axis=1)
    owner[(sizes > size) | ~small | (owner < 0)] = 0
    owner[0] = 0
    return np.asarray(labels + owner[holes], np.int32)


@kernel
def _owners(labels: Int32, holes: Int32, n: int) -> Int32:
    """Label around each hole; -1 where there are several or the edge of the plane."""
    owner = np.zeros(n + 1, np.int32)
    nz, ny, nx = labels.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                hole = holes[z, y, x]
                if hole == 0 or owner[hole] < 0:
                    continue
                if x == 0 or y == 0 or x == nx - 1 or y == ny - 1:
                    owner[hole] = -1
                    continue
                for k in range(6):
                    dz = (k == 4) - (k == 5)
                    if not 0 <= z + dz < nz:
                        owner[hole] = owner[hole] if nz == 1 else -1
                        continue
                    near = labels[z + dz, y + (k == 2) - (k == 3), x + (k == 0) - (k == 1)]
                    if near and owner[hole] != near:
                        owner[hole] = near if owner[hole] == 0 else -1
    return owner


def largest_pieces(labels: Int32, least: int) -> tuple[Int32, int]:
    """Keep each label's largest face-connected piece of at least `least` voxels.

    Returns
    -------
    ids : (z, y, x) int32 array
        1…n in raster order of first voxels; of equal pieces the first counts.
    n : int
    """
    pieces, n = components(labels, False)
    sizes, _ = boxes(pieces, n)
    label = np.zeros(n + 1, np.int64)
    label[pieces] = labels
    order = np.lexsort((np.arange(n + 1), -sizes, label))
    first = np.ones(n + 1, bool)
    first[1:] = label[order][1:] != label[order][:-1]
    keep = np.zeros(n + 1, bool)
    keep[order[first]] = True
    keep &= (sizes >= max(least, 1)) & (label > 0)
    ids = np.zeros(n + 1, np.int32)
    ids[keep] = np.arange(1, np.count_nonzero(keep) + 1)
    return ids[pieces], int(np.count_nonzero(keep))
