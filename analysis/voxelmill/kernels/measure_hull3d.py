"""Convex hull of each object in a volume, in integers: half voxels.

In: `Objects`. Out: the number of voxels in each hull. The hull grows point by point (the beneath-
beyond method), from the corners of the hulls of the planes; points on a facet are inside, so that
nothing has to be rounded.
"""

import math

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ints, Objects
from voxelmill.kernels.measure_hull import corners

AXES = 3
DEPTH, REACH = 3, 4
"""Columns of a facet's plane behind its normal: offset, and that for the centre of a voxel."""


def hull_voxels(objects: Objects) -> Ints:
    """Count the voxels of each object's convex hull (volumes).

    The hull is that of the centres of the voxels' faces; voxels with their centre in or on it
    count.

    Returns
    -------
    (n,) int64 array
        Voxels in the convex hull.
    """
    starts, planes = _slice(objects.runs, objects.first)
    owner = np.repeat(np.arange(objects.ids.size), np.diff(planes))
    found, begin = corners(objects.runs, starts, objects.low[owner])
    points = np.empty((found.shape[0], AXES), np.int64)
    points[:, 1:] = 2 * found
    z = 2 * (objects.runs[starts[:-1], 0] - objects.low[owner, 0])
    points[:, 0] = np.repeat(z, np.diff(begin))
    return _hull_voxels(points, begin[planes], objects.high - objects.low)


@kernel
def _slice(runs: Ints, first: Ints) -> tuple[Ints, Ints]:
    """Cut the objects into planes: offsets of the planes' runs, of the objects' planes."""
    starts = np.empty(runs.shape[0] + 1, np.int64)
    planes = np.zeros(first.size, np.int64)
    count = 0
    for i in range(first.size - 1):
        for r in range(first[i], first[i + 1]):
            if r == first[i] or runs[r, 0] != runs[r - 1, 0]:
                starts[count] = r
                count += 1
        planes[i + 1] = count
    starts[count] = runs.shape[0]
    return starts[: count + 1], planes


@kernel
def _hull_voxels(points: Ints, first: Ints, extent: Ints) -> Ints:
    n = first.size - 1
    most = 0
    rows = 0
    for i in range(n):
        most = max(most, first[i + 1] - first[i])
        rows = max(rows, extent[i, 0] * extent[i, 1])
    # Six points a corner, and less than two facets a point.
    vertices = np.empty((6 * most, AXES), np.int64)
    facets = np.empty((12 * most, AXES), np.int64)
    planes = np.empty((12 * most, REACH + 1), np.int64)
    edges = np.empty((36 * most, 2), np.int64)
    ends = np.empty((rows, 2), np.int64)
    voxels = np.empty(n, np.int64)
    for i in range(n):
        mine = points[first[i] : first[i + 1]]
        size = _grow(mine, vertices, facets, planes, edges)
        box = ends[: extent[i, 0] * extent[i, 1]]
        voxels[i] = _fill(vertices, facets[:size], planes, box, extent[i, 1])
    return voxels


@kernel
def _grow(points: Ints, vertices: Ints, facets: Ints, planes: Ints, edges: Ints) -> int:
    """Enclose the centres of all faces of these voxels; return the number of facets."""
    size = _octahedron(points[0], vertices, facets, planes)
    count = 6
    # Neighbours in the list see the same facets: far apart, each sees few of them.
    step = int(0.618 * points.shape[0]) + 1
    while math.gcd(step, points.shape[0]) > 1:
        step += 1
    at = 0
    for _ in range(points.shape[0]):
        point = points[at]
        seen = _beyond(planes[:size], point)
        while seen >= 0:
            axis = 0
            for k in range(1, AXES):
                if abs(planes[seen, k]) > abs(planes[seen, axis]):
                    axis = k
            for k in range(AXES):
                vertices[count, k] = point[k]
            vertices[count, axis] += 1 if planes[seen, axis] > 0 else -1
            size = _insert(count, vertices, facets, planes, edges, size)
            count += 1
            seen = _beyond(planes[:size], point)
        at = (at + step) % points.shape[0]
    return size


