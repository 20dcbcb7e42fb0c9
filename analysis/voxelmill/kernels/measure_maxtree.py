"""Pattern spectrum of one object: what each opening by reconstruction removes, in a single pass.

In: the object painted alone on a patch. Out: the light that goes at each width. Cells are ranked
by value, ties in raster order, and joined from the brightest down (component tree: Salembier et al.
1998; its use for granulometries: Vincent 2000). A component of cells at or above some value
survives the i-th opening if a diamond (octahedron) of i steps fits into it. Eroding the *ranks*
finds all of them at once: the smallest rank in a diamond is the component's own cell, since a
diamond is connected.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints

Ranks: TypeAlias = NDArray[np.uint32]

DIGIT = 8
"""Bits that one pass of sorting looks at."""
MASK = (1 << DIGIT) - 1
"""The lowest of them."""


@kernel
def sort_cells(
    light: Floats, cells: Ints, keys: Ints, places: Ints, scratch: tuple[Ints, Ints, Ints]
) -> tuple[Floats, Ints]:
    """Sort the cells above 0 by value; ties stay in order.

    Doubles above 0 order like the integers of the same bits; only the bits in which they differ
    are sorted by (two passes for most 16-bit images).

    Parameters
    ----------
    light : (room,) float64 array
        Values at least 0.
    cells : (n,) int64 array
        Places in `light`.
    keys, places : (n or more,) int64 array
        Written to.
    scratch : three int64 arrays
        Two as long as `keys` and one of 2**DIGIT entries.

    Returns
    -------
    levels : (m,) float64 array
        Values, ascending; memory of `keys` or of the first of `scratch`.
    places : (m,) int64 array
        Their places; memory of `places` or of the second of `scratch`.
    """
    found = keys.view(np.float64)
    m = lowest = 0
    for at in cells:
        value = light[at]
        if value > 0:
            found[m] = value
            places[m] = at
            if value < found[lowest]:
                lowest = m
            m += 1
    least = keys[lowest] if m > 0 else 0
    keys, places = keys[:m], places[:m]
    differ = 0
    for k in range(m):
        keys[k] -= least
        differ |= keys[k]
    shift = 0
    while differ > 0 and differ & 1 == 0:
        differ >>= 1
        shift += 1
    bits = 0
    while differ >> bits > 0:
        bits += 1
    other_keys, other_places = scratch[0][:m], scratch[1][:m]
    for start in range(shift, shift + bits, DIGIT):
        _distribute(keys, places, other_keys, other_places, start, scratch[2])
        keys, places, other_keys, other_places = other_keys, other_places, keys, places
    for k in range(m):
        keys[k] += least
    return keys.view(np.float64), places


@kernel
def _distribute(
    keys: Ints, places: Ints, to_keys: Ints, to_places: Ints, shift: int, starts: Ints
) -> None:
    """One pass of a radix sort, by the DIGIT bits of the keys from `shift` on."""
    for d in range(starts.size):
        starts[d] = 0
    for key in keys:
        starts[(key >> shift) & MASK] += 1
    total = 0
    for d in range(starts.size):
        total, starts[d] = total + starts[d], total
    for k in range(keys.size):
        digit = (keys[k] >> shift) & MASK
        to_keys[starts[digit]] = keys[k]
        to_places[starts[digit]] = places[k]
        starts[digit] += 1


@kernel
def find_widths(
    ranks: Ranks, shape: Ints, rim: Ints, length: int, widths: Ranks, scratch: tuple[Ranks, Ranks]
) -> None:
    """Steps of the largest diamond, at most `length`, whose smallest rank is a cell's own.

    Parameters
    ----------
    ranks : (room,) uint32 array
        Patch of extent `shape`, its rim of width `rim` included; above 0 in the object, each once.
    shape, rim : (3,) int64 array
        Along z, y, x.
    length : int
        Most erosions.
    widths : (m + 1,) uint32 array
        By rank; written to, 0 where there is no diamond. The first entry means nothing.
    scratch : two (room,) uint32 arrays
        Eroded ranks.
    """
    widths[:] = 0
    line, plane = shape[2], shape[1] * shape[2]
    before, after, spare = ranks, scratch[0], scratch[1]
    for step in range(1, length + 1):
        first = rim[0] * (step + 1) * plane + (step + 1) * line
        n = shape[0] * plane - 2 * first
        if n <= 0:
            break
        _erode(before, after, first, n, line)
        if rim[0] > 0:
            _erode_deep(before, after, first, n, plane)
        most = 0
        for rank in after[first : first + n]:
            widths[rank] = step
            most |= rank
        if most == 0:
            break
        before, after, spare = after, spare, after


@kernel
def _erode(before: Ranks, after: Ranks, first: int, n: int, line: int) -> None:
    """Smallest of each cell and its neighbours in the plane."""
    row, here = after[first : first + n], before[first : first + n]
    left, right = before[first - 1 :], before[first + 1 :]
    up, down = before[first - line :], before[first + line :]
    for x in range(n):
        row[x] = min(here[x], min(min(left[x], right[x]), min(up[x], down[x])))


@kernel
def _erode_deep(before: Ranks, after: Ranks, first: int, n: int, plane: int) -> None:
    row = after[first : first + n]
    above, below = before[first - plane :], before[first + plane :]
    for x in range(n):
        row[x] = min(row[x], min(above[x], below[x]))


@kernel
def add_spectrum(
    ranks: Ranks,
    places: Ints,
    levels: Floats,
    steps: Ints,
    widths: Ranks,
    scratch: tuple[Ranks, Ranks, Floats],
    removed: Floats,
) -> None:
    """Join the cells from the brightest down; add each component's light at its width.

    A component's light is its area times its level above the next one that contains it.

    Parameters
    ----------
    ranks : (room,) uint32 array
        Patch, see ``find_widths``.
    places, levels : (m,) array
        Place and value by rank - 1.
    steps : (k,) int64 array
        To the face neighbours of a place.
    widths : (m + 1,) uint32 array
        From ``find_widths``; changed.
    scratch : uint32, uint32 and float64 arrays
        As long as `widths`.
    removed : (length + 1,) float64 array
        Added to; the last entry is what no opening removes.
    """
    parent, area, top = scratch
    for k in range(places.size, 0, -1):
        level = levels[k - 1]
        parent[k], area[k] = k, 1
        root = np.uint32(k)
        for step in steps:
            # A darker neighbour counts as the cell itself: one hard-to-foresee branch less.
            other = _root(parent, max(ranks[places[k - 1] + step], np.uint32(k)))
            if other == root:
                continue
            removed[widths[other]] += area[other] * (top[other] - level)
            if area[other] > area[root]:
                root, other = other, root
            parent[other] = root
            area[root] += area[other]
            widths[root] = max(widths[root], widths[other])
        top[root] = level
    for k in range(1, places.size + 1):
        if parent[k] == k:
            removed[widths[k]] += area[k] * top[k]


@kernel
def _root(parent: Ranks, i: np.uint32) -> np.uint32:
    """Follow the path to its end, halving it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
