"""Quantiles of each object's values: quartiles, median and median absolute deviation.

In: one channel's values listed object by object. Out: one row an object. Values are sorted by the
bytes of an integer key (radix): their distance from the smallest where they are whole numbers, as
cameras give them, else the bits of the number. Bytes that are all equal cost no sorting.
"""

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_values import MAX, MIN, SUM

BYTE = np.uint64(8)
LAST = np.uint64(255)
SIGN = np.uint64(1 << 63)
LARGEST_KEY = 2.0**52


def quantiles(values: Floats, starts: Ints, known: Floats) -> Floats:
    """Lower quartile, median, upper quartile and median absolute deviation of each object.

    Linear interpolation between order statistics, as ``numpy.percentile``. `known` is what
    ``statistics`` made of the same values.

    Returns
    -------
    (n, 4) float64 array
        NaN where an object has a NaN.
    """
    return _quantiles(values, starts, known)


@kernel
def _quantiles(values: Floats, starts: Ints, known: Floats) -> Floats:
    n = starts.size - 1
    out = np.empty((n, 4))
    longest = 0
    for i in range(n):
        longest = max(longest, starts[i + 1] - starts[i])
    keys = np.empty(longest, np.uint64)
    spare = np.empty(longest, np.uint64)
    ordered = np.empty(longest)
    for i in range(n):
        for q in range(4):
            out[i, q] = np.nan
        if np.isnan(known[i, SUM]):
            continue
        size = starts[i + 1] - starts[i]
        mine = ordered[:size]
        source = values[starts[i] : starts[i + 1]]
        _sort(source, known[i, MIN], known[i, MAX], keys[:size], spare[:size], mine)
        for q in range(3):
            out[i, q] = _interpolate(mine, 0.25 * (q + 1))
        out[i, 3] = _median_deviation(mine, out[i, 1])
    return out


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
def _sort(
    values: Floats,
    least: float,
    most: float,
    keys: NDArray[np.uint64],
    spare: NDArray[np.uint64],
    out: Floats,
) -> None:
    used = np.uint64(0)
    whole = most - least < LARGEST_KEY
    if whole:
        for i in range(values.size):
            key = np.int64(values[i] - least)
            keys[i] = key
            used |= np.uint64(key)
            whole &= key + least == values[i]
    bits = values.view(np.uint64)
    if not whole:
        used = np.uint64(0)
        for i in range(values.size):
            keys[i] = bits[i] ^ SIGN if bits[i] < SIGN else ~bits[i]
            used |= keys[i] ^ keys[0]
    first = _radix_sort(keys, spare, used)
    sorted_bits = out.view(np.uint64)
    for i in range(values.size):
        if whole:
            out[i] = np.int64(first[i]) + least
        else:
            sorted_bits[i] = first[i] ^ SIGN if first[i] >= SIGN else ~first[i]


@kernel
def _radix_sort(
    keys: NDArray[np.uint64], spare: NDArray[np.uint64], used: np.uint64
) -> NDArray[np.uint64]:
    """Sort by one byte after the other, least significant first, skipping those without a use."""
    ends = np.empty(256, np.int64)
    for byte in range(8):
        shift = BYTE * np.uint64(byte)
        if (used >> shift) & LAST == 0:
            continue
        for d in range(256):
            ends[d] = 0
        for key in keys:
            ends[(key >> shift) & LAST] += 1
        at = 0
        for d in range(256):
            count = ends[d]
            ends[d] = at
            at += count
        for key in keys:
            digit = (key >> shift) & LAST
            spare[ends[digit]] = key
            ends[digit] += 1
        keys, spare = spare, keys
    return keys
