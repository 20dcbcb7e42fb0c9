"""Surface area of each object in a volume: marching cubes at level 0, from counts of cubes.

In: `Objects`. Out: one area an object. In a binary volume the surface within a cube of 2 x 2 x 2
voxels depends on which of them are of the object: 256 cases. At level 0 it runs through the centres
of voxels outside, half a voxel further out than a surface at level 0.5.
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects

Patch: TypeAlias = NDArray[np.uint8]

AREAS = np.array(
    [
        0.0,
        1 / 2,
        math.sqrt(3) / 2,
        1.0,
        2 / math.sqrt(3),
        (1 + math.sqrt(3)) / 2,
        math.sqrt(2),
        3 / 2,
        math.sqrt(3),
        3.0,
    ]
)
"""Areas that occur, in squared voxels."""

CASES = np.array(
    list(
        b"0226268528656553268585229776761128659776825271616553761171610600"
        b"2897657682715261657653117100616082717106201414605261616010006000"
        b"2987872167565621872121007010100067567016513160105621164060100000"
        b"6770561051663110561021406060100051666060201010003110100010000000"
    ),
    np.int64,
) - ord("0")
"""Row of AREAS for each case: the sum of 2**(4 z + 2 y + x) over a cube's voxels in the object.

These are the triangles of Lewiner et al. 2003 as scikit-image 0.26 draws them; two rare cases of
five voxels depend there on how the cube lies.
"""


def surface_areas(objects: Objects) -> Floats:
    """Area of the closed marching-cubes surface of each object (volumes).

    Returns
    -------
    (n,) float64 array
        Area in squared voxels.
    """
    extent = objects.high - objects.low + np.array([1, 1, 2])
    patch = np.zeros(int(extent.prod(axis=1).max(initial=0)), np.uint8)
    return _surface_areas(objects.runs, objects.first, objects.low, extent, patch)


@kernel
def _surface_areas(runs: Ints, first: Ints, low: Ints, extent: Ints, patch: Patch) -> Floats:
    areas = np.empty(first.size - 1)
    counts = np.empty(AREAS.size, np.int64)
    for i in range(first.size - 1):
        mine = runs[first[i] : first[i + 1]]
        box = patch[: extent[i, 0] * extent[i, 1] * extent[i, 2]]
        _paint(box, mine, low[i], extent[i])
        counts[:] = 0
        for at in range(box.size - 1):
            case = box[at] | box[at + 1] << 1
            if case != 0 and case != 255:
                counts[CASES[case]] += 1
        box[:] = 0
        areas[i] = 0.0
        for kind in range(counts.size):
            areas[i] += counts[kind] * AREAS[kind]
    return areas


@kernel
def _paint(box: Patch, mine: Ints, corner: Ints, extent: Ints) -> None:
    """Give each voxel its bit in the four rows of cubes around it: 1, 4, 16, 64."""
    for r in range(mine.shape[0]):
        for k in range(4):
            z = mine[r, 0] - corner[0] + 1 - k // 2
            y = mine[r, 1] - corner[1] + 1 - k % 2
            start = (z * extent[1] + y) * extent[2] + 1 - corner[2]
            for at in range(start + mine[r, 2], start + mine[r, 3]):
                box[at] |= 1 << 2 * k
