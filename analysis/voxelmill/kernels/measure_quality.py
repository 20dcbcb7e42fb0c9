"""Image-quality kernels: one plane in, a few numbers out, summed in a fixed order.

In: pixels of one channel. Out: the variogram, the noise level, block means and grey-level counts
that the QC metrics are made of. Sums are float64 in raster order: exact for integer images below
2**53, and never dependent on threads or vector width.
"""

import math

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.plugin import Array, Pixels


def middle_plane(image: Pixels) -> Floats:
    """Plane of a (z, y, x) array on which planar metrics judge it: the middle one, as float64."""
    return np.ascontiguousarray(image[image.shape[0] // 2], dtype=np.float64)


def grey_levels(image: Pixels) -> tuple[Array, Ints]:
    """Values that occur in an image, ascending, and how often; NaN is left out.

    Returns
    -------
    (n_values,) array
        Grey levels.
    (n_values,) int64 array
        Number of voxels at each.
    """
    if image.dtype in (np.uint8, np.uint16):
        counts = np.bincount(image.reshape(-1))
        values = np.flatnonzero(counts)
        return values, counts[values]
    known = image[np.isfinite(image)] if image.dtype.kind == "f" else image
    return np.unique(known, return_counts=True)


def percentile(values: Array, counts: Ints, percent: float) -> float:
    """Smallest grey level that at least `percent` of the voxels do not exceed."""
    reached = np.cumsum(counts)
    return float(values[np.searchsorted(reached, reached[-1] * percent / 100)])


def variogram(plane: Floats, lag: int) -> float:
    """Compute half the mean squared difference of pixels `lag` apart, along y and x.

    White noise adds the same to every lag, so the difference of two lags is free of it.
    NaN where the plane is not larger than the lag.
    """
    if min(plane.shape) <= lag:
        return math.nan
    return _variogram(plane, lag)


def noise_map(plane: Floats) -> Floats:
    """Estimate white noise pixel by pixel (Immerkær 1996, doi:10.1006/cviu.1996.0060).

    The mean over an area estimates the noise's standard deviation there. Constant and linear
    structure is ignored; sharp structure raises the estimate somewhat.

    Returns
    -------
    (y - 2, x - 2) float64 array
        The plane without its outermost pixels.
    """
    noise: Floats = math.sqrt(math.pi / 2) / 6 * _roughness(plane)
    return noise


def block_means(plane: Floats, size: int) -> Floats:
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
def _variogram(plane: Floats, lag: int) -> float:
    height, width = plane.shape
    along = 0.0
    across = 0.0
    for y in range(height):
        for x in range(width - lag):
            step = plane[y, x + lag] - plane[y, x]
            along += step * step
    for y in range(height - lag):
        for x in range(width):
            step = plane[y + lag, x] - plane[y, x]
            across += step * step
    return float(along / (4 * height * (width - lag)) + across / (4 * (height - lag) * width))


@kernel
def _roughness(plane: Floats) -> Floats:
    height, width = plane.shape
    out = np.empty((height - 2, width - 2))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            corners = plane[y - 1, x - 1] + plane[y - 1, x + 1]
            corners += plane[y + 1, x - 1] + plane[y + 1, x + 1]
            sides = plane[y - 1, x] + plane[y + 1, x] + plane[y, x - 1] + plane[y, x + 1]
            out[y - 1, x - 1] = abs(corners - 2 * sides + 4 * plane[y, x])
    return out


@kernel
def _block_sums(plane: Floats, size: int) -> Floats:
    sums = np.zeros((plane.shape[0] // size, plane.shape[1] // size))
    for y in range(sums.shape[0] * size):
        for x in range(sums.shape[1] * size):
            sums[y // size, x // size] += plane[y, x]
    return sums
