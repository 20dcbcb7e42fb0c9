"""Robust statistics that several metrics share: medians, spreads, median polish.

Medians, differences and quotients are exact in any order and on any processor; sums are made by
``math.fsum``.
"""

import math
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
TENTHS = 2 * NormalDist().inv_cdf(0.9)
"""Range of the middle 80 % of a normal distribution in standard deviations."""
POLISH_ROUNDS = 10


def known(values: Floats) -> Floats:
    """Values that are finite."""
    return values[np.isfinite(values)]


def median(values: Floats) -> float:
    """Median of the finite values; NaN without any."""
    finite = known(values)
    return float(np.median(finite)) if finite.size else math.nan


def spread(values: Floats) -> float:
    """Median absolute deviation, scaled to a standard deviation; NaN without values."""
    return NORMAL * median(np.abs(values - median(values)))


def wide_spread(values: Floats) -> float:
    """The larger of `spread` and the scaled range from the 10th to the 90th percentile.

    Of normal values both are the standard deviation. The second also sees a second population of
    more than a tenth of the values, which is then nobody's outlier, and coarse grey values.
    """
    finite = known(values)
    if not finite.size:
        return math.nan
    low, high = np.quantile(finite, (0.1, 0.9))
    return max(spread(finite), float(high - low) / TENTHS)


def mean(values: Floats) -> float:
    """Mean of the values, exactly rounded."""
    return math.fsum(values.tolist()) / values.size


def deviation(values: Floats) -> float:
    """Sample standard deviation (n - 1)."""
    middle = mean(values)
    return math.sqrt(math.fsum(((values - middle) ** 2).tolist()) / (values.size - 1))


def ratios(values: Floats, middle: Floats | float) -> Floats:
    """How many times a value is larger or smaller than `middle`, at least 1.

    The logarithm of it is the absolute deviation of logarithms, with the same order.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = values / middle
        found: Floats = np.where(quotient < 1, middle / values, quotient)
    found[~(quotient >= 0)] = np.nan
    return found


def ratio_limit(found: Floats, deviations: float) -> float:
    """Ratio that is so many robust standard deviations of the logarithm away; NaN if unknown."""
    middle = median(found)
    return math.nan if math.isnan(middle) else middle ** (NORMAL * deviations)


def two_sided(false_alarms: float) -> float:
    """Standard deviations that a normal value exceeds, on either side, with this probability."""
    return NormalDist().inv_cdf(1 - false_alarms / 2)


def chi_square(freedom: int, false_alarms: float) -> float:
    """Value that a chi-square variable exceeds with this probability."""
    from scipy import special  # most steps start without it

    return float(special.chdtri(freedom, false_alarms))


def ranks(values: Floats) -> Floats:
    """Ranks from 1, the mean one for equal values."""
    _, which, number = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(number)
    found: Floats = (last - (number - 1) / 2)[which]
    return found


def differ(values: Floats, group: NDArray[np.int64], false_alarms: float) -> bool:
    """Whether groups differ in rank (Kruskal & Wallis 1952, corrected for ties).

    Parameters
    ----------
    values : (n,) array
        Finite.
    group : (n,) int64 array
        Group of each value, from 0.
    false_alarms : float
        Probability to say so of groups that do not differ.
    """
    n = values.size
    centred = ranks(values) - (n + 1) / 2
    total = float((centred**2).sum())  # Sums of halves and quarters: exact in any order.
    sizes = np.bincount(group)
    here = sizes > 0
    if total == 0 or here.sum() < 2:
        return False
    sums = np.bincount(group, weights=centred)[here]
    between = math.fsum((sums**2 / sizes[here]).tolist())
    return (n - 1) * between / total > chi_square(int(here.sum()) - 1, false_alarms)


def polish(grid: Floats) -> tuple[float, Floats, Floats, Floats]:
    """Median polish (Tukey 1977): overall value, row effects, column effects, residuals.

    Parameters
    ----------
    grid : (rows, columns) array
        NaN where there is no well; a row or column without any has the effect NaN.
    """
    left = grid.astype(np.float64)
    rows, columns = np.zeros(grid.shape[0]), np.zeros(grid.shape[1])
    for _ in range(POLISH_ROUNDS):
        for axis, effects in ((1, rows), (0, columns)):
            found = medians(left, axis)
            left = left - np.expand_dims(found, axis)
            effects += found
    overall = median(rows) + median(columns)
    return overall, rows - median(rows), columns - median(columns), left


def medians(grid: Floats, axis: int) -> Floats:
    """Medians along an axis, NaN left out; NaN where there is nothing else."""
    lines = grid if axis == 1 else grid.T
    return np.array([median(line) for line in lines])
