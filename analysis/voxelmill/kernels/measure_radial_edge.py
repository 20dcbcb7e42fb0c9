"""Exact distance of each pixel to the edge of its object, squared, one plane.

In: `Objects` of one plane. Out: one integer a pixel. Every object is taken alone: its neighbours
and all beyond the array are outside. Columns first, then the lower envelope of parabolas along each
run (Meijster, Roerdink & Hesselink 2000); nothing beyond the run's ends can be nearer than these.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ints, Objects
from voxelmill.kernels.measure_radial import Places

ONE = np.uint64(1)


def edge_squares(objects: Objects) -> Places:
    """Squared distance from each pixel's centre to the nearest one that is not of its object.

    Returns
    -------
    (n_voxels,) int32 array
        Square pixels, in the order of the objects' voxels; at least 1.
    """
    extent = objects.high - objects.low + 2
    heights = np.zeros(int((extent[:, 1] * extent[:, 2]).max(initial=0)), np.int32)
    widest = int(extent[:, 2].max(initial=0))
    place = (objects.runs, objects.first, objects.low, extent)
    return _edge_squares(*place, int(objects.sizes.sum()), heights, np.empty((3, widest), np.int64))


@kernel
def _edge_squares(
    runs: Ints, first: Ints, low: Ints, extent: Ints, count: int, heights: Places, stack: Ints
) -> Places:
    out = np.empty(count, np.int32)
    done = 0
    for i in range(first.size - 1):
        line = extent[i, 2]
        shift = (1 - low[i, 1]) * line + 1 - low[i, 2]
        for r in range(first[i], first[i + 1]):
            start = runs[r, 1] * line + shift
            for at in range(start + runs[r, 2], start + runs[r, 3]):
                heights[at] = heights[at - line] + 1
        for r in range(first[i + 1] - 1, first[i] - 1, -1):
            start = runs[r, 1] * line + shift
            for at in range(start + runs[r, 2], start + runs[r, 3]):
                heights[at] = min(heights[at], heights[at + line] + 1)
        for r in range(first[i], first[i + 1]):
            start = runs[r, 1] * line + shift + runs[r, 2]
            size = runs[r, 3] - runs[r, 2]
            _along(heights[start - 1 : start + size + 1], stack, out[done : done + size])
            done += size
        for r in range(first[i], first[i + 1]):
            start = runs[r, 1] * line + shift
            heights[start + runs[r, 2] : start + runs[r, 3]] = 0
    return out


@kernel
def _along(heights: Places, stack: Ints, out: Places) -> None:
    """Least squared distance along a run; `heights` is 0 just before and just after it.

    Column s stands u² - 2us + level below column u, its level being s² + height². The stack lists
    the columns that are somewhere the lowest, and from where on. Its top is unsigned: for signed
    indices numba looks, at every access, whether they count from the end.
    """
    column, since, level = stack[0], stack[1], stack[2]
    # The first column is never taken off: it is 0 where it stands, and the others are not.
    column[0], since[0], level[0] = 0, 0, 0
    top = np.uint64(0)
    for u in range(1, heights.size):
        height = np.int64(heights[u])
        mine = u * u + height * height
        while level[top] - mine > 2 * since[top] * (column[top] - u):
            top -= ONE
        # Never negative, and exact: both are far below 2**53.
        start = int((mine - level[top]) / (2 * (u - column[top]))) + 1
        if start < heights.size:
            top += ONE
            column[top], since[top], level[top] = u, start, mine
    for u in range(out.size, 0, -1):
        while u < since[top]:
            top -= ONE
        out[u - 1] = u * u - 2 * u * column[top] + level[top]
