"""Granularity spectra: the light that openings of growing width remove from each object.

In: `Objects` and one channel's values listed object by object. Out: one row an object. Every object
is painted alone on a small empty patch, so neither its neighbours nor the ends of the array can be
seen.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints, Objects
from voxelmill.kernels.measure_maxtree import DIGIT, Ranks, add_spectrum, find_widths, sort_cells
from voxelmill.kernels.measure_opening import chords, subtract_background

LEAST = np.finfo(np.float64).eps
"""Smallest mean that is divided by."""


def spectra(values: Floats, objects: Objects, length: int, radius: int, pool: int) -> Floats:
    """Granularity spectrum of each object.

    Parameters
    ----------
    values : (n_voxels,) float64 array
        Grey values in the order of the objects' voxels; those below 0 count as 0.
    objects : Objects
        Where they are.
    length : int
        Openings.
    radius : int
        Of the disc (ball) that finds the background, in cells.
    pool : int
        Side of the square (cube) of voxels that makes a cell, from the bounding box's corner.

    Returns
    -------
    (n, length) float64 array
        Removed by each opening, in per cent of the mean; NaN where a value is not finite.
    """
    rim = np.array([0 if objects.planar else 1, 1, 1])
    shapes = 2 * rim - (objects.low - objects.high) // pool
    room = int(shapes.prod(axis=1).max(initial=0))
    most = int(objects.sizes.max(initial=0))
    where = objects.runs, objects.first, objects.low
    disc = chords(radius, objects.planar)
    return _spectra(values, *where, shapes, rim, disc, pool, room, most, length)


@kernel
def _spectra(
    values: Floats,
    runs: Ints,
    first: Ints,
    low: Ints,
    shapes: Ints,
    rim: Ints,
    disc: Ints,
    pool: int,
    room: int,
    most: int,
    length: int,
) -> Floats:
    """Measure with patches of `room` cells, for objects of at most `most` voxels."""
    found = np.empty((first.size - 1, length))
    light, inside = np.empty(room), np.empty(room, np.uint32)
    floats = (np.empty(room), np.empty(room), np.empty(room), np.empty(room))
    ranks = (np.empty(room, np.uint32), np.empty(room, np.uint32))
    cells, keys = np.empty(most, np.int64), np.empty(most, np.int64)
    places = np.empty(most, np.int64)
    sorting = (np.empty(most, np.int64), np.empty(most, np.int64), np.empty(1 << DIGIT, np.int64))
    widths = np.empty(most + 1, np.uint32)
    joining = (np.empty(most + 1, np.uint32), np.empty(most + 1, np.uint32), np.empty(most + 1))
    removed = np.empty(length + 1)
    done = 0
    for i in range(first.size - 1):
        shape = shapes[i]
        size = shape[0] * shape[1] * shape[2]
        light[:size] = 0.0
        inside[:size] = 0
        mine = runs[first[i] : first[i + 1]]
        done += _paint(light, inside, values[done:], mine, low[i], shape, rim, pool)
        count, total = _collect(light, inside[:size], cells)
        if not np.isfinite(total):
            found[i] = np.nan
            continue
        removed[:] = 0.0
        removed[0] = subtract_background(light, cells[:count], shape, rim, disc, floats)
        levels, order = sort_cells(light, cells[:count], keys, places, sorting)
        for k in range(order.size):
            inside[order[k]] = k + 1
        find_widths(inside, shape, rim, length, widths[: order.size + 1], ranks)
        add_spectrum(inside, order, levels, _neighbours(shape, rim), widths, joining, removed)
        mean = max(total / count, LEAST)
        for k in range(length):
            found[i, k] = removed[k] / count * 100 / mean
    return found


@kernel
def _neighbours(shape: Ints, rim: Ints) -> Ints:
    steps = np.empty(6 if rim[0] > 0 else 4, np.int64)
    steps[0], steps[1], steps[2], steps[3] = -1, 1, -shape[2], shape[2]
    if rim[0] > 0:
        steps[4], steps[5] = -shape[1] * shape[2], shape[1] * shape[2]
    return steps


@kernel
def _paint(
    light: Floats,
    inside: Ranks,
    values: Floats,
    runs: Ints,
    corner: Ints,
    shape: Ints,
    rim: Ints,
    pool: int,
) -> int:
    """Add the values to their cells of `light`, count them in `inside`; how many there were."""
    k = 0
    for r in range(runs.shape[0]):
        z = (runs[r, 0] - corner[0]) // pool + rim[0]
        y = (runs[r, 1] - corner[1]) // pool + rim[1]
        x = runs[r, 2] - corner[2]
        at = (z * shape[1] + y) * shape[2] + x // pool + rim[2]
        left = pool - x % pool
        for _ in range(runs[r, 2], runs[r, 3]):
            # Times 0, not 0: what is not finite must show in the sum.
            light[at] += values[k] * (1.0 if values[k] > 0 else 0.0)
            inside[at] += 1
            k += 1
            left -= 1
            if left == 0:
                at += 1
                left = pool
    return k


@kernel
def _collect(light: Floats, inside: Ranks, cells: Ints) -> tuple[int, float]:
    """List the object's cells, make their sums means and clear `inside`; sum of the means."""
    count = 0
    total = 0.0
    for at in range(inside.size):
        if inside[at] > 0:
            light[at] /= inside[at]
            inside[at] = 0
            total += light[at]
            cells[count] = at
            count += 1
    return count, total
