"""Rainfall watershed: each voxel runs uphill to its peak, and neighbouring basins share edges.

In: a padded relief (z, y, x) int32 with 0 outside the objects. Out: basins numbered 1…n in raster
order of their peaks, and a list of the edges between touching basins.

Voxels are ordered by (height, smaller raster index first), a total order, so every voxel has one
highest neighbour and plateaus need no special case. Linear, local and deterministic: a voxel's
basin depends on the path to its peak only (steepest ascent: Beucher and Lantuéjoul 1979;
Cousty et al. 2009 call the result a watershed by drops of water).
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]


def neighbours(shape: tuple[int, ...], forward: bool = False) -> Int64:
    """Steps in raster index to the neighbours of a voxel of a padded array of `shape`.

    8 neighbours in the plane where the array has one plane, else 26; with `forward` only those
    later in raster order. Needs one voxel of padding along y and x, and along z where nz > 1.
    """
    nz, ny, nx = shape
    depths = (-1, 0, 1) if nz > 1 else (0,)
    steps = [(z * ny + y) * nx + x for z in depths for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return np.array([s for s in sorted(steps) if s > 0 or (s < 0 and not forward)], np.int64)


def pad(array: Int32) -> Int32:
    """Pad by the one voxel of zeros that `neighbours` needs."""
    depth = 1 if array.shape[0] > 1 else 0
    return np.pad(array, ((depth, depth), (1, 1), (1, 1)))


def unpad(array: Int32) -> Int32:
    """Undo `pad` (a padded array has one plane only where the image has one)."""
    return array[1:-1, 1:-1, 1:-1] if array.shape[0] > 1 else array[:, 1:-1, 1:-1]


@kernel
def rainfall(relief: Int32, steps: Int64) -> tuple[Int32, Int64]:
    """Basins of a padded `relief` (flat); 0 is background.

    Parameters
    ----------
    relief : (n,) int32 array
        Heights, padded and raveled; 0 = background.
    steps : (k,) int64 array
        Raster steps to neighbours.

    Returns
    -------
    basins : (n,) int32 array
        1…b by raster order of the peaks; 0 = background.
    peaks : (b,) int64 array
        Raster index of each basin's peak.
    """
    n = relief.size
    up = np.zeros(n, np.int32)
    count = 0
    for p in range(n):
        top = relief[p]
        if top == 0:
            continue
        best = p
        for step in steps:
            q = p + step
            height = relief[q]
            if height > top or (height == top and q < best):
                best, top = q, height
        up[p] = best
        count += best == p
    return _follow(up, count)


@kernel
def _follow(up: Int32, count: int) -> tuple[Int32, Int64]:
    """Number the fixed points of `up` in raster order and hand their number down the paths."""
    basins = np.zeros(up.size, np.int32)
    peaks = np.empty(count, np.int64)
    k = 0
    for p in range(1, up.size):
        if up[p] == p:
            peaks[k] = p
            k += 1
            basins[p] = k
    for p in range(up.size):
        if up[p] == 0 or basins[p]:
            continue
        q = p
        while basins[q] == 0:
            q = up[q]
        found = basins[q]
        q = p
        while basins[q] == 0:
            basins[q] = found
            q = up[q]
    return basins, peaks


@kernel
def contacts(
    basins: Int32, relief: Int32, image: Int32, steps: Int64
) -> tuple[Int64, Int32, Int32]:
    """All pairs of neighbouring voxels that lie in different basins.

    Parameters
    ----------
    basins, relief, image : (n,) int32 array
        Padded and raveled.
    steps : (k,) int64 array
        Raster steps to the later neighbours.

    Returns
    -------
    pair : (e,) int64 array
        ``smaller basin << 32 | larger basin``.
    height, level : (e,) int32 array
        The smaller of the two values of `relief`, and of `image`.
    """
    count = 0
    for p in range(basins.size):
        a = basins[p]
        if a:
            for step in steps:
                b = basins[p + step]
                count += b > 0 and b != a
    pair = np.empty(count, np.int64)
    height = np.empty(count, np.int32)
    level = np.empty(count, np.int32)
    k = 0
    for p in range(basins.size):
        a = basins[p]
        if a == 0:
            continue
        for step in steps:
            q = p + step
            b = basins[q]
            if b > 0 and b != a:
                pair[k] = (np.int64(min(a, b)) << 32) | np.int64(max(a, b))
                height[k] = min(relief[p], relief[q])
                level[k] = min(image[p], image[q])
                k += 1
    return pair, height, level
