"""Image-quality kernels: one plane in, a few numbers out, summed in a fixed order.

In: pixels of one channel. Out: the variogram, the noise level, block means and grey-level counts
that the QC metrics are made of. Sums are float64 down each column, then along the row of them:
exact for integer images below 2**53, and never dependent on threads or vector width.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.histogram import histogram
from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.plugin import Array, Pixels

Plane: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | Floats
COUNTED = (np.uint8, np.uint16)
"""Types whose values are few enough to count each."""
IMMERKAER = math.sqrt(math.pi / 2) / 6
ROUNDING = 1 / math.sqrt(12)
"""Standard deviation of rounding to whole grey values: noise of an integer image is no less."""


def middle_plane(image: Pixels) -> Plane:
    """Plane of a (z, y, x) array on which planar metrics judge it: the middle one.

    Returns
    -------
    (y, x) array
        uint8 and uint16 as they are, else float64.
    """
    kept = image.dtype in COUNTED
    return np.ascontiguousarray(image[image.shape[0] // 2], image.dtype if kept else np.float64)


def grey_levels(image: Pixels) -> tuple[Array, Ints]:
    """Values that occur in an image, ascending, and how often; NaN is left out.

    Returns
    -------
    (n_values,) array
        Grey levels.
    (n_values,) int64 array
        Number of voxels at each.
    """
    if image.dtype in COUNTED:
        return histogram(image)
    known = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    return np.unique(known, return_counts=True)


def percentile(values: Array, counts: Ints, percent: float) -> float:
    """Smallest grey level that at least `percent` of the voxels do not exceed."""
    reached = np.cumsum(counts)
    return float(values[np.searchsorted(reached, reached[-1] * percent / 100)])


def at_rank(tile: Plane, rank: int) -> float:
    """Value at `rank` (0 = the smallest) of the sorted values of a tile."""
    if tile.dtype in COUNTED:
        return float(histogram(tile).at(np.array([rank]))[0])
    return float(np.partition(tile.reshape(-1), rank)[rank])


def variogram(plane: Plane, lag: int) -> float:
    """Compute half the mean squared difference of pixels `lag` apart, along y and x.

    White noise adds the same to every lag, so the difference of two lags is free of it.
    NaN where the plane is not larger than the lag.
    """
    height, width = plane.shape
    if min(height, width) <= lag:
        return math.nan
    along, across = _squared_steps(plane, lag)
    return float(along / (4 * height * (width - lag)) + across / (4 * (height - lag) * width))


def noise_means(plane: Plane, size: int) -> tuple[float, Floats]:
    """Estimate white noise (Immerkær 1996, doi:10.1006/cviu.1996.0060).

    The mean over an area estimates the noise's standard deviation there. Constant and linear
    structure is ignored; sharp structure raises the estimate somewhat.

    Returns
    -------
    float
        Mean over the plane without its outermost pixels.
    (n_y, n_x) float64 array
        Means of its `size` x `size` blocks; the rest at the far sides is left out.
    """
    inside = (plane.shape[0] - 2) * (plane.shape[1] - 2)
    total, sums = _roughness(plane, size)
    return IMMERKAER * total / inside, IMMERKAER * sums / (size * size)


def block_means(plane: Plane, size: int) -> Floats:
    """Means of the `size` x `size` blocks of a plane; the rest at the far sides is left out."""
    means: Floats = _block_sums(plane, size) / (size * size)
    return means


def block_contrast(means: Floats) -> NDArray[np.float64]:
    """Second differences of block means along y and x, which slow backgrounds leave near 0.

    Returns
    -------
    two stacked (n_y - 2, n_x - 2) arrays
        Standard deviation sqrt(6) times that of a block mean where there is only noise.
    """
    inner = 2 * means[1:-1, 1:-1]
    return np.stack(
        [
            means[:-2, 1:-1] + means[2:, 1:-1] - inner,
            means[1:-1, :-2] + means[1:-1, 2:] - inner,
        ]
    )


@kernel
def _squared_steps(plane: Plane, lag: int) -> tuple[float, float]:
    """Sums of squared differences of pixels `lag` apart along x and along y."""
    height, width = plane.shape
    along = np.zeros(width)
    across = np.zeros(width)
    for y in range(height):
        row = plane[y]
        for x in range(width - lag):
            step = np.float64(row[x + lag]) - np.float64(row[x])
            along[x] += step * step
        if y + lag < height:
            below = plane[y + lag]
            for x in range(width):
                step = np.float64(below[x]) - np.float64(row[x])
                across[x] += step * step
    return _sum(along), _sum(across)


@kernel
def _roughness(plane: Plane, size: int) -> tuple[float, Floats]:
    """Sum of Immerkær's differences over the inner pixels, and over their blocks."""
    height, width = plane.shape[0] - 2, plane.shape[1] - 2
    sums = np.zeros((height // size, width // size))
    columns = np.zeros(width)
    total = 0.0
    for y in range(height):
        above, row, below = plane[y], plane[y + 1], plane[y + 2]
        for x in range(width):
            corners = np.float64(above[x]) + above[x + 2] + below[x] + below[x + 2]
            sides = np.float64(above[x + 1]) + below[x + 1] + row[x] + row[x + 2]
            columns[x] += abs(corners - 2 * sides + 4 * np.float64(row[x + 1]))
        if (y + 1) % size == 0:
            _add_blocks(columns, size, sums[y // size])
        if (y + 1) % size == 0 or y == height - 1:
            total += _sum(columns)
            columns[:] = 0
    return total, sums


@kernel
def _block_sums(plane: Plane, size: int) -> Floats:
    sums = np.zeros((plane.shape[0] // size, plane.shape[1] // size))
    columns = np.zeros(plane.shape[1])
    for block in range(sums.shape[0]):
        columns[:] = 0
        for y in range(block * size, (block + 1) * size):
            row = plane[y]
            for x in range(columns.size):
                columns[x] += row[x]
        _add_blocks(columns, size, sums[block])
    return sums


@kernel
def _add_blocks(columns: Floats, size: int, sums: Floats) -> None:
    """Add every `size` columns to one of `sums`."""
    for block in range(sums.size):
        for x in range(block * size, (block + 1) * size):
            sums[block] += columns[x]


@kernel
def _sum(values: Floats) -> float:
    """Sum in order; numpy's own depends on the vector width."""
    total = 0.0
    for value in values:
        total += value
    return total
