"""Outline of each object: its edge voxels, the length of its perimeter and its Euler number.

In: `Objects`. Out: counts. Every object is painted alone on a small empty patch with a margin, so
neither its neighbours nor the ends of the array can be seen.
"""

from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Flags, Ints, Objects

Patch: TypeAlias = NDArray[np.uint8]

INSIDE = np.uint8(1)
EDGE = np.uint8(2)


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
    scratch = np.zeros(int(extent.prod(axis=1).max(initial=0)), np.uint8)
    return _outlines(
        objects.runs,
        objects.first,
        objects.low,
        objects.sizes,
        extent,
        objects.planar,
        _euler_steps(),
        scratch,
    )


def _euler_steps() -> NDArray[np.int8]:
    """Change of the Euler characteristic when a voxel joins its 13 raster-earlier neighbours.

    Entry = sum of 2**j over the present neighbours, j in the order of ``_code``. A voxel brings a
    cube (-1), and those of its faces (+1), edges (-1) and corners (+1) that no neighbour has yet.
    """
    around = [d for d in product((-1, 0, 1), repeat=3) if d != (0, 0, 0)]
    earlier = [d for d in around if d < (0, 0, 0)]
    present = np.arange(2 ** len(earlier))
    steps = np.full(present.size, -1)
    for cell in around:
        owners = [e for e in earlier if all(a in (0, b) for a, b in zip(e, cell, strict=True))]
        mask = sum(1 << earlier.index(e) for e in owners)
        sign = -1 if cell.count(0) == 1 else 1
        steps += sign * ((present & mask) == 0)
    return steps.astype(np.int8)


@kernel
def _paint(patch: Patch, runs: Ints, corner: Ints, extent: Ints, value: np.uint8) -> None:
    for r in range(runs.shape[0]):
        row = (runs[r, 0] - corner[0] + 1) * extent[1] + runs[r, 1] - corner[1] + 1
        start = row * extent[2] + 1 - corner[2]
        for at in range(start + runs[r, 2], start + runs[r, 3]):
            patch[at] = value


@kernel
def _code(patch: Patch, at: int, line: int, plane: int, planar: bool) -> int:
    code = 0
    if not planar:
        for y in range(-1, 2):
            for x in range(-1, 2):
                code |= int(patch[at - plane + y * line + x] > 0) << (4 + 3 * y + x)
    for x in range(-1, 2):
        code |= int(patch[at - line + x] > 0) << (10 + x)
    return code | int(patch[at - 1] > 0) << 12


@kernel
def _perimeter_class(patch: Patch, at: int, line: int) -> int:
    """Return 0, 1, 2 for edge pixels of weight 1, √2, (1 + √2)/2; 3 for weight 0."""
    sides = 0
    corners = 0
    for step in (-1, 1):
        sides += (patch[at + step] == EDGE) + (patch[at + step * line] == EDGE)
        corners += (patch[at + line + step] == EDGE) + (patch[at - line + step] == EDGE)
    if 2 <= sides <= 3 and corners <= 2:
        return 0
    if (sides == 0 and corners == 2) or (sides == 1 and corners == 3):
        return 1
    if sides == 1 and (corners == 1 or corners == 2):
        return 2
    return 3


@kernel
def _outlines(
    runs: Ints,
    first: Ints,
    low: Ints,
    sizes: Ints,
    extent: Ints,
    planar: bool,
    steps: NDArray[np.int8],
    patch: Patch,
) -> tuple[Flags, Ints, Ints]:
    n = first.size - 1
    voxels = 0
    largest = 0
    for i in range(n):
        voxels += sizes[i]
        largest = max(largest, sizes[i])
    edges = np.zeros(voxels, np.bool_)
    found = np.empty(largest, np.int64)
    weights = np.zeros((n, 3), np.int64)
    euler = np.zeros(n, np.int64)
    done = 0
    for i in range(n):
        line = extent[i, 2]
        plane = line * extent[i, 1]
        mine = runs[first[i] : first[i + 1]]
        _paint(patch, mine, low[i], extent[i], INSIDE)
        count = _mark_edges(patch, mine, low[i], extent[i], planar, edges[done:], found)
        for k in range(count):
            at = found[k]
            euler[i] += steps[_code(patch, at, line, plane, planar)]
            kind = _perimeter_class(patch, at, line)
            if kind < 3:
                weights[i, kind] += 1
        done += sizes[i]
        _paint(patch, mine, low[i], extent[i], np.uint8(0))
    return edges, weights, euler


@kernel
def _mark_edges(
    patch: Patch,
    runs: Ints,
    corner: Ints,
    extent: Ints,
    planar: bool,
    edges: Flags,
    found: Ints,
) -> int:
    """Mark the edge voxels on the patch and in `edges`; list their places on the patch."""
    line = extent[2]
    plane = line * extent[1]
    count = 0
    voxel = 0
    for r in range(runs.shape[0]):
        row = (runs[r, 0] - corner[0] + 1) * extent[1] + runs[r, 1] - corner[1] + 1
        start = row * line + 1 - corner[2]
        for at in range(start + runs[r, 2], start + runs[r, 3]):
            inner = patch[at - 1] and patch[at + 1] and patch[at - line] and patch[at + line]
            if inner and not planar:
                inner = patch[at - plane] and patch[at + plane]
            if not inner:
                patch[at] = EDGE
                edges[voxel] = True
                found[count] = at
                count += 1
            voxel += 1
    return count
