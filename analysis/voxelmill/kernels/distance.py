"""Exact Euclidean distance to the background, in integers, up to a cap.

In: (z, y, x) mask. Out: (z, y, x) int32 distances in 1/64 of a unit. The image's edge is no
background, so an object cut by it looks as if it went on.

Separable (Saito and Toriwaki 1994): the nearest background along x, then the best row within reach
along y, then along z. The search along y and z stops at the distance found so far, and runs over
foreground only: its cost is the objects' radius, and no value depends on the block's position.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]

STEPS = 64
"""Distances are in 1/64 of the unit in which `step` is given."""
GRAIN = 16
"""Voxel steps are rounded to 1/16 of the unit."""


def distance(mask: Mask, step: tuple[float, float, float], cap: float) -> Int32:
    """Distance of each foreground voxel to the nearest background voxel, at most `cap`.

    Parameters
    ----------
    mask : (z, y, x) bool array
        Foreground.
    step : tuple of float
        Voxel size along z, y, x in any unit; rounded to 1/16 of it.
    cap : float
        Largest distance, in that unit.

    Returns
    -------
    (z, y, x) int32 array
        Distance in 1/64 unit, rounded down; 0 in the background.
    """
    z, y, x = (max(1, round(s * GRAIN)) for s in step)
    limit = int(cap * GRAIN) ** 2
    squared = _along_x(mask, x, limit)
    if mask.shape[1] > 1:
        squared = _across(squared, y)
    if mask.shape[0] > 1:
        planes = squared.reshape(1, mask.shape[0], -1)
        squared = _across(planes, z).reshape(mask.shape)
    return _root(squared, STEPS / GRAIN)


@kernel
def _along_x(mask: Mask, step: int, limit: int) -> Int32:
    """Squared distance along x, capped at `limit`."""
    out = np.empty(mask.shape, np.int32)
    nz, ny, nx = mask.shape
    far = int(np.sqrt(limit)) // step + 2
    for z in range(nz):
        for y in range(ny):
            line, row = mask[z, y], out[z, y]
            run = far
            for x in range(nx):
                run = min(run + 1, far) if line[x] else 0
                row[x] = run
            run = far
            for x in range(nx - 1, -1, -1):
                run = min(run + 1, far) if line[x] else 0
                best = np.int64(min(run, row[x])) * step
                row[x] = min(best * best, limit)
    return out


@kernel
def _across(squared: Int32, step: int) -> Int32:
    """Best over the middle axis of (a, n, b), for values above 0."""
    outer, n, inner = squared.shape
    out = squared.copy()
    for a in range(outer):
        for i in range(n):
            here = out[a, i]
            for j in range(inner):
                best = here[j]
                k = 1
                while True:
                    gap = k * k * step * step
                    if gap >= best:
                        break
                    if i >= k:
                        best = min(best, squared[a, i - k, j] + gap)
                    if i + k < n:
                        best = min(best, squared[a, i + k, j] + gap)
                    k += 1
                here[j] = best
    return out


@kernel
def _root(squared: Int32, scale: float) -> Int32:
    out = np.empty_like(squared)
    flat, source = out.ravel(), squared.ravel()
    for i in range(flat.size):
        flat[i] = int(np.sqrt(float(source[i])) * scale)
    return out
