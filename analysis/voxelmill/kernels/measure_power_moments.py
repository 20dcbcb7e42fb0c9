"""Moments of each object up to the third power of every axis, from its runs.

In: `Objects`. Out: sums of z^p y^q x^r, about the corner of the bounding box or about the centroid.
A run's sums of x^r are closed forms of integers, so time goes with the runs, not with the voxels.
Sums are float64: exact as long as they are below 2**53, else rounded run by run in raster order.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects

POWERS = 4


def raw_moments(objects: Objects) -> Floats:
    """Sum z^p y^q x^r over each object, counted from the bounding box's corner.

    Returns
    -------
    (n, d, 4, 4) float64 array
        Moments by p, q, r; d is 4, in a plane 1 (only p = 0).
    """
    return _moments(objects, np.zeros_like(objects.low))


def central_moments(objects: Objects, sums: Ints) -> Floats:
    """Sum (z - z̄)^p (y - ȳ)^q (x - x̄)^r over each object, without cancellation.

    The sums are taken about the integer nearest below the centroid and moved by the rest, which
    is less than 1 px. First moments are 0 by definition, not by rounding.

    Parameters
    ----------
    objects : Objects
        Objects.
    sums : (n, 9) int64 array
        Their ``measure_moments.power_sums``.

    Returns
    -------
    (n, d, 4, 4) float64 array
        Moments by p, q, r; d is 4, in a plane 1 (only p = 0). Rounding errors are below 1e-14 times
        the sum of the absolute values of what is summed.
    """
    place = sums[:, :3] // objects.sizes[:, None]
    rest = (sums[:, :3] - objects.sizes[:, None] * place) / objects.sizes[:, None]
    found = _moments(objects, place)
    _shift(found, rest)
    found[:, 0, 0, 1] = found[:, 0, 1, 0] = 0
    if not objects.planar:
        found[:, 1, 0, 0] = 0
    return found


def normalized_moments(central: Floats, axes: int) -> Floats:
    """Divide the moment of order k by size^(k / axes + 1), so that scale does not matter."""
    return _normalized(central, axes)


def _moments(objects: Objects, origin: Ints) -> Floats:
    depth = 1 if objects.planar else POWERS
    out = np.zeros((objects.ids.size, depth, POWERS, POWERS))
    _add_runs(objects.runs, objects.first, objects.low + origin, out)
    return out


@kernel
def _add_runs(runs: Ints, first: Ints, origin: Ints, out: Floats) -> None:
    line = np.empty(POWERS)
    for i in range(first.size - 1):
        for r in range(first[i], first[i + 1]):
            a = runs[r, 2] - origin[i, 2]
            b = runs[r, 3] - origin[i, 2]
            before, after = a * (a - 1) // 2, b * (b - 1) // 2
            line[0] = b - a
            line[1] = after - before
            line[2] = (after * (2 * b - 1) - before * (2 * a - 1)) // 3
            line[3] = after * after - before * before
            z, y = float(runs[r, 0] - origin[i, 0]), float(runs[r, 1] - origin[i, 1])
            depth_power = 1.0
            for p in range(out.shape[1]):
                power = depth_power
                for q in range(POWERS):
                    for s in range(POWERS):
                        out[i, p, q, s] += power * line[s]
                    power *= y
                depth_power *= z


@kernel
def _shift(moments: Floats, by: Floats) -> None:
    """Move the origin by less than a voxel, axis after axis: m'_k = Σ_j C(k, j) (-by)^(k-j) m_j."""
    depth = moments.shape[1]
    for i in range(moments.shape[0]):
        for p in range(depth):
            for q in range(POWERS):
                _shift_line(moments[i, p, q, :], by[i, 2])
            for r in range(POWERS):
                _shift_line(moments[i, p, :, r], by[i, 1])
        if depth > 1:
            for q in range(POWERS):
                for r in range(POWERS):
                    _shift_line(moments[i, :, q, r], by[i, 0])


@kernel
def _shift_line(m: Floats, by: float) -> None:
    m[3] += by * (-3 * m[2] + by * (3 * m[1] - by * m[0]))
    m[2] += by * (-2 * m[1] + by * m[0])
    m[1] -= by * m[0]


@kernel
def _normalized(central: Floats, axes: int) -> Floats:
    n, depth = central.shape[:2]
    out = np.empty_like(central)
    for i in range(n):
        size = central[i, 0, 0, 0]
        for p in range(depth):
            for q in range(POWERS):
                for r in range(POWERS):
                    out[i, p, q, r] = central[i, p, q, r] / size ** ((p + q + r) / axes + 1)
    return out
