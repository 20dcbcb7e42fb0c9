"""Means and deviations in the cells of a grid laid over one plane.

In: one plane and the size of a cell. Out: one number a cell, summed down each column, then along
the row: the same for any vector width.
"""

from typing import NamedTuple

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_quality import Plane


class Cells(NamedTuple):
    """What is measured of each cell, (n_y, n_x) arrays."""

    pixels: Floats
    """Number of pixels."""
    means: Floats
    squares: Floats
    """Sum of squared differences from the cell's mean."""


def cells(plane: Plane, size: int) -> Cells:
    """Measure the cells of a plane, all of nearly the same size, `size` or less along y and x."""
    tops, lefts = (_edges(n, size) for n in plane.shape)
    means, squares = _cells(plane, tops, lefts)
    pixels = np.diff(tops)[:, None] * np.diff(lefts)
    return Cells(pixels.astype(np.float64), means, squares)


def _edges(length: int, size: int) -> Ints:
    """First pixel of each cell, and one past the last: pixel i is in cell ``i * count // length``.

    As CellProfiler divides an image: as few cells as are no larger than `size`.
    """
    count = -(-length // size)
    return -(-np.arange(count + 1) * length // count)


@kernel
def _cells(plane: Plane, tops: Ints, lefts: Ints) -> tuple[Floats, Floats]:
    rows, width = tops.size - 1, plane.shape[1]
    means = np.zeros((rows, lefts.size - 1))
    squares = np.zeros(means.shape)
    columns, level = np.zeros(width), np.zeros(width)
    for i in range(rows):
        columns[:] = 0
        for y in range(tops[i], tops[i + 1]):
            row = plane[y]
            for x in range(width):
                columns[x] += row[x]
        for j in range(lefts.size - 1):
            for x in range(lefts[j], lefts[j + 1]):
                means[i, j] += columns[x]
            means[i, j] /= (tops[i + 1] - tops[i]) * (lefts[j + 1] - lefts[j])
            level[lefts[j] : lefts[j + 1]] = means[i, j]
        columns[:] = 0
        for y in range(tops[i], tops[i + 1]):
            row = plane[y]
            for x in range(width):
                step = row[x] - level[x]
                columns[x] += step * step
        for j in range(lefts.size - 1):
            for x in range(lefts[j], lefts[j + 1]):
                squares[i, j] += columns[x]
    return means, squares
