"""Radii of each object in a plane: how far its pixels are from the nearest one outside.

In: `Objects`. Out: three lengths an object. Exact Euclidean distances to the background of the
object alone, as if it went on all around its box: first along the rows, then the best row for each
pixel, the nearest first (Saito & Toriwaki 1994), for many pixels at once. Squared distances are
integers and are counted, so that means and medians follow from a histogram.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects

Squares: TypeAlias = NDArray[np.signedinteger]

BAND = 64
"""Columns that are treated one after the other: their squares stay in the cache."""
CHUNK = 2048
"""Pixels that are treated together, whole rows of a band."""


def radii(objects: Objects) -> Floats:
    """Maximum, mean and median distance of each object's pixels to the background (one plane).

    Returns
    -------
    (n, 3) float64 array
        Maximum, mean, median in pixels.
    """
    extent = (objects.high - objects.low)[:, 1:]
    deepest = (int(extent.min(axis=1).max(initial=0)) + 1) // 2
    # Squares of small whole numbers: more of them fit into a register.
    dtype = next(d for d in (np.int16, np.int32, np.int64) if 2 * deepest**2 <= np.iinfo(d).max)
    return _radii(
        objects.runs,
        objects.first,
        objects.low[:, 1:],
        extent,
        np.empty(int((extent[:, 0].max(initial=0) + 2) * BAND), dtype),
        np.empty(CHUNK, dtype),
        np.zeros(deepest**2 + 1, np.int64),
    )


@kernel
def _radii(
    runs: Ints,
    first: Ints,
    low: Ints,
    extent: Ints,
    squares: Squares,
    best: Squares,
    counts: Ints,
) -> Floats:
    found = np.empty((first.size - 1, 3))
    for i in range(first.size - 1):
        tall, wide = extent[i, 0], extent[i, 1]
        mine = runs[first[i] : first[i + 1]]
        cap = (min(tall, wide) + 1) // 2
        most = 0
        for left in range(0, wide, BAND):
            band = min(BAND, wide - left)
            squares[: (tall + 2) * band] = 0
            _along_rows(mine, low[i, 0] - 1, low[i, 1] + left, band, cap, squares)
            r = 0
            step = CHUNK // band
            for top in range(1, tall + 1, step):
                bottom = min(top + step, tall + 1)
                _across_rows(squares, best, top, bottom, tall, band)
                while r < mine.shape[0] and mine[r, 1] - low[i, 0] + 1 < bottom:
                    row = (mine[r, 1] - low[i, 0] + 1 - top) * band
                    most = max(most, _count(best, row, band, mine[r], low[i, 1] + left, counts))
                    r += 1
        found[i, 0], found[i, 1], found[i, 2] = _summary(counts[: most + 1])
    return found


@kernel
def _along_rows(mine: Ints, above: int, left: int, band: int, cap: int, squares: Squares) -> None:
    """Squared distance along x in the band that begins at column `left`, below row `above`."""
    narrow = squares.dtype.type
    for r in range(mine.shape[0]):
        begin, end = mine[r, 2] - left, mine[r, 3] - left
        row = (mine[r, 1] - above) * band
        for x in range(max(0, begin), min(band, end)):
            near = min(min(x + 1 - begin, end - x), cap)
            squares[row + x] = narrow(near * near)


@kernel
def _across_rows(
    squares: Squares, best: Squares, top: int, bottom: int, tall: int, wide: int
) -> None:
    """Best over the rows around for the rows from `top` to `bottom`; those k away come k-th."""
    for j in range((bottom - top) * wide):
        best[j] = squares[top * wide + j]
    k, largest = 1, 2
    while k * k < largest:
        # Rows that are nearer to the margin cannot be deeper.
        begin, end = max(top, k), min(bottom, tall + 2 - k)
        if begin >= end:
            return
        largest = _lower(
            best[(begin - top) * wide : (end - top) * wide],
            squares[(begin - k) * wide : (end - k) * wide],
            squares[(begin + k) * wide : (end + k) * wide],
            k,
        )
        k += 1


@kernel
def _lower(best: Squares, above: Squares, below: Squares, k: int) -> int:
    """Offer the rows `k` away; return the largest square that is left."""
    narrow = best.dtype.type  # sums are narrowed at once, so the loop works on short vectors
    square = narrow(k * k)
    largest = narrow(0)
    for j in range(best.size):
        best[j] = min(best[j], narrow(min(above[j], below[j]) + square))
        largest = max(largest, best[j])
    return int(largest)


@kernel
def _count(best: Squares, row: int, band: int, run: Ints, left: int, counts: Ints) -> int:
    """Count the squares of a run's pixels in the band; return the largest."""
    most = 0
    begin, end = max(0, run[2] - left), min(band, run[3] - left)
    for square in best[row + begin : row + max(begin, end)]:
        counts[square] += 1
        most = max(most, int(square))
    return most


@kernel
def _summary(counts: Ints) -> tuple[float, float, float]:
    """Maximum, mean and median of the roots of what was counted, which is forgotten."""
    pixels = 0
    for many in counts:
        pixels += many
    total = 0.0
    below = 0
    lower = upper = 0.0
    for square in range(counts.size):
        many = counts[square]
        if many == 0:
            continue
        counts[square] = 0
        root = np.sqrt(square)
        total += many * root
        if below <= (pixels - 1) // 2:
            lower = root
        if below <= pixels // 2:
            upper = root
        below += many
    return np.sqrt(counts.size - 1), total / pixels, (lower + upper) / 2
