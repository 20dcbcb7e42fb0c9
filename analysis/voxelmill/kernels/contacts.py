"""One pass over basins: the sums of each, and what is known of every border between two.

In: basins, heights and intensity (z, y, x). Out: integer sums and boxes of the basins, and an edge
for every two that touch by a face, an edge or a corner.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

GOLDEN = 0x9E3779B97F4A7C1
"""Spreads pairs over the table (Knuth's multiplicative hashing)."""


@kernel
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
    nz, ny, nx = basins.shape
    sums = np.zeros((n + 1, 12), np.int64)
    bounds = np.empty((n + 1, 6), np.int64)
    bounds[:, :3] = 2**31
    bounds[:, 3:] = -1
    table = np.full(1024, -1, np.int32)
    pairs, edges = np.empty(512, np.int64), np.empty((512, 3), np.int64)
    contacts = np.empty((13 * nx + 1, 2), np.int64)
    count = 0
    flat, high, bright = basins.reshape(-1), heights.reshape(-1), image.reshape(-1)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        if 2 * (count + 16 * nx) > table.size:
            table, pairs, edges = _enlarged(table, pairs, edges, count, 32 * nx)
        met = 0
        for i in range(inside.first[row], inside.first[row + 1]):
            start, stop, base = inside.table[i, 0], inside.table[i, 1], row * nx
            _sum(flat, bright, start, stop, (z + 1 if nz > 1 else 0, y, base), sums, bounds)
            for dz in range(2 if z + 1 < nz else 1):
                for dy in range(-1 if dz and y else 0, 2 if y + 1 < ny else 1):
                    step = (dz * ny + dy) * nx
                    for x in range(start, stop):
                        p = base + x
                        left = p + step - (1 if x and step else 0)
                        right = p + step + (1 if x + 1 < nx else 0)
                        a = flat[p]
                        b, c, d = flat[left], flat[p + step], flat[right]
                        # Without branches: which voxels touch others cannot be predicted.
                        if not ((b != a) & (b > 0) | (c != a) & (c > 0) | (d != a) & (d > 0)):
                            continue
                        for q in range(left, right + 1):
                            contacts[met, 0], contacts[met, 1] = p, q
                            met += (flat[q] != a) & (flat[q] > 0)
        count = _add(flat, high, bright, contacts[:met], table, pairs, edges, count)
    return sums, bounds, pairs[:count], edges[:count]


@kernel
def _sum(
    basins: Int32,
    levels: Int32,
    x: int,
    stop: int,
    where: tuple[int, int, int],
    sums: Int64,
    bounds: Int64,
) -> None:
    """Add the voxels from `x` on of the row `where` (z, y, and the raster index of its start)."""
    z, y, base = where
    while x < stop:
        b, start, light, square = basins[base + x], x, np.int64(0), np.int64(0)
        while x < stop and basins[base + x] == b:
            v = np.int64(max(levels[base + x], 0))
            light += v
            square += v * v
            x += 1
        n = x - start
        along = n * (start + x - 1) // 2
        sums[b, 0] += n
        sums[b, 1] += n * z
        sums[b, 2] += n * y
        sums[b, 3] += along
        sums[b, 4] += n * z * z
        sums[b, 5] += n * y * y
        sums[b, 6] += ((x - 1) * x * (2 * x - 1) - (start - 1) * start * (2 * start - 1)) // 6
        sums[b, 7] += n * z * y
        sums[b, 8] += z * along
        sums[b, 9] += y * along
        sums[b, 10] += light
        sums[b, 11] += square
        plane = max(z - 1, 0)
        bounds[b, 0], bounds[b, 3] = min(bounds[b, 0], plane), max(bounds[b, 3], plane)
        bounds[b, 1], bounds[b, 4] = min(bounds[b, 1], y), max(bounds[b, 4], y)
        bounds[b, 2], bounds[b, 5] = min(bounds[b, 2], start), max(bounds[b, 5], x - 1)


@kernel
def _add(
    basins: Int32,
    heights: Int32,
    levels: Int32,
    contacts: Int64,
    table: Int32,
    pairs: Int64,
    edges: Int64,
    count: int,
) -> int:
    """Add pairs of touching voxels to the edges of their basins; the new count of edges."""
    last, e = np.int64(-1), 0
    for i in range(contacts.shape[0]):
        p, q = contacts[i, 0], contacts[i, 1]
        a, b = basins[p], basins[q]
        key = (np.int64(min(a, b)) << 32) | np.int64(max(a, b))
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