@kernel
def _octahedron(point: Ints, vertices: Ints, facets: Ints, planes: Ints) -> int:
    """Begin with the centres of the faces of one voxel."""
    for k in range(6):
        for axis in range(AXES):
            vertices[k, axis] = point[axis]
        vertices[k, k // 2] += 1 - 2 * (k % 2)
    for k in range(8):
        z, y, x = k % 2, 2 + k // 2 % 2, 4 + k // 4
        if (z + y + x) % 2 == 0:
            _put(k, z, y, x, vertices, facets, planes)
        else:
            _put(k, z, x, y, vertices, facets, planes)
    return 8


@kernel
def _put(at: int, a: int, b: int, c: int, vertices: Ints, facets: Ints, planes: Ints) -> None:
    """Write a facet: its vertices, counter-clockwise from outside, and its plane."""
    facets[at, 0], facets[at, 1], facets[at, 2] = a, b, c
    furthest = 0
    planes[at, DEPTH] = 0
    for k in range(AXES):
        i, j = (k + 1) % AXES, (k + 2) % AXES
        normal = (vertices[b, i] - vertices[a, i]) * (vertices[c, j] - vertices[a, j])
        normal -= (vertices[b, j] - vertices[a, j]) * (vertices[c, i] - vertices[a, i])
        planes[at, k] = normal
        planes[at, DEPTH] += normal * vertices[a, k]
        furthest = max(furthest, abs(normal))
    planes[at, REACH] = planes[at, DEPTH] - furthest


@kernel
def _beyond(planes: Ints, point: Ints) -> int:
    """First facet that the centre of a face of this voxel is outside of; -1 without one."""
    z, y, x = point[0], point[1], point[2]
    for f in range(planes.shape[0]):
        if planes[f, 0] * z + planes[f, 1] * y + planes[f, 2] * x > planes[f, REACH]:
            return f
    return -1


@kernel
def _insert(new: int, vertices: Ints, facets: Ints, planes: Ints, edges: Ints, size: int) -> int:
    """Replace the facets that a vertex sees by those from their border to it."""
    z, y, x = vertices[new, 0], vertices[new, 1], vertices[new, 2]
    count = 0
    for f in range(size - 1, -1, -1):
        if planes[f, 0] * z + planes[f, 1] * y + planes[f, 2] * x > planes[f, DEPTH]:
            for k in range(AXES):
                edges[count, 0] = facets[f, k]
                edges[count, 1] = facets[f, (k + 1) % AXES]
                count += 1
            size -= 1
            for k in range(AXES):
                facets[f, k] = facets[size, k]
            for k in range(REACH + 1):
                planes[f, k] = planes[size, k]
    for e in range(count):
        # An edge between two of them was met in both directions.
        border = True
        for other in range(count):
            if edges[other, 0] == edges[e, 1] and edges[other, 1] == edges[e, 0]:
                border = False
                break
        if border:
            _put(size, edges[e, 0], edges[e, 1], new, vertices, facets, planes)
            size += 1
    return size


@kernel
def _fill(vertices: Ints, facets: Ints, planes: Ints, ends: Ints, wide: int) -> int:
    """Count the voxels whose centres are in the hull: where it begins and ends in each row."""
    ends[:, 0] = 0
    ends[:, 1] = -1
    for f in range(facets.shape[0]):
        slope = planes[f, 2]
        if slope == 0:
            continue
        a, b, c = vertices[facets[f, 0]], vertices[facets[f, 1]], vertices[facets[f, 2]]
        # Rows are at even places.
        for z in range((min(a[0], b[0], c[0]) + 1) // 2, max(a[0], b[0], c[0]) // 2 + 1):
            for y in range((min(a[1], b[1], c[1]) + 1) // 2, max(a[1], b[1], c[1]) // 2 + 1):
                side = 1 if slope > 0 else -1
                if _meets(a, b, c, 2 * z, 2 * y, side):
                    rest = planes[f, DEPTH] - planes[f, 0] * 2 * z - planes[f, 1] * 2 * y
                    end = side * (rest // (2 * side * slope))
                    ends[z * wide + y, 1 if slope > 0 else 0] = end
    total = 0
    for row in range(ends.shape[0]):
        total += ends[row, 1] - ends[row, 0] + 1
    return total


@kernel
def _meets(a: Ints, b: Ints, c: Ints, z: int, y: int, side: int) -> bool:
    """Whether the row (z, y) meets a facet that is counter-clockwise from this side of x."""
    for p, q in ((a, b), (b, c), (c, a)):
        if side * ((q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (z - p[0])) < 0:
            return False
    return True
