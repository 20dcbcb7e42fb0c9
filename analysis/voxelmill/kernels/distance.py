"""Exact Euclidean distance to the background, in integers, up to a cap.

In: runs of the foreground. Out: (z, y, x) int32 distances in 1/64 of a unit. The image's edge is no
background, so an object cut by it looks as if it went on.

Separable (Saito and Toriwaki 1994): the nearest background along x, then the best row within reach
along y, then along z. Whole rows are compared at a time, the nearest first, until the largest
distance of the row is below that of the rows to come; no value depends on the block's position.
"""

from math import gcd, isqrt
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
    work: Int32 | None = None,
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
    work : (z, y, x) int32 array, optional
        Memory to use on the way: fresh pages cost more than most of what is done to them.

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
    largest = most + (isqrt(most) + 1 + max(y, z)) ** 2  # that is ever summed
    dtype = np.int16 if largest < 2**15 else np.int32
    squares = np.minimum(np.arange(most + 1) * unit**2, limit)
    root = (np.sqrt(squares.astype(np.float64)) * (STEPS / GRAIN)).astype(np.int32)
    out = np.empty(shape, np.int32)
    work = np.empty(shape, np.int32) if work is None else work
    squared, deep = _halves(work) if dtype is np.int16 else (work, out)
    _along_x(inside, x, most, squared)
    if shape[0] > 1:
        planes = 1, shape[0], shape[1] * shape[2]
        if deep is out:
            out = np.empty(shape, np.int32)
        _across(squared.reshape(planes), z, deep.reshape(planes))
        squared = deep
    _roots(squared, inside, y, root, out)
    return out


def _halves(work: Int32) -> tuple[Array, Array]:
    """Two arrays of 16-bit integers in the memory of one of 32."""
    both = work.reshape(-1).view(np.int16).reshape(2, *work.shape)
    return both[0], both[1]


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
def _across(squared: Array, step: int, out: Array) -> None:
    """Best over the middle axis of (a, n, b)."""
    for a in range(squared.shape[0]):
        for i in range(squared.shape[1]):
            _best(squared, a, i, step, out[a, i])


@kernel
def _roots(squared: Array, inside: Runs, step: int, root: Int32, out: Int32) -> None:
    """The same, looked up in `root`."""
    nz, ny, nx = squared.shape
    best = np.empty(nx, squared.dtype)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        line = out[z, y]
        line[:] = 0
        if inside.first[row] < inside.first[row + 1]:
            _best(squared, z, y, step, best)
        for i in range(inside.first[row], inside.first[row + 1]):
            for x in range(inside.table[i, 0], inside.table[i, 1]):
                line[x] = root[best[x]]


@kernel
def _best(squared: Array, a: int, i: int, step: int, here: Array) -> None:
    """Best for row `i` of part `a`: rows around it, the nearest first."""
    here[:] = squared[a, i]
    k, largest = 1, _largest(here)
    while k * k * step * step < largest:
        _lower(here, squared, a, i, k, step)
        if k % 4 == 3:
            largest = _largest(here)
        k += 2


@kernel
def _lower(here: Array, squared: Array, a: int, i: int, k: int, step: int) -> None:
    """At most the values in the rows `k` and ``k + 1`` away and the squares of these distances."""
    n = squared.shape[1]
    narrow = here.dtype.type  # sums are narrowed at once, so the loop works on short vectors
    near, far = narrow(k * k * step * step), narrow((k + 1) * (k + 1) * step * step)
    # Beyond the image the row itself stands in: with a gap it changes nothing.
    above, below = i - k if i >= k else i, i + k if i + k < n else i
    higher, lower = i - k - 1 if i > k else i, i + k + 1 if i + k + 1 < n else i
    for j in range(here.size):
        one = narrow(min(squared[a, above, j], squared[a, below, j]) + near)
        two = narrow(min(squared[a, higher, j], squared[a, lower, j]) + far)
        here[j] = min(here[j], min(one, two))


@kernel
def _largest(line: Array) -> int:
    most = line.dtype.type(0)
    for j in range(line.size):
        most = max(most, line[j])
    return int(most)
