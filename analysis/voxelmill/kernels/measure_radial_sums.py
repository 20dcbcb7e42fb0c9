"""How a channel's light is spread over the rings and wedges of each object.

In: one channel's values and the sector of each pixel, both listed object by object. Out: one row an
object and ring. Sums run in raster order within a wedge, wedges in their order within a ring.
"""

import math

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_radial import WEDGES, Sectors

EPSILON = float(np.finfo(np.float64).eps)

MEASURES = ("FracAtD", "MeanFrac", "RadialCV")
"""Last axis of ``ring_shares``."""


def ring_shares(values: Floats, sectors: Sectors, starts: Ints, rings: int) -> Floats:
    """Measure the rings of each object in one channel.

    Parameters
    ----------
    values : (n_voxels,) float64 array
        Of ``measure_values.gather``.
    sectors : (n_voxels,) uint16 array
        Of ``measure_radial.sectors``.
    starts : (n + 1,) int64 array
        Offsets of the objects in both.
    rings : int
        Number of rings.

    Returns
    -------
    (n, rings, 3) float64 array
        Share of the object's sum in the ring; that share over the ring's share of the pixels;
        standard deviation of the means of the ring's wedges over their mean. NaN throughout where
        an object has a NaN.
    """
    return _ring_shares(values, sectors, starts, rings)


@kernel
def _ring_shares(values: Floats, sectors: Sectors, starts: Ints, rings: int) -> Floats:
    n = starts.size - 1
    out = np.full((n, rings, 3), np.nan)
    sums = np.empty(WEDGES * rings + 1)
    counts = np.empty(WEDGES * rings + 1, np.int64)
    for i in range(n):
        sums[:] = 0.0
        counts[:] = 0
        for k in range(starts[i], starts[i + 1]):
            sums[sectors[k]] += values[k]
            counts[sectors[k]] += 1
        total = 0.0
        pixels = starts[i + 1] - starts[i] - counts[-1]
        for s in range(WEDGES * rings):
            total += sums[s]
        if math.isnan(total + sums[-1]):
            continue
        for ring in range(rings):
            mine = slice(WEDGES * ring, WEDGES * (ring + 1))
            _ring(sums[mine], counts[mine], total, pixels, out[i, ring])
    return out


@kernel
def _ring(sums: Floats, counts: Ints, total: float, pixels: int, out: Floats) -> None:
    light, size, used, mean = 0.0, 0, 0, 0.0
    for w in range(WEDGES):
        if counts[w] > 0:
            light += sums[w]
            size += counts[w]
            used += 1
            mean += sums[w] / counts[w]
    if total != 0:
        out[0] = light / total
        out[1] = out[0] / (size / pixels + EPSILON)
    if used == 0:
        out[2] = 0.0
        return
    mean /= used
    square = 0.0
    for w in range(WEDGES):
        if counts[w] > 0:
            step = sums[w] / counts[w] - mean
            square += step * step
    if mean != 0:
        out[2] = math.sqrt(square / used) / mean
    elif square == 0:
        out[2] = 0.0
