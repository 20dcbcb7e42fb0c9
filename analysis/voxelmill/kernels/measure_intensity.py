"""Brightness of each object in one channel: sums, edge, quantiles, centre of mass, brightest voxel.

In: `Objects`, one channel and which numbers are asked for. Out: one row an object. Sums run in
raster order within an object and positions count from its bounding box, so nothing depends on
where it lies.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Flags, Floats, Ints, Objects
from voxelmill.kernels.measure_outline import outlines
from voxelmill.kernels.measure_quantiles import quantiles, scratch
from voxelmill.kernels.measure_sort import longest
from voxelmill.kernels.measure_values import (
    MAX,
    MEAN,
    STD,
    SUM,
    add_up,
    batch_voxels,
    batches,
    deviate,
    flattened,
    read,
)
from voxelmill.plugin import Pixels

EDGE, QUANTILES, MASS, BRIGHTEST, COLUMNS = 5, 10, 14, 17, 20
"""First columns of the groups in a row, and its length."""
PASSES = (
    (STD, STD + 1),
    (EDGE, QUANTILES),
    (QUANTILES, MASS),
    (MASS, BRIGHTEST),
    (BRIGHTEST, COLUMNS),
)
"""Columns (half-open) that each pass over the voxels makes, beside the one that reads them."""


def brightness(objects: Objects, image: Pixels, wanted: Flags) -> Floats:
    """Measure one channel of all objects.

    Parameters
    ----------
    objects : Objects
        The objects.
    image : (z, y, x) array
        Pixels of any real type.
    wanted : (20,) bool array
        Columns that are asked for: what none of them needs is not computed.

    Returns
    -------
    (n, 20) float64 array
        Sum, mean, standard deviation (population), minimum, maximum; the same of the edge voxels;
        lower quartile, median, upper quartile, median absolute deviation; centre of mass z, y, x
        from the bounding box's corner, NaN where the values sum to 0; first brightest voxel,
        likewise. NaN throughout where an object has a NaN, and where nothing was asked for.
    """
    out = np.full((objects.ids.size, COLUMNS), np.nan)
    passes = tuple(bool(wanted[first:end].any()) for first, end in PASSES)
    flat = flattened(image)
    edges = objects.once(_edge_voxels) if passes[1] else _no_edges(objects)
    buffer = np.empty(batch_voxels(objects))
    for rows, starts in batches(objects):
        values, known = read(flat, objects, rows, buffer)
        first = objects.first[rows.start : rows.stop + 1]
        edge_first = edges[1][rows.start : rows.stop + 1]
        out[rows, :EDGE] = known
        _measure(
            values,
            starts,
            (objects.runs, first, objects.low[rows]),
            (edges[0], edge_first),
            passes,
            flat.dtype.kind in "iu",
            out[rows],
        )
    return out


def _edge_voxels(objects: Objects) -> tuple[Ints, Ints]:
    """List the edge voxels object by object, counted from its first voxel; offsets of objects."""
    starts = objects.starts
    places = np.flatnonzero(objects.once(outlines)[0])
    first = np.searchsorted(places, starts)
    return places - np.repeat(starts[:-1], np.diff(first)), first


def _no_edges(objects: Objects) -> tuple[Ints, Ints]:
    return np.empty(0, np.int64), np.zeros(objects.ids.size + 1, np.int64)


@kernel
def _measure(
    values: Floats,
    starts: Ints,
    where: tuple[Ints, Ints, Ints],
    edges: tuple[Ints, Ints],
    passes: tuple[bool, ...],
    whole: bool,
    out: Floats,
) -> None:
    runs, first, low = where
    places, edge_first = edges
    deviations, rims, spread, mass, peak = passes
    room = scratch(starts)
    rim = np.empty(longest(starts))
    for i in range(starts.size - 1):
        if np.isnan(out[i, SUM]):
            continue
        mine = values[starts[i] : starts[i + 1]]
        known = out[i, :EDGE]
        if deviations and not mass:
            deviate(mine, known)
        if rims:
            edge = _pick(mine, places[edge_first[i] : edge_first[i + 1]], rim)
            add_up(edge, out[i, EDGE:QUANTILES])
            deviate(edge, out[i, EDGE:QUANTILES])
        if spread:
            quantiles(mine, known, whole, room, out[i, QUANTILES:MASS])
        if mass:
            _centre(mine, runs[first[i] : first[i + 1]], low[i], known, out[i, MASS:BRIGHTEST])
        if peak:
            _brightest(mine, known[MAX], runs[first[i] :], low[i], out[i, BRIGHTEST:])


@kernel
def _pick(mine: Floats, places: Ints, room: Floats) -> Floats:
    for k in range(places.size):
        room[k] = mine[np.uint64(places[k])]
    return room[: places.size]


@kernel
def _centre(mine: Floats, runs: Ints, low: Ints, known: Floats, out: Floats) -> None:
    """Centre of mass, and the deviation on the way: the processor adds up both at once."""
    out[:] = 0.0
    mean = known[MEAN]
    squares = 0.0
    at = np.uint64(0)
    for r in range(runs.shape[0]):
        length = np.uint64(runs[r, 3] - runs[r, 2])
        x = float(runs[r, 2] - low[2])
        row = 0.0
        along = 0.0
        for step in range(length):
            v = mine[at + step]
            row += v
            along += v * x
            x += 1.0
            squares += (v - mean) * (v - mean)
        out[0] += row * (runs[r, 0] - low[0])
        out[1] += row * (runs[r, 1] - low[1])
        out[2] += along
        at += length
    known[STD] = np.sqrt(squares / mine.size)
    total = known[SUM] if known[SUM] != 0 else np.nan
    for axis in range(3):
        out[axis] /= total


@kernel
def _brightest(mine: Floats, most: float, runs: Ints, low: Ints, out: Floats) -> None:
    left = 0
    while mine[left] != most:
        left += 1
    r = 0
    while left >= runs[r, 3] - runs[r, 2]:
        left -= runs[r, 3] - runs[r, 2]
        r += 1
    for axis in range(3):
        out[axis] = runs[r, axis] - low[axis]
    out[2] += left
