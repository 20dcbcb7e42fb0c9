"""Smallest circle around each object's pixel centres, exact in integers.

In: `Objects` of one plane. Out: one circle an object. Only the corners of the convex hull matter.
The circle is found as by Chrystal (1885): from one through two neighbouring corners that holds all
the others, along ever smaller ones. All decisions are made on integers, so touching and co-circular
pixels never depend on rounding.
"""

import math
from typing import TypeAlias

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects
from voxelmill.kernels.measure_hull import hulls

Circle: TypeAlias = tuple[float, float, float]


def enclosing_circles(objects: Objects) -> Floats:
    """Find the smallest circle that holds the centres of all pixels of each object (one plane).

    Returns
    -------
    (n, 3) float64 array
        Centre along y and x, counted from the bounding box's corner, and radius, in pixels. The
        radius of a single pixel is 0. Its points are chosen exactly in objects below 8 000 px.
    """
    return _circles(*objects.once(hulls))


@kernel
def _circles(corners: Ints, first: Ints) -> Floats:
    circles = np.empty((first.size - 1, 3))
    for i in range(first.size - 1):
        circle = _smallest(corners[first[i] : first[i + 1]])
        circles[i, 0], circles[i, 1], circles[i, 2] = circle
    return circles


@kernel
def _smallest(hull: Ints) -> Circle:
    """Smallest circle around the corners of a convex polygon, given in order."""
    if hull.shape[0] == 1:
        return float(hull[0, 0]), float(hull[0, 1]), 0.0
    a, b = 0, 1
    # Each step passes a node of the farthest-point Voronoi tree; it has fewer than corners.
    for _ in range(hull.shape[0]):
        v, dot = _narrowest(hull, a, b)
        if dot <= 0:
            return _across(hull[a], hull[b])
        at_a = _dot(hull, a, b, v)
        at_b = _dot(hull, b, a, v)
        if at_a >= 0 and at_b >= 0:
            break
        if at_a < 0:
            a = v
        else:
            b = v
    return _through(hull[a], hull[b], hull[v])


@kernel
def _dot(hull: Ints, at: int, p: int, q: int) -> int:
    py, px = hull[p, 0] - hull[at, 0], hull[p, 1] - hull[at, 1]
    qy, qx = hull[q, 0] - hull[at, 0], hull[q, 1] - hull[at, 1]
    return int(py * qy + px * qx)


@kernel
def _narrowest(hull: Ints, a: int, b: int) -> tuple[int, int]:
    """Corner that sees the side a, b under the smallest angle, and that angle's dot product."""
    best, best_dot, best_cross = -1, -1, 1
    for v in range(hull.shape[0]):
        if v in (a, b):
            continue
        ay, ax = hull[a, 0] - hull[v, 0], hull[a, 1] - hull[v, 1]
        by, bx = hull[b, 0] - hull[v, 0], hull[b, 1] - hull[v, 1]
        dot = ay * by + ax * bx
        cross = abs(ay * bx - ax * by)
        if best < 0 or float(dot) * best_cross > float(best_dot) * cross:
            best, best_dot, best_cross = v, dot, cross
    return best, best_dot


@kernel
def _across(p: Ints, q: Ints) -> Circle:
    y, x = q[0] - p[0], q[1] - p[1]
    return (p[0] + q[0]) / 2, (p[1] + q[1]) / 2, math.sqrt(y * y + x * x) / 2


@kernel
def _through(p: Ints, q: Ints, v: Ints) -> Circle:
    """Circle through three points; its centre is a quotient of integers, rounded once."""
    qy, qx = q[0] - p[0], q[1] - p[1]
    vy, vx = v[0] - p[0], v[1] - p[1]
    twice = 2 * (qx * vy - qy * vx)
    qq, vv = qy * qy + qx * qx, vy * vy + vx * vx
    y, x = qx * vv - vx * qq, vy * qq - qy * vv
    radius = math.sqrt(float(y) * y + float(x) * x) / abs(twice)
    return (p[0] * twice + y) / twice, (p[1] * twice + x) / twice, radius
