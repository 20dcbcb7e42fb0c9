"""Zernike sums of each object over its smallest enclosing circle, weighted or not.

In: `Objects` of one plane, their circles and, if any, a value a pixel. Out: real and imaginary sums
of V_nm(r, φ) = R_nm(r) exp(i m φ), with y as the real axis (as in centrosome). V_nm is a polynomial
in y and x with integer coefficients. So the pixels are needed only for the sums of y^q x^p: those
of x^p come run by run, from a table of the object's columns; they are combined once an object.
"""

from collections import Counter
from math import comb, factorial

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects

DEGREE = 9
ORDERS: tuple[tuple[int, int], ...] = tuple(
    (n, m) for n in range(DEGREE + 1) for m in range(n % 2, n + 1, 2)
)
"""(n, m) of the columns of ``zernike_sums``: n ascending, m ascending."""

POWERS = DEGREE + 1
REAL, IMAGINARY = 0, 1


def zernike_sums(
    objects: Objects, circles: Floats, weights: Floats | None
) -> tuple[Floats, Floats]:
    """Sum Zernike polynomials over the pixels of each object (one plane).

    Each object is moved into the unit disc by its circle. No pixel is left out: those that define
    the circle lie on it.

    Parameters
    ----------
    objects : Objects
        Objects of one plane.
    circles : (n, 3) float64 array
        Centre along y and x from the bounding box's corner, and radius: ``enclosing_circles``.
    weights : (n_voxels,) float64 array or None
        Value of each pixel in the order of the objects' voxels, of ``measure_values.gather``; None
        counts each pixel as 1.

    Returns
    -------
    two (n, 30) float64 arrays
        Real and imaginary sums, columns in the order of ``ORDERS``, divided neither by an area nor
        by a number of pixels. NaN for objects with a circle of radius 0 or with a NaN among their
        weights. The rounding error is below 1e-13 times the sum of the absolute weights.
    """
    columns = int((objects.high - objects.low)[:, 2].max(initial=0)) + 1
    values = np.empty(0) if weights is None else weights
    sums = _sums(
        objects.runs,
        objects.first,
        objects.low,
        objects.high,
        circles,
        values,
        weights is not None,
        np.empty((columns, POWERS)),
        *TERMS,
    )
    return sums[:, REAL], sums[:, IMAGINARY]


def _terms() -> tuple[Ints, Floats]:
    """List the monomials of all polynomials: (part, column, q, p) and coefficient of y^q x^p."""
    places: list[tuple[int, int, int, int]] = []
    factors: list[int] = []
    for column, order in enumerate(ORDERS):
        found = _expand(*order)
        places += [(part, column, q, p) for part, q, p in sorted(found)]
        factors += [found[key] for key in sorted(found)]
    return np.array(places, np.int64), np.array(factors, np.float64)


def _expand(n: int, m: int) -> Counter[tuple[int, int, int]]:
    """Expand R_nm(r) exp(i m φ) = Σ_s c_s (y² + x²)^s (y + i x)^m."""
    found: Counter[tuple[int, int, int]] = Counter()
    for k in range((n - m) // 2 + 1):
        s = (n - m) // 2 - k
        radial = (-1) ** k * factorial(n - k)
        radial //= factorial(k) * factorial((n + m) // 2 - k) * factorial(s)
        for t in range(s + 1):
            for j in range(m + 1):
                sign = -1 if j % 4 > 1 else 1
                key = (j % 2, 2 * (s - t) + m - j, 2 * t + j)
                found[key] += sign * radial * comb(s, t) * comb(m, j)
    return Counter({key: factor for key, factor in found.items() if factor})


TERMS = _terms()


@kernel
def _sums(
    runs: Ints,
    first: Ints,
    low: Ints,
    high: Ints,
    circles: Floats,
    weights: Floats,
    weighted: bool,
    table: Floats,
    places: Ints,
    factors: Floats,
) -> Floats:
    n = first.size - 1
    out = np.zeros((n, 2, len(ORDERS)))
    moments = np.empty((POWERS, POWERS))
    at = 0
    for i in range(n):
        width = high[i, 2] - low[i, 2]
        pixels = 0
        for r in range(first[i], first[i + 1]):
            pixels += runs[r, 3] - runs[r, 2]
        moments[:] = 0 if circles[i, 2] > 0 else np.nan
        if circles[i, 2] > 0:
            mine = runs[first[i] : first[i + 1]]
            if weighted:
                _powers(table, width, circles[i, 1], circles[i, 2])
                _weigh(moments, mine, low[i], circles[i], table, weights[at : at + pixels])
            else:
                _prefix_sums(table, width, circles[i, 1], circles[i, 2])
                _count(moments, mine, low[i], circles[i], table)
        # Imaginary sums of m = 0 have no terms: they are 0, or NaN as the others.
        out[i] = np.nan if np.isnan(moments[0, 0]) else 0
        for t in range(factors.size):
            part, column, q, p = places[t]
            out[i, part, column] += factors[t] * moments[q, p]
        at += pixels
    return out


@kernel
def _powers(table: Floats, width: int, centre: float, radius: float) -> None:
    """Powers of each column's position in the unit disc."""
    for column in range(width):
        x = (column - centre) / radius
        power = 1.0
        for p in range(POWERS):
            table[column, p] = power
            power *= x


@kernel
def _prefix_sums(table: Floats, width: int, centre: float, radius: float) -> None:
    """Sums of those powers over all columns before each."""
    for p in range(POWERS):
        table[0, p] = 0.0
    for column in range(width):
        x = (column - centre) / radius
        power = 1.0
        for p in range(POWERS):
            table[column + 1, p] = table[column, p] + power
            power *= x


@kernel
def _count(moments: Floats, runs: Ints, corner: Ints, circle: Floats, table: Floats) -> None:
    line = np.empty(POWERS)
    for r in range(runs.shape[0]):
        y = (runs[r, 1] - corner[1] - circle[0]) / circle[2]
        a = runs[r, 2] - corner[2]
        b = runs[r, 3] - corner[2]
        for p in range(POWERS):
            line[p] = table[b, p] - table[a, p]
        _add(moments, line, y)


@kernel
def _weigh(
    moments: Floats, runs: Ints, corner: Ints, circle: Floats, table: Floats, weights: Floats
) -> None:
    line = np.empty(POWERS)
    at = 0
    for r in range(runs.shape[0]):
        y = (runs[r, 1] - corner[1] - circle[0]) / circle[2]
        line[:] = 0
        for x in range(runs[r, 2] - corner[2], runs[r, 3] - corner[2]):
            for p in range(POWERS):
                line[p] += weights[at] * table[x, p]
            at += 1
        _add(moments, line, y)


@kernel
def _add(moments: Floats, line: Floats, y: float) -> None:
    """Add a run's sums of x^p to those of y^q x^p."""
    power = 1.0
    for q in range(POWERS):
        for p in range(POWERS - q):
            moments[q, p] += power * line[p]
        power *= y
