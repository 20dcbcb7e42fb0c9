"""Values of each object: sums, extremes and centres of one channel, in raster order.

In: `Objects` and one channel's values listed object by object. Out: one row an object. Sums run in
raster order within an object and positions count from its bounding box, so nothing depends on
where it lies; in float64 the sums of integer images are exact (below 2**53).
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects
from voxelmill.plugin import Pixels

SUM, MEAN, STD, MIN, MAX = range(5)
"""Columns of ``statistics``."""


def voxels(objects: Objects) -> Ints:
    """List the voxels object by object, in raster order.

    Returns
    -------
    (n_voxels,) int64 array
        Index into the flattened array.
    """
    return _voxels(objects.runs, objects.shape, int(objects.sizes.sum()))


def gather(image: Pixels, flat: Ints) -> Floats:
    """Values of the listed voxels as float64 (exact up to 2**53)."""
    return image.reshape(-1)[flat].astype(np.float64)


def statistics(values: Floats, starts: Ints) -> Floats:
    """Sum, mean, standard deviation (population), minimum and maximum of each object.

    Returns
    -------
    (n, 5) float64 array
        NaN throughout where an object has a NaN or no voxels.
    """
    return _statistics(values, starts)


def centres(values: Floats, objects: Objects, known: Floats) -> tuple[Floats, Floats]:
    """Centre of mass and first brightest voxel, from the bounding box's corner.

    `known` is what ``statistics`` made of the same values.

    Returns
    -------
    two (n, 3) float64 arrays
        z, y, x; the first is NaN where the values sum to 0, both are where an object has a NaN.
    """
    return _centres(values, objects.runs, objects.first, objects.low, known)


@kernel
def _voxels(runs: Ints, shape: tuple[int, int, int], count: int) -> Ints:
    flat = np.empty(count, np.int64)
    at = 0
    for r in range(runs.shape[0]):
        row = (runs[r, 0] * shape[1] + runs[r, 1]) * shape[2]
        for x in range(runs[r, 2], runs[r, 3]):
            flat[at] = row + x
            at += 1
    return flat


@kernel
def _statistics(values: Floats, starts: Ints) -> Floats:
    out = np.empty((starts.size - 1, 5))
    for i in range(starts.size - 1):
        for column in range(5):
            out[i, column] = np.nan
        mine = values[starts[i] : starts[i + 1]]
        total = 0.0
        least = np.inf
        most = -np.inf
        for v in mine:
            total += v
            least = min(least, v)
            most = max(most, v)
        if mine.size == 0 or np.isnan(total):
            continue
        mean = total / mine.size
        spread = 0.0
        for v in mine:
            spread += (v - mean) * (v - mean)
        out[i, SUM] = total
        out[i, MEAN] = mean
        out[i, STD] = np.sqrt(spread / mine.size)
        out[i, MIN] = least
        out[i, MAX] = most
    return out


@kernel
def _centres(
    values: Floats, runs: Ints, first: Ints, low: Ints, known: Floats
) -> tuple[Floats, Floats]:
    n = first.size - 1
    mass = np.empty((n, 3))
    brightest = np.empty((n, 3))
    at = 0
    for i in range(n):
        for axis in range(3):
            mass[i, axis] = 0.0
            brightest[i, axis] = np.nan
        searching = True
        for r in range(first[i], first[i + 1]):
            z = runs[r, 0] - low[i, 0]
            y = runs[r, 1] - low[i, 1]
            row = 0.0
            along = 0.0
            for x in range(runs[r, 2] - low[i, 2], runs[r, 3] - low[i, 2]):
                v = values[at]
                row += v
                along += v * x
                if searching and v == known[i, MAX]:
                    searching = False
                    brightest[i, 0], brightest[i, 1], brightest[i, 2] = z, y, x
                at += 1
            mass[i, 0] += row * z
            mass[i, 1] += row * y
            mass[i, 2] += along
        total = known[i, SUM] if known[i, SUM] != 0 else np.nan
        for axis in range(3):
            mass[i, axis] /= total
    return mass, brightest
