"""Convex hull of each object in a plane, in integers.

In: `Objects`. Out: the corners of each hull, and the number of pixels in it.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ints, Objects


def hulls(objects: Objects) -> tuple[Ints, Ints]:
    """Find the corners of the convex hull of each object's pixel centres (one plane).

    Returns
    -------
    (n_corners, 2) int64 array
        y, x from the corner of the object's bounding box: from the first pixel of the first row
        down the left side, then up the right side. None lies between two others.
    (n + 1,) int64 array
        Object i owns the corners first[i] … first[i + 1] - 1.
    """
    return corners(objects.runs, objects.first, objects.low)


def hull_pixels(objects: Objects) -> Ints:
    """Count the pixels of each object's convex hull (one plane).

    The hull is that of the pixels' edge midpoints; pixels with their centre in or on it count.

    Returns
    -------
    (n,) int64 array
        Pixels in the convex hull.
    """
    return _hull_pixels(*objects.once(hulls))


@kernel
def corners(runs: Ints, first: Ints, low: Ints) -> tuple[Ints, Ints]:
    """Find the corners of any groups of runs, each in one plane; see ``hulls``."""
    n = first.size - 1
    found = np.empty((2 * runs.shape[0], 2), np.int64)
    begin = np.zeros(n + 1, np.int64)
    end = 0
    for i in range(n):
        start = end
        for r in range(first[i], first[i + 1]):
            if r == first[i] or runs[r, 1] != runs[r - 1, 1]:
                end = _push(found, start, end, runs[r, 1] - low[i, 1], runs[r, 2] - low[i, 2])
        turn = end
        last = first[i + 1] - 1
        for r in range(last, first[i] - 1, -1):
            if r == last or runs[r, 1] != runs[r + 1, 1]:
                end = _push(found, turn, end, runs[r, 1] - low[i, 1], runs[r, 3] - 1 - low[i, 2])
        # The sides may share their lowest pixel, and their highest.
        if _same(found, turn, turn - 1):
            end -= 1
            for k in range(turn, end):
                found[k, 0], found[k, 1] = found[k + 1, 0], found[k + 1, 1]
        if end - start > 1 and _same(found, end - 1, start):
            end -= 1
        begin[i + 1] = end
    return found[:end], begin


@kernel
def _push(corners: Ints, start: int, end: int, y: int, x: int) -> int:
    """Put a pixel behind those of a side, from `start` on, that stay corners."""
    while end - start > 1:
        ay, ax = corners[end - 2, 0], corners[end - 2, 1]
        by, bx = corners[end - 1, 0], corners[end - 1, 1]
        if (by - ay) * (x - ax) > (bx - ax) * (y - ay):
            break
        end -= 1
    corners[end, 0] = y
    corners[end, 1] = x
    return end + 1


@kernel
def _same(corners: Ints, a: int, b: int) -> bool:
    return bool(corners[a, 0] == corners[b, 0] and corners[a, 1] == corners[b, 1])


@kernel
def _hull_pixels(corners: Ints, first: Ints) -> Ints:
    pixels = np.empty(first.size - 1, np.int64)
    for i in range(first.size - 1):
        mine = corners[first[i] : first[i + 1]]
        bottom = 0
        for k in range(mine.shape[0]):
            bottom = max(bottom, mine[k, 0])
        right = mine[-1, 1] if mine[-1, 0] == 0 else mine[0, 1]
        total = bottom + 1 + right - mine[0, 1]
        for k in range(mine.shape[0]):
            after = k + 1 if k + 1 < mine.shape[0] else 0
            ay, ax = mine[k, 0], mine[k, 1]
            by, bx = mine[after, 0], mine[after, 1]
            if by > ay:
                total -= _left_of(by - ay, ax, bx)
            elif by < ay:
                total -= _left_of(ay - by, -bx, -ax)
        pixels[i] = total
    return pixels


@kernel
def _left_of(rows: int, a: int, b: int) -> int:
    """Sum, over the rows below the first, of the first pixel on or right of a left side.

    The side goes from pixel centre a down to b. Half a pixel is added around it: a row begins on
    the side itself half a row above or below, or half a pixel to the left of it.
    """
    lean = abs(b - a) // (2 * rows)
    total = b - lean
    # A row begins whole + part / (2 rows) pixels left of a.
    whole, part = lean, max(rows, abs(b - a)) - 2 * rows * lean
    step = (b - a) // rows
    rest = 2 * ((b - a) - step * rows)
    for _ in range(rows - 1):
        whole -= step
        part -= rest
        if part < 0:
            part += 2 * rows
            whole -= 1
        total += a - whole
    return total
