"""Background of one object: its grey values opened with a disc or ball.

In: the object painted alone, its values at least 0, on a patch with a rim of zeros. Out: the
background subtracted in place. Nothing is done for objects in which the disc does not fit: their
background is 0. The disc is taken apart into chords along x, shortest first, so that the extremes
over a longer chord grow from those over a shorter one. All loops run along the flattened patch:
a disc that leaves a row for the next one crosses the rim, and finds the 0 that lies outside. They
are functions of their own that cut their rows themselves: else they are compiled without vector
instructions.
"""

import math

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints


def chords(radius: int, planar: bool) -> Ints:
    """Take a disc, or a ball, apart into chords along x, the shortest first.

    Parameters
    ----------
    radius : int
        In px; what lies within it belongs to the disc (``skimage.morphology.disk``, ``ball``).
    planar : bool
        A disc, else a ball.

    Returns
    -------
    (n, 3) int64 array
        z and y from the centre, and how far the chord goes to either side of it.
    """
    span = range(-radius, radius + 1)
    found = [
        (z, y, math.isqrt(radius**2 - y * y - z * z))
        for z in (range(1) if planar else span)
        for y in span
        if y * y + z * z <= radius**2
    ]
    return np.array(sorted(found, key=lambda chord: chord[2]), np.int64)


@kernel
def subtract_background(
    light: Floats,
    cells: Ints,
    shape: Ints,
    rim: Ints,
    disc: Ints,
    scratch: tuple[Floats, Floats, Floats, Floats],
) -> float:
    """Subtract the opening from the `cells` of `light`.

    Parameters
    ----------
    light : (room,) float64 array
        Patch of extent `shape`, its rim of width `rim` included; 0 outside the object. Changed.
    cells : (n,) int64 array
        The object's places on the patch.
    shape, rim : (3,) int64 array
        Along z, y, x.
    disc : (m, 3) int64 array
        From ``chords``.
    scratch : four (room,) float64 arrays

    Returns
    -------
    float
        Sum of what was subtracted.
    """
    edge = rim * (disc[-1, 2] + 1)
    for axis in range(3):
        if shape[axis] <= 2 * edge[axis]:
            return 0.0
    start = edge[1] * shape[2] + edge[2]
    core = (edge[0], shape[0] - edge[0], start, shape[1] * shape[2] - 2 * start)
    size = shape[0] * shape[1] * shape[2]
    grown, spare, eroded, opened = scratch
    if not _erode(light[:size], shape, core, disc, (grown, spare), eroded):
        return 0.0
    _dilate(eroded, shape, core, disc, (grown, spare), opened)
    total = 0.0
    for at in cells:
        light[at] -= opened[at]
        total += opened[at]
    return total


@kernel
def _erode(
    light: Floats,
    shape: Ints,
    core: tuple[int, int, int, int],
    disc: Ints,
    scratch: tuple[Floats, Floats],
    eroded: Floats,
) -> bool:
    """Erode where a disc in the box has its centre; whether anything is left.

    `core` is its first plane and the one after the last, and in each the first of its pixels and
    how many follow each other.
    """
    plane = shape[1] * shape[2]
    least, spare = scratch
    for at in range(light.size):
        least[at] = light[at]
        eroded[at] = 0.0
    for z in range(core[0], core[1]):
        first = z * plane + core[2]
        eroded[first : first + core[3]] = np.inf
    half = 0
    for c in range(disc.shape[0]):
        while half < disc[c, 2]:
            half += 1
            _grow_least(least, spare, light.size)
            least, spare = spare, least
        step = disc[c, 0] * plane + disc[c, 1] * shape[2]
        for z in range(core[0], core[1]):
            first = z * plane + core[2]
            _lower(eroded, first, least, first + step, core[3])
    for z in range(core[0], core[1]):
        first = z * plane + core[2]
        for value in eroded[first : first + core[3]]:
            if value > 0:
                return True
    return False


@kernel
def _dilate(
    eroded: Floats,
    shape: Ints,
    core: tuple[int, int, int, int],
    disc: Ints,
    scratch: tuple[Floats, Floats],
    opened: Floats,
) -> None:
    plane = shape[1] * shape[2]
    size = shape[0] * plane
    most, spare = scratch
    for at in range(size):
        most[at] = eroded[at]
        opened[at] = 0.0
    wide = disc[-1, 2]
    half = 0
    for c in range(disc.shape[0]):
        while half < disc[c, 2]:
            half += 1
            _grow_most(most, spare, size)
            most, spare = spare, most
        step = disc[c, 0] * plane + disc[c, 1] * shape[2]
        for z in range(core[0], core[1]):
            first = z * plane + core[2] - wide
            _raise(opened, first + step, most, first, core[3] + 2 * wide)


@kernel
def _grow_least(row: Floats, to: Floats, size: int) -> None:
    """Smallest of each pixel and the two beside it; the ends are rim."""
    to[0] = to[size - 1] = 0.0
    left, here, right, inner = row[: size - 2], row[1:], row[2:], to[1:]
    for x in range(left.size):
        least = left[x] if left[x] < right[x] else right[x]
        inner[x] = least if least < here[x] else here[x]


@kernel
def _grow_most(row: Floats, to: Floats, size: int) -> None:
    to[0] = to[size - 1] = 0.0
    left, here, right, inner = row[: size - 2], row[1:], row[2:], to[1:]
    for x in range(left.size):
        most = left[x] if left[x] > right[x] else right[x]
        inner[x] = most if most > here[x] else here[x]


@kernel
def _lower(row: Floats, at: int, other: Floats, start: int, n: int) -> None:
    # Not a loop with a comparison: that stores under a mask, several times slower.
    to = row[at : at + n]
    np.minimum(to, other[start : start + n], to)


@kernel
def _raise(row: Floats, at: int, other: Floats, start: int, n: int) -> None:
    to = row[at : at + n]
    np.maximum(to, other[start : start + n], to)
