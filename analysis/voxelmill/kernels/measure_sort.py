"""Order of one object's values: counted, or sorted by the bytes of integer keys (radix).

In: the values of one object. Out: how often each occurs, or their keys in order. Whole numbers
close to each other, as cameras give them, are cheaper to count. Other keys are the distance from
the smallest value where that is a whole number, else the bits of the number; bytes in which no two
keys differ cost no sorting.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints

Keys: TypeAlias = NDArray[np.uint64]
Counts: TypeAlias = NDArray[np.int32]

BYTE = np.uint64(8)
LAST = np.uint64(255)
SIGN = np.uint64(1 << 63)
LARGEST_KEY = 2.0**52
LARGEST_HALVED = 2.0**51
FEW, MANY = 512, 1 << 16


@kernel
def longest(starts: Ints) -> int:
    """Size of the largest object."""
    most = 0
    for i in range(starts.size - 1):
        most = max(most, starts[i + 1] - starts[i])
    return most


@kernel
def countable(size: int) -> int:
    """Distance between smallest and largest value from which on sorting is cheaper."""
    return min(FEW + 4 * size, MANY)


@kernel
def count(values: Floats, least: float, most: float, whole: bool, counts: Counts) -> bool:
    """Count the values by their distance from the smallest, where that pays.

    Parameters
    ----------
    values : (n,) float64 array
        Values of one object.
    least, most : float
        The smallest and the largest.
    whole : bool
        Whether they are known to be whole numbers; if not, that is looked at.
    counts : (countable(n) or more,) int32 array
        Zeros; on success ``counts[:most - least + 1]`` is filled and to be cleared by the caller.

    Returns
    -------
    bool
        Whether they were counted: all are whole numbers and close to each other.
    """
    if not (most - least < countable(values.size) and max(-least, most) < LARGEST_HALVED):
        return False
    if not whole:
        for v in values:
            if np.floor(v) != v:
                return False
    for v in values:
        counts[np.uint64(np.int64(v - least))] += 1
    return True


@kernel
def sort_keys(values: Floats, least: float, most: float, keys: Keys) -> tuple[bool, np.uint64]:
    """Fill in integers that are ordered as the values.

    Returns
    -------
    bool
        Whether they are distances from the smallest value, else they are ``bits`` of the number.
    uint64
        Bits in which the keys may differ.
    """
    used = np.uint64(0)
    whole = most - least < LARGEST_KEY
    if whole:
        for i in range(values.size):
            key = np.int64(values[i] - least)
            keys[i] = key
            used |= np.uint64(key)
            whole &= key + least == values[i]
    if not whole:
        bits = values.view(np.uint64)
        used = np.uint64(0)
        for i in range(values.size):
            keys[i] = bits[i] ^ SIGN if bits[i] < SIGN else ~bits[i]
            used |= keys[i] ^ keys[0]
    return whole, used


@kernel
def radix_sort(keys: Keys, spare: Keys, used: np.uint64) -> tuple[Keys, Keys]:
    """Sort by one byte after the other, least significant first, skipping those without a use.

    Parameters
    ----------
    keys, spare : (n,) uint64 arrays
        Keys, and room for as many; both are overwritten.
    used : uint64
        Bits to sort by; keys that agree in their bytes keep their order.

    Returns
    -------
    two (n,) uint64 arrays
        The sorted keys, and the other array.
    """
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
            step = ends[d]
            ends[d] = at
            at += step
        for key in keys:
            digit = (key >> shift) & LAST
            spare[ends[digit]] = key
            ends[digit] += 1
        keys, spare = spare, keys
    return keys, spare
