"""One pass over basins: the sums of each, and what is known of every border between two.

In: basins, heights and intensity (z, y, x). Out: integer sums and boxes of the basins, and an edge
for every two that touch by a face, an edge or a corner.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs, runs_within

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

GOLDEN = 0x9E3779B97F4A7C1
"""Spreads pairs over the table (Knuth's multiplicative hashing)."""


def survey(
    basins: Int32, heights: Int32, image: Int32, inside: Runs, n: int
) -> tuple[Int64, Int64, Int64, Int64]:
    """Sums and boxes of the basins, and the edges between them.

    Parameters
    ----------
    basins, heights, image : (z, y, x) int32 array
    inside : Runs
        Where there are basins.
    n : int
        Number of basins.

    Returns
    -------
    sums : (n + 1, 12) int64 array
        Count; z, y, x; zz, yy, xx, zy, zx, yx; level and its square. z counts from 1, but is 0 in
        an image of one plane; levels below 0 count as 0.
    bounds : (n + 1, 6) int64 array
        First and last index along z, y, x.
    pairs : (e,) int64 array
        ``smaller basin << 32 | larger basin``.
    edges : (e, 3) int64 array
        Highest of the lower heights of two touching voxels; how many pairs of voxels touch; sum of
        the lower intensities of each.
    """
    parts = runs_within(basins, inside)
    sums, bounds = _sums(parts, image, n)
    pairs, edges = _edges(parts, heights, image)
    return sums, bounds, pairs, edges


@kernel
def _sums(parts: Runs, image: Int32, n: int) -> tuple[Int64, Int64]:
    """Sums and boxes of the basins from their runs."""
    nz, ny, nx = image.shape
    sums = np.zeros((n + 1, 12), np.int64)
    bounds = np.empty((n + 1, 6), np.int64)
    bounds[:, :3] = 2**31
    bounds[:, 3:] = -1
    levels = image.reshape(-1)
    for row in range(nz * ny):
        plane, y = row // ny, row % ny
        z = plane + 1 if nz > 1 else 0
        for i in range(parts.first[row], parts.first[row + 1]):
            start, x, b = parts.table[i, 0], parts.table[i, 1], parts.table[i, 2]
            light, square = np.int64(0), np.int64(0)
            for p in range(row * nx + start, row * nx + x):
                v = np.int64(max(levels[p], 0))
                light += v
                square += v * v
            n_here = x - start
            along = n_here * (start + x - 1) // 2
            sums[b, 0] += n_here
            sums[b, 1] += n_here * z
            sums[b, 2] += n_here * y
            sums[b, 3] += along
            sums[b, 4] += n_here * z * z
            sums[b, 5] += n_here * y * y
            sums[b, 6] += ((x - 1) * x * (2 * x - 1) - (start - 1) * start * (2 * start - 1)) // 6
            sums[b, 7] += n_here * z * y
            sums[b, 8] += z * along
            sums[b, 9] += y * along
            sums[b, 10] += light
            sums[b, 11] += square
            bounds[b, 0], bounds[b, 3] = min(bounds[b, 0], plane), max(bounds[b, 3], plane)
            bounds[b, 1], bounds[b, 4] = min(bounds[b, 1], y), max(bounds[b, 4], y)
            bounds[b, 2], bounds[b, 5] = min(bounds[b, 2], start), max(bounds[b, 5], x - 1)
    return sums, bounds


@kernel
def _edges(parts: Runs, heights: Int32, image: Int32) -> tuple[Int64, Int64]:
    """Edges between basins from their runs: rows are compared with themselves and later ones."""
    nz, ny, nx = heights.shape
    high, bright = heights.reshape(-1), image.reshape(-1)
    first, runs = parts.first, parts.table
    table = np.full(1024, -1, np.int32)
    pairs, edges = np.empty(512, np.int64), np.empty((512, 3), np.int64)
    contacts = np.empty((13 * nx + 1, 4), np.int64)
    count = 0
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        if 2 * (count + 16 * nx) > table.size:
            table, pairs, edges = _enlarged(table, pairs, edges, count, 32 * nx)
        met = 0
        for dz in range(2 if z + 1 < nz else 1):
            for dy in range(-1 if dz and y else 0, 2 if y + 1 < ny else 1):
                other = row + dz * ny + dy
                j_first = first[other]
                for i in range(first[row], first[row + 1]):
                    start, stop, a = runs[i, 0], runs[i, 1], runs[i, 2]
                    if other == row:
                        j_first = i + 1
                    while j_first < first[other + 1] and runs[j_first, 1] < start:
                        j_first += 1
                    j = j_first
                    while j < first[other + 1] and runs[j, 0] <= stop:
                        left, right, b = runs[j, 0], runs[j, 1], runs[j, 2]
                        j += 1
                        if a == b:
                            continue
                        low, up = max(start, left - 1), min(stop, right + 1)
                        for x in range(stop - 1 if other == row else low, up):
                            for k in range(max(x - 1, left), min(x + 2, right)):
                                contacts[met, 0], contacts[met, 1] = a, b
                                contacts[met, 2] = row * nx + x
                                contacts[met, 3] = other * nx + k
                                met += 1
        count = _add(high, bright, contacts[:met], table, pairs, edges, count)
    return pairs[:count], edges[:count]


@kernel
def _add(
    heights: Int32,
    levels: Int32,
    contacts: Int64,
    table: Int32,
    pairs: Int64,
    edges: Int64,
    count: int,
) -> int:
    """Add touching voxels (basins and raster indices) to the edges; the new count of edges."""
    last, e = np.int64(-1), 0
    for i in range(contacts.shape[0]):
        a, b, p, q = contacts[i, 0], contacts[i, 1], contacts[i, 2], contacts[i, 3]
        key = (min(a, b) << 32) | max(a, b)
        if key != last:
            last, e = key, _edge(key, table, pairs, edges, count)
            count = max(count, e + 1)
        edges[e, 0] = max(edges[e, 0], min(heights[p], heights[q]))
        edges[e, 1] += 1
        edges[e, 2] += min(levels[p], levels[q])
    return count


@kernel
def _edge(key: np.int64, table: Int32, pairs: Int64, edges: Int64, count: int) -> int:
    """Number of the edge of a pair of basins; a new one gets the number `count`."""
    slot = _slot(table, pairs, key)
    if table[slot] < 0:
        table[slot] = count
        pairs[count] = key
        edges[count, 0] = edges[count, 1] = edges[count, 2] = 0
    return int(table[slot])


@kernel
def _slot(table: Int32, pairs: Int64, key: np.int64) -> np.int64:
    """Place of `key` in the table, or the free one where it belongs."""
    i = ((key * GOLDEN) >> 32) & (table.size - 1)
    while table[i] >= 0 and pairs[table[i]] != key:
        i = (i + 1) & (table.size - 1)
    return i


@kernel
def _enlarged(
    table: Int32, pairs: Int64, edges: Int64, count: int, more: int
) -> tuple[Int32, Int64, Int64]:
    """Room for twice as many edges and `more`."""
    size = table.size
    while size < 4 * (count + more):
        size *= 2
    table = np.full(size, -1, np.int32)
    new_pairs, new_edges = np.empty(size // 2, np.int64), np.empty((size // 2, 3), np.int64)
    new_pairs[:count] = pairs[:count]
    new_edges[:count] = edges[:count]
    for e in range(count):
        table[_slot(table, new_pairs, new_pairs[e])] = e
    return table, new_pairs, new_edges
