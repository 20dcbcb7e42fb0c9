"""Phases of complex moments, one at a time.

In: real and imaginary parts. Out: angles. NumPy's own arctangent may differ in the last bit with a
value's place in the array.
"""

import math

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats


def phases(real: Floats, imaginary: Floats) -> Floats:
    """Angle of each moment, from the imaginary axis towards the real one, as CellProfiler.

    Parameters
    ----------
    real, imaginary : (n, k) float64 arrays
        Parts of the moments.

    Returns
    -------
    (n, k) float64 array
        -π … π; 0 where both parts are 0, NaN where one is NaN.
    """
    return _phases(real, imaginary)


@kernel
def _phases(real: Floats, imaginary: Floats) -> Floats:
    out = np.empty(real.shape)
    for i in range(real.shape[0]):
        for k in range(real.shape[1]):
            out[i, k] = math.atan2(real[i, k], imaginary[i, k])
    return out
