"""Rings and wedges of each object around its innermost pixel, one plane.

In: `Objects` of one plane and each pixel's squared distance to the edge of its object. Out: one
small number a pixel that says in which ring and which of eight wedges it lies; it serves all
channels.

The centre is the first pixel, in raster order, that is farthest from the edge. Distances from it
run inside the object, from a pixel to one of its eight neighbours: 1 or √2 a step. They are counted
in integers, so equal ways are equal. Pixels of the same whole distance are settled together, which
needs no sorting (Dial 1969; exact, as no step is shorter than 1: Denardo & Fox 1979).
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ints, Objects

Sectors: TypeAlias = NDArray[np.uint16]
Places: TypeAlias = NDArray[np.int32]

WEDGES = 8
STRAIGHT = 93_222_358
DIAGONAL = 131_836_323
"""Steps of 1 and √2 in units of which there are STRAIGHT in a pixel; wrong by 4e-17 of it."""
NEVER = np.int64(2**62)
OUTSIDE = np.int64(-1)
SOFTENING_PX = 0.001
"""CellProfiler adds this to the distance across, lest it be 0."""


def sectors(objects: Objects, squares: Places, rings: int) -> Sectors:
    """Say in which ring and wedge each pixel lies.

    The ring is ``floor(rings * d / (d + e + 0.001 px))``: d is the way to the centre, e the
    straight distance to the nearest pixel that is not of the object. The wedge is 1 (below the
    centre) + 2 (right of it) + 4 (farther from it along y than along x).

    Parameters
    ----------
    objects : Objects
        Objects of one plane.
    squares : (n_voxels,) int32 array
        Squared distance to the nearest pixel outside, in the order of the objects' voxels.
    rings : int
        Number of rings, at most 1 000.

    Returns
    -------
    (n_voxels,) uint16 array
        ``8 * ring + wedge``; ``8 * rings`` where no way leads to the centre.
    """
    extent = objects.high - objects.low + 2
    ways = np.full(int((extent[:, 1] * extent[:, 2]).max(initial=0)), OUTSIDE)
    queues = np.empty((3, int(objects.sizes.max(initial=0))), np.int32)
    place = (objects.runs, objects.first, objects.low, extent)
    return _sectors(*place, squares, rings, ways, queues)


@kernel
def _sectors(
    runs: Ints,
    first: Ints,
    low: Ints,
    extent: Ints,
    squares: Places,
    rings: int,
    ways: Ints,
    queues: Places,
) -> Sectors:
    out = np.empty(squares.size, np.uint16)
    done = 0
    for i in range(first.size - 1):
        mine = runs[first[i] : first[i + 1]]
        line = extent[i, 2]
        # From the run's x on the image to its place on the patch.
        shift = (1 - low[i, 1]) * line + 1 - low[i, 2]
        at, size = _open(ways, mine, shift, line, squares[done:])
        _walk(ways, at, line, queues)
        here = squares[done : done + size]
        _assign(ways, mine, shift, line, at, here, rings, out[done : done + size])
        done += size
    return out


@kernel
def _open(ways: Ints, runs: Ints, shift: int, line: int, squares: Places) -> tuple[int, int]:
    """Mark the object's pixels as not yet reached; find its centre and count the pixels."""
    centre, farthest, count = 0, 0, 0
    for r in range(runs.shape[0]):
        start = runs[r, 1] * line + shift
        for at in range(start + runs[r, 2], start + runs[r, 3]):
            ways[at] = NEVER
            if squares[count] > farthest:
                farthest = squares[count]
                centre = at
            count += 1
    return centre, count


@kernel
def _walk(ways: Ints, centre: int, line: int, queues: Places) -> None:
    """Write the length of the shortest way from the centre.

    Three queues hold the pixels of this whole distance and the two to come. A pixel is put once
    into a queue, and again only into an earlier one; where it comes up again it has been settled.
    Places are unsigned: for signed ones numba looks whether they count from the end.
    """
    steps = (1, -1, line, -line, line - 1, line + 1, -line - 1, -line + 1)
    now, next_, last = queues[0], queues[1], queues[2]
    count, count_next, count_last = 1, 0, 0
    ways[centre] = 0
    now[0] = centre
    floor = 0
    while count + count_next + count_last > 0:
        for i in range(count):
            at = now[i]
            way = ways[at]
            if way < floor:
                continue
            for k in range(8):
                to = np.uint64(at + steps[k])
                longer = way + (STRAIGHT if k < 4 else DIAGONAL)
                known = ways[to]
                if longer >= known:
                    continue
                ways[to] = longer
                if longer >= floor + 2 * STRAIGHT:
                    if known == NEVER:
                        last[count_last] = to
                        count_last += 1
                elif known >= floor + 2 * STRAIGHT:
                    next_[count_next] = to
                    count_next += 1
        now, next_, last = next_, last, now
        count, count_next, count_last = count_next, count_last, 0
        floor += STRAIGHT


@kernel
def _assign(
    ways: Ints,
    runs: Ints,
    shift: int,
    line: int,
    centre: int,
    squares: Places,
    rings: int,
    out: Sectors,
) -> None:
    """Turn ways into rings and wedges, and leave the patch as it was."""
    voxel = 0
    for r in range(runs.shape[0]):
        start = runs[r, 1] * line + shift
        row = (start + runs[r, 2]) // line
        down = row - centre // line
        middle = row * line + centre % line
        for at in range(start + runs[r, 2], start + runs[r, 3]):
            right = at - middle
            way = ways[at]
            ways[at] = OUTSIDE
            out[voxel] = WEDGES * rings
            if way < NEVER:
                far = way / STRAIGHT
                share = far / (far + math.sqrt(squares[voxel]) + SOFTENING_PX)
                wedge = (down > 0) + 2 * (right > 0) + 4 * (abs(down) > abs(right))
                out[voxel] = WEDGES * int(share * rings) + wedge
            voxel += 1
