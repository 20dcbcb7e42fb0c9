"""Moments of each object from its runs: exact integer sums, then central second moments.

In: `Objects`. Out: sums of the coordinates and their products, counted from the corner of the
object's bounding box, and the covariance of its voxels' positions.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects

PRODUCTS = {(0, 0): 3, (1, 1): 4, (2, 2): 5, (0, 1): 6, (0, 2): 7, (1, 2): 8}
"""Pair of axes → column of ``power_sums``."""


def power_sums(objects: Objects) -> Ints:
    """Sum coordinates and their products over each object.

    Returns
    -------
    (n, 9) int64 array
        Sums of z, y, x, zz, yy, xx, zy, zx, yx, counted from the bounding box's corner.
    """
    return _power_sums(objects.runs, objects.first, objects.low)


def centroids(sums: Ints, sizes: Ints) -> Floats:
    """Centroids (n, 3) along z, y, x from ``power_sums``, from the bounding box's corner."""
    centres: Floats = sums[:, :3] / sizes[:, None]
    return centres


def covariance(sums: Ints, sizes: Ints) -> Floats:
    """Second central moments (n, 3, 3) along z, y, x from ``power_sums``, without cancellation.

    The sums are first moved, exactly, to the integer nearest below the centroid.
    """
    out = np.empty((sizes.size, 3, 3))
    place = sums[:, :3] // sizes[:, None]
    rest = sums[:, :3] - sizes[:, None] * place
    for (i, j), column in PRODUCTS.items():
        exact = sums[:, column] - place[:, i] * sums[:, j] - place[:, j] * sums[:, i]
        exact += sizes * place[:, i] * place[:, j]
        moment = exact - rest[:, i].astype(np.float64) * rest[:, j] / sizes
        out[:, i, j] = out[:, j, i] = moment / sizes
    return out


@kernel
def _power_sums(runs: Ints, first: Ints, low: Ints) -> Ints:
    sums = np.zeros((first.size - 1, 9), np.int64)
    for i in range(first.size - 1):
        for r in range(first[i], first[i + 1]):
            z = runs[r, 0] - low[i, 0]
            y = runs[r, 1] - low[i, 1]
            a = runs[r, 2] - low[i, 2]
            b = runs[r, 3] - low[i, 2]
            n = b - a
            x = (a + b - 1) * n // 2
            sums[i, 0] += n * z
            sums[i, 1] += n * y
            sums[i, 2] += x
            sums[i, 3] += n * z * z
            sums[i, 4] += n * y * y
            sums[i, 5] += ((b - 1) * b * (2 * b - 1) - (a - 1) * a * (2 * a - 1)) // 6
            sums[i, 6] += n * z * y
            sums[i, 7] += z * x
            sums[i, 8] += y * x
    return sums
