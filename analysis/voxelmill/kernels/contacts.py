"""One pass over basins: the sums of each, and what is known of every border between two.

In: basins, heights and intensity (z, y, x). Out: integer sums and boxes of the basins, and an edge
for every two that touch by a face, an edge or a corner.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

GOLDEN = 0x9E3779B97F4A7C1
"""Spreads pairs over the table (Knuth's multiplicative hashing)."""


@kernel
def survey(
    basins: Int32, heights: Int32, image: Int32, n: int
) -> tuple[Int64, Int64, Int64, Int64]:
    """Sums and boxes of the basins, and the edges between them.

    Parameters
    ----------
    basins, heights, image : (z, y, x) int32 array
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
    count = 0
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        _sum_row(basins[z, y], image[z, y], z + 1 if nz > 1 else 0, y, sums, bounds)
        for dz in range(2 if z + 1 < nz else 1):
            for dy in range(-1 if dz else 0, 2):
                if not 0 <= y + dy < ny:
                    continue
                if 2 * (count + 4 * nx) > table.size:
                    table, pairs, edges = _enlarged(table, pairs, edges, count, 8 * nx)
                here = basins[z, y], heights[z, y], image[z, y]
                zz, yy = z + dz, y + dy
                there = basins[zz, yy], heights[zz, yy], image[zz, yy]
                if dz == 0 and dy == 0:
                    count = _along(here, table, pairs, edges, count)
                else:
                    count = _meet(here, there, table, pairs, edges, count)
    return sums, bounds, pairs[:count], edges[:count]


@kernel
def _sum_row(line: Int32, levels: Int32, z: int, y: int, sums: Int64, bounds: Int64) -> None:
    """Add the runs of one row."""
    x = 0
    while x < line.size:
        b = line[x]
        if b == 0:
            x += 1
            continue
        start, light, square = x, 0, 0
        while x < line.size and line[x] == b:
            v = np.int64(max(levels[x], 0))
            light += v
            square += v * v
            x += 1
        n, s, box = x - start, sums[b], bounds[b]
        along = n * (start + x - 1) // 2
        s[0] += n
        s[1] += n * z
        s[2] += n * y
        s[3] += along
        s[4] += n * z * z
        s[5] += n * y * y
        s[6] += ((x - 1) * x * (2 * x - 1) - (start - 1) * start * (2 * start - 1)) // 6
        s[7] += n * z * y
        s[8] += z * along
        s[9] += y * along
        s[10] += light
        s[11] += square
        plane = max(z - 1, 0)
        box[0], box[3] = min(box[0], plane), max(box[3], plane)
        box[1], box[4] = min(box[1], y), max(box[4], y)
        box[2], box[5] = min(box[2], start), max(box[5], x - 1)


@kernel
def _along(
    row: tuple[Int32, Int32, Int32], table: Int32, pairs: Int64, edges: Int64, count: int
) -> int:
    """Add the touching voxels within a row; the new count of edges."""
    basins, heights, levels = row
    for x in range(basins.size - 1):
        a, b = basins[x], basins[x + 1]
        if a != b and a and b:
            e = _edge(a, b, table, pairs, edges, count)
            count = max(count, e + 1)
            _add(edges[e], min(heights[x], heights[x + 1]), min(levels[x], levels[x + 1]))
    return count


@kernel
def _meet(
    here: tuple[Int32, Int32, Int32],
    there: tuple[Int32, Int32, Int32],
    table: Int32,
    pairs: Int64,
    edges: Int64,
    count: int,
) -> int:
    """Add the touching voxels of two rows; the new count of edges."""
    own, own_heights, own_levels = here
    other, other_heights, other_levels = there
    n = own.size
    for x in range(n):
        a = own[x]
        if a == 0:
            continue
        low, high = max(x - 1, 0), min(x + 1, n - 1)
        if other[low] == a and other[x] == a and other[high] == a:
            continue
        for q in range(low, high + 1):
            b = other[q]
            if b != a and b:
                e = _edge(a, b, table, pairs, edges, count)
                count = max(count, e + 1)
                level = min(own_levels[x], other_levels[q])
                _add(edges[e], min(own_heights[x], other_heights[q]), level)
    return count


@kernel
def _add(edge: Int64, height: int, level: int) -> None:
    edge[0] = max(edge[0], height)
    edge[1] += 1
    edge[2] += level


@kernel
def _edge(a: int, b: int, table: Int32, pairs: Int64, edges: Int64, count: int) -> int:
    """Number of the edge between two basins; a new one gets the number `count`."""
    key = (np.int64(min(a, b)) << 32) | np.int64(max(a, b))
    slot = _slot(table, pairs, key)
    if table[slot] < 0:
        table[slot] = count
        pairs[count] = key
        edges[count] = 0
    return table[slot]


@kernel
def _slot(table: Int32, pairs: Int64, key: int) -> int:
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
