"""Quantiles of an object's values: quartiles, median and median absolute deviation.

In: the values of one object. Out: four numbers, by linear interpolation between order statistics as
``numpy.percentile``. Values are counted where that is cheaper than sorting them; both ways end in
the same bits.
"""

from typing import TypeAlias

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_sort import (
    SIGN,
    Counts,
    Keys,
    count,
    countable,
    longest,
    radix_sort,
    sort_keys,
)
from voxelmill.kernels.measure_values import MAX, MIN

Scratch: TypeAlias = tuple[Counts, Keys, Keys, Floats]


@kernel
def scratch(starts: Ints) -> Scratch:
    """Memory for ``quantiles`` of any of the objects with these offsets."""
    size = longest(starts)
    counts = np.zeros(countable(size), np.int32)
    return counts, np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size)


@kernel
def quantiles(mine: Floats, known: Floats, whole: bool, room: Scratch, out: Floats) -> None:
    """Fill in lower quartile, median, upper quartile and median absolute deviation.

    Parameters
    ----------
    mine : (n,) float64 array
        Values of one object, none of them NaN.
    known : (5,) float64 array
        What ``read`` made of them.
    whole : bool
        Whether they are known to be whole numbers.
    room : Scratch
        What ``scratch`` made.
    out : (4,) float64 array
        Takes the numbers.
    """
    counts, keys, spare, ordered = room
    size = mine.size
    if count(mine, known[MIN], known[MAX], whole, counts):
        used = counts[: np.int64(known[MAX] - known[MIN]) + 1]
        _walk(used, size, known[MIN], out)
        used[:] = 0
        return
    ordered = ordered[:size]
    _sort(mine, known[MIN], known[MAX], keys[:size], spare[:size], ordered)
    for q in range(3):
        out[q] = _interpolate(ordered, 0.25 * (q + 1))
    out[3] = _median_deviation(ordered, out[1])


@kernel
def _walk(counts: Counts, size: int, least: float, out: Floats) -> None:
    """Quantiles of counted values."""
    at = 0
    seen = counts[0]
    for q in range(3):
        place = (size - 1) * (0.25 * (q + 1))
        while seen <= int(place):
            at += 1
            seen += counts[at]
        after = at
        if seen <= min(int(place) + 1, size - 1):
            after += 1
            while counts[after] == 0:
                after += 1
        part = place - int(place)
        out[q] = (at + least) * (1.0 - part) + (after + least) * part
    out[3] = _walk_outward(counts, size, out[1] - least)


@kernel
def _walk_outward(counts: Counts, size: int, median: float) -> float:
    """Median distance from `median`, which is a place or half way between two."""
    below = int(median)
    above = below + 1
    far = -0.5
    seen = 0
    if below == median:
        far = 0.0
        seen = counts[below]
        below -= 1
    place = (size - 1) * 0.5
    found = 0.0
    for last in range(2):
        rank = min(int(place) + last, size - 1)
        while seen <= rank:
            far += 1.0
            if below >= 0:
                seen += counts[below]
            if above < counts.size:
                seen += counts[above]
            below -= 1
            above += 1
        part = place - int(place)
        found += far * (part if last else 1.0 - part)
    return found


@kernel
def _interpolate(ordered: Floats, fraction: float) -> float:
    place = (ordered.size - 1) * fraction
    low = int(place)
    high = min(low + 1, ordered.size - 1)
    part = place - low
    return float(ordered[low] * (1.0 - part) + ordered[high] * part)


@kernel
def _median_deviation(ordered: Floats, median: float) -> float:
    """Median distance from `median`; below and above it the distances are sorted lists."""
    middle = int(np.searchsorted(ordered, median))
    place = (ordered.size - 1) * 0.5
    low = _deviation(ordered, median, middle, int(place))
    high = _deviation(ordered, median, middle, min(int(place) + 1, ordered.size - 1))
    part = place - int(place)
    return low * (1.0 - part) + high * part


@kernel
def _deviation(ordered: Floats, median: float, middle: int, rank: int) -> float:
    """Distance number `rank` from `median`, by bisecting how many of the smaller ones lie below."""
    low = max(0, rank + 1 - (ordered.size - middle))
    high = min(rank + 1, middle)
    while low < high:
        below = (low + high) // 2
        if median - ordered[middle - 1 - below] < ordered[middle + rank - below] - median:
            low = below + 1
        else:
            high = below
    found = 0.0
    if low > 0:
        found = median - ordered[middle - low]
    if low <= rank:
        found = max(found, ordered[middle + rank - low] - median)
    return float(found)


@kernel
def _sort(values: Floats, least: float, most: float, keys: Keys, spare: Keys, out: Floats) -> None:
    whole, used = sort_keys(values, least, most, keys)
    first, _ = radix_sort(keys, spare, used)
    sorted_bits = out.view(np.uint64)
    for i in range(values.size):
        if whole:
            out[i] = np.int64(first[i]) + least
        else:
            sorted_bits[i] = first[i] ^ SIGN if first[i] >= SIGN else ~first[i]
