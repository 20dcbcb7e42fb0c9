"""Feret diameters of each object in a plane: the least and the largest width.

In: `Objects`. Out: two lengths an object, from the corners of its convex hull by rotating calipers
(Shamos 1978); comparisons are in integers.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects
from voxelmill.kernels.measure_hull import hulls


def feret_diameters(objects: Objects) -> Floats:
    """Least and largest distance of two parallel lines that touch the pixel centres (one plane).

    Returns
    -------
    (n, 2) float64 array
        Minimum, maximum in pixels; the minimum is 0 where all centres lie on a line.
    """
    return _feret_diameters(*objects.once(hulls))


@kernel
def _feret_diameters(corners: Ints, first: Ints) -> Floats:
    found = np.empty((first.size - 1, 2))
    for i in range(first.size - 1):
        mine = corners[first[i] : first[i + 1]]
        n = mine.shape[0]
        least = np.inf if n > 2 else 0.0
        longest = 0
        far = n - 1 if n < 2 else 1
        for k in range(n):
            after = k + 1 if k + 1 < n else 0
            ay, ax = mine[k, 0], mine[k, 1]
            by, bx = mine[after, 0], mine[after, 1]
            while True:
                fy, fx = mine[far, 0], mine[far, 1]
                longest = max(longest, (fy - ay) ** 2 + (fx - ax) ** 2)
                after = far + 1 if far + 1 < n else 0
                gy, gx = mine[after, 0], mine[after, 1]
                if (by - ay) * (gx - fx) <= (bx - ax) * (gy - fy):
                    break
                far = after
            height = (by - ay) * (fx - ax) - (bx - ax) * (fy - ay)
            if n > 2:
                least = min(least, height / np.sqrt((by - ay) ** 2 + (bx - ax) ** 2))
        found[i, 0] = least
        found[i, 1] = np.sqrt(longest)
    return found
