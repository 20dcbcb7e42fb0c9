"""Outline of each object: its edge voxels, the length of its perimeter and its Euler number.

In: `Objects`. Out: counts. All of it follows from where an object's own runs meet those of the
rows around them, so neither its neighbours nor the ends of the array can be seen.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Flags, Ints, Objects

Patch: TypeAlias = NDArray[np.uint8]

NOTHING = 3
"""Class of an edge pixel that adds nothing to the perimeter."""

CLASSES = np.full((5, 5), NOTHING)
"""Edge pixels at its sides, at its corners → class of an edge pixel."""
CLASSES[2:4, :3] = 0
CLASSES[0, 2] = CLASSES[1, 3] = 1
CLASSES[1, 1:3] = 2


def outlines(objects: Objects) -> tuple[Flags, Ints, Ints]:
    """Trace the outlines: edge voxels, perimeter classes and Euler characteristic.

    An edge voxel has a face neighbour (4 in a plane, 6 in a volume) that is not of its object;
    what lies beyond the array is not.

    Returns
    -------
    (n_voxels,) bool array
        Edge voxels, in the order of the objects' voxels.
    (n, 3) int64 array
        Edge pixels that count 1, √2 and (1 + √2)/2 towards the perimeter (Benkrid & Crookes);
        planes only.
    (n,) int64 array
        Euler characteristic of the union of closed voxels (8- or 26-connectivity).
    """
    extent = objects.high - objects.low + 2
    if objects.planar:
        extent[:, 0] = 1
    rows = int((extent[:, 0] * extent[:, 1]).max(initial=0))
    area = int((extent[:, 1] * extent[:, 2]).max(initial=0)) if objects.planar else 0
    return _outlines(
        objects.runs,
        objects.first,
        objects.low,
        objects.sizes,
        extent,
        objects.planar,
        np.empty(rows + 1, np.int64),
        np.zeros(area, np.uint8),
    )


@kernel
def _outlines(
    runs: Ints,
    first: Ints,
    low: Ints,
    sizes: Ints,
    extent: Ints,
    planar: bool,
    rows: Ints,
    patch: Patch,
) -> tuple[Flags, Ints, Ints]:
    n = first.size - 1
    voxels = 0
    largest = 0
    for size in sizes:
        voxels += size
        largest = max(largest, size)
    edges = np.zeros(voxels, np.bool_)
    places = np.empty(largest if planar else 0, np.int64)
    weights = np.zeros((n, NOTHING + 1), np.int64)
    euler = np.empty(n, np.int64)
    at = np.empty(4, np.int64)
    done = 0
    for i in range(n):
        mine = runs[first[i] : first[i + 1]]
        _index_rows(mine, low[i], extent[i], planar, rows)
        euler[i] = _euler(mine, rows, extent[i], planar, at)
        count = _mark(mine, rows, low[i], extent[i], planar, at, edges[done:], patch, places)
        for k in range(count):
            weights[i, _perimeter_class(patch, places[k], extent[i, 2])] += 1
        for k in range(count):
            patch[places[k]] = 0
        done += sizes[i]
    return edges, weights[:, :NOTHING], euler


@kernel
def _row(run: Ints, corner: Ints, extent: Ints, planar: bool) -> int:
    """Row of the object's box with its margin; a plane has none along z."""
    z = 0 if planar else run[0] - corner[0] + 1
    y: int = z * extent[1] + run[1] - corner[1] + 1
    return y


@kernel
def _index_rows(mine: Ints, corner: Ints, extent: Ints, planar: bool, rows: Ints) -> None:
    """Row k gets the runs rows[k] … rows[k + 1] - 1."""
    k = 0
    for r in range(mine.shape[0]):
        row = _row(mine[r], corner, extent, planar)
        while k <= row:
            rows[k] = r
            k += 1
    while k <= extent[0] * extent[1]:
        rows[k] = mine.shape[0]
        k += 1


@kernel
def _euler(mine: Ints, rows: Ints, extent: Ints, planar: bool, at: Ints) -> int:
    """Count corners - edges + faces - cubes of the union of the closed voxels.

    On a line along x, each piece of the union of the rows around has one corner more than edges.
    So it is with edges and faces between two rows, and with faces and cubes in one.
    """
    wide = extent[1]
    runs = mine.shape[0]
    total = 0
    if planar:
        for k in range(wide - 1):
            total += _pieces(mine, rows, (k, k + 1), at)
        return int(total - runs)
    for k in range((extent[0] - 1) * wide - 1):
        total += _pieces(mine, rows, (k, k + 1, k + wide, k + wide + 1), at)
        total -= _pieces(mine, rows, (k, k + 1), at) + _pieces(mine, rows, (k, k + wide), at)
    return int(total + runs)


@kernel
def _pieces(mine: Ints, rows: Ints, lines: tuple[int, ...], at: Ints) -> int:
    """Pieces of the union of these rows' closed runs."""
    for j in range(len(lines)):
        at[j] = rows[lines[j]]
    pieces = 0
    reach = -1
    while True:
        nearest, start = -1, 0
        for j in range(len(lines)):
            if at[j] == rows[lines[j] + 1]:
                continue
            if nearest < 0 or mine[at[j], 2] < start:
                nearest, start = j, mine[at[j], 2]
        if nearest < 0:
            return pieces
        pieces += start > reach
        reach = max(reach, mine[at[nearest], 3])
        at[nearest] += 1


@kernel
def _mark(
    mine: Ints,
    rows: Ints,
    corner: Ints,
    extent: Ints,
    planar: bool,
    at: Ints,
    edges: Flags,
    patch: Patch,
    places: Ints,
) -> int:
    """Mark the edge voxels in `edges`; in a plane mark them on the patch and list them as well."""
    count = 0
    voxel = 0
    before = -1
    for r in range(mine.shape[0]):
        start, stop = mine[r, 2], mine[r, 3]
        row = _row(mine[r], corner, extent, planar)
        around = (row - 1, row + 1, row - extent[1], row + extent[1])
        if row != before:
            before = row
            for j in range(2 if planar else 4):
                at[j] = rows[around[j]]
        edge, x = start, start + 1
        while edge < stop:
            inside, outside = _covered(mine, rows, around, planar, at, x, stop - 1)
            for k in range(edge, inside):
                edges[voxel + k - start] = True
                if planar:
                    places[count] = row * extent[2] + 1 - corner[2] + k
                    patch[places[count]] = 1
                    count += 1
            edge = x = outside
        voxel += stop - start
    return count


@kernel
def _covered(
    mine: Ints,
    rows: Ints,
    around: tuple[int, int, int, int],
    planar: bool,
    at: Ints,
    x: int,
    stop: int,
) -> tuple[int, int]:
    """First stretch from x on, below stop, that the runs of all rows around cover."""
    while x < stop:
        low, high = x, stop
        for j in range(2 if planar else 4):
            end = rows[around[j] + 1]
            while at[j] < end and mine[at[j], 3] <= x:
                at[j] += 1
            if at[j] == end:
                return stop + 1, stop + 1
            low = max(low, mine[at[j], 2])
            high = min(high, mine[at[j], 3])
        if low < high:
            return low, high
        x = low
    return stop + 1, stop + 1


@kernel
def _perimeter_class(patch: Patch, at: int, line: int) -> int:
    """Return 0, 1, 2 for edge pixels of weight 1, √2, (1 + √2)/2."""
    sides = patch[at - 1] + patch[at + 1] + patch[at - line] + patch[at + line]
    corners = patch[at - line - 1] + patch[at - line + 1]
    corners += patch[at + line - 1] + patch[at + line + 1]
    return int(CLASSES[sides, corners])
