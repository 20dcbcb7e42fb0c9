"""Exact Euclidean distance to the background, in integers, up to a cap.

In: runs of the foreground. Out: (z, y, x) int32 distances in 1/64 of a unit. The image's edge is no
background, so an object cut by it looks as if it went on.

Separable (Saito and Toriwaki 1994): the nearest background along x, then the best row within reach
along y, then along z. Whole rows are compared at a time, the nearest first, until the largest
distance of the row is below that of the rows to come; no value depends on the block's position.
"""

from math import gcd
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs
from voxelmill.plugin import Array, Index

Int32: TypeAlias = NDArray[np.int32]

STEPS = 64
"""Distances are in 1/64 of the unit in which `step` is given."""
GRAIN = 16
"""Voxel steps are rounded to 1/16 of the unit."""


def distance(
    inside: Runs,
    shape: Index,
    step: tuple[float, float, float],
    cap: float,
    out: Int32 | None = None,
) -> Int32:
    """Distance of each foreground voxel to the nearest background voxel, at most `cap`.

    Parameters
    ----------
    inside : Runs
        Of the foreground.
    shape : tuple of int
        Of the image.
    step : tuple of float
        Voxel size along z, y, x in any unit; rounded to 1/16 of it.
    cap : float
        Largest distance, in that unit.
    out : (z, y, x) int32 array, optional
        Memory to use.

    Returns
    -------
    (z, y, x) int32 array
        Distance in 1/64 unit, rounded down; 0 in the background.
    """
    steps = [max(1, round(s * GRAIN)) for s in step]
    unit = gcd(*steps)
    z, y, x = (s // unit for s in steps)
    limit = int(cap * GRAIN) ** 2
    most = -(-limit // unit**2)
    # Squares of small whole numbers: twice as many fit into a register.
    dtype = np.int16 if 2 * most < 2**15 else np.int32
    squares = np.minimum(np.arange(most + 1) * unit**2, limit)
    root = (np.sqrt(squares.astype(np.float64)) * (STEPS / GRAIN)).astype(np.int32)
    out = np.empty(shape, np.int32) if out is None else out
    squared = np.empty(shape, dtype)
    _along_x(inside, x, most, squared)
    if shape[0] > 1:
        planes = 1, shape[0], shape[1] * shape[2]
        deep = np.empty(shape, dtype)
        _across(squared.reshape(planes), z, np.arange(most + 1).astype(dtype), deep.reshape(planes))
        squared = deep
    _across(squared, y, root, out)
    return out


@kernel
def _along_x(inside: Runs, step: int, most: int, out: Array) -> None:
    """Squared distance along x, at most `most`."""
    _, ny, nx = out.shape
    far = int(np.sqrt(most)) // step + 2
    for row in range(inside.first.size - 1):
        line = out[row // ny, row % ny]
        line[:] = 0
        for i in range(inside.first[row], inside.first[row + 1]):
            start, stop = inside.table[i, 0], inside.table[i, 1]
            before = far if start == 0 else 1 - start
            after = far if stop == nx else stop
            for x in range(start, stop):
                near = min(min(x + before, after - x if stop < nx else far), far) * step
                line[x] = min(near * near, most)


@kernel
def _across(squared: Array, step: int, root: Array, out: Array) -> None:
    """Best over the middle axis of (a, n, b), looked up in `root`."""
    outer, n, inner = squared.shape
    here = np.empty(inner, squared.dtype)
    for a in range(outer):
        for i in range(n):
            here[:] = squared[a, i]
            k, largest = 1, _largest(here)
            while k < n and k * k * step * step < largest:
                gap = squared.dtype.type(k * k * step * step)
                above, below = i - k if i >= k else i + k, i + k if i + k < n else i - k
                if above < n and below >= 0:
                    _lower(here, squared, a, above, below, gap)
                if k % 4 == 0:
                    largest = _largest(here)
                k += 1
            line = out[a, i]
            for j in range(inner):
                line[j] = root[here[j]]


@kernel
def _lower(here: Array, squared: Array, a: int, above: int, below: int, gap: int) -> None:
    """At most the value in the rows `above` and `below` and the `gap`."""
    narrow = here.dtype.type  # sums are narrowed at once, so the loop works on short vectors
    for j in range(here.size):
        near = narrow(min(squared[a, above, j], squared[a, below, j]) + gap)
        here[j] = min(here[j], near)


@kernel
def _largest(line: Array) -> int:
    most = line.dtype.type(0)
    for j in range(line.size):
        most = max(most, line[j])
    return int(most)
