"""The typical width of the objects in a mask, touching or not: for the scale of an image.

In: mask and intensity of an overview. Out: one number.
"""

import numpy as np

from voxelmill.kernels.distance import STEPS, distance
from voxelmill.kernels.runs import runs
from voxelmill.kernels.smooth import smooth
from voxelmill.kernels.watershed import find_basins
from voxelmill.plugin import Array

SHARE = 0.9
"""Twice the peak of the distance map over the diameter of a disc of equal area, for nuclei."""
SATURATED = 0.9
"""Share of the largest diameter beyond which a width is the cap's, not an object's."""
FEWEST = 4.0
"""Objects less than this many voxels wide cannot be measured."""


def typical_diameter(mask: Array, step: tuple[float, float, float], largest: float) -> float:
    """Median over the foreground of the width of the part a voxel lies in.

    Parameters
    ----------
    mask : (z, y, x) bool or uint8 array
        Foreground = 1.
    step : tuple of float
        Voxel size along z, y, x in voxels along x.
    largest : float
        Largest diameter of interest.

    Returns
    -------
    float
        Diameter of the disc or ball, in voxels along x; 0 where it cannot be measured.
    """
    if not mask.any():
        return 0.0
    inside = runs(mask)
    deep = 1.0 / step[0] if step[0] < 1 / 0.3 else 0.0
    depth = smooth(distance(inside, mask.shape, step, largest / 2), (deep, 1.0, 1.0))
    basins = find_basins(depth, inside, depth)
    order = np.argsort(basins.top[1:], kind="stable")
    mass = np.cumsum(basins.sums[1:, 0][order])
    middle = int(np.searchsorted(mass, mass[-1] / 2))
    width = 2 * float(basins.top[1:][order][middle]) / STEPS
    # At the cap of the distance map everything runs together (tissue): no object was measured.
    return width / SHARE if FEWEST <= width < SATURATED * largest else 0.0
