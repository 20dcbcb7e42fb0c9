"""Texture of each object: its grey levels, and the pairs of levels at a step from each other.

In: `Objects` and one channel's values listed object by object. Out: Haralick's features by step.
Every object is painted alone on a patch of its bounding box, so no neighbour takes part. Pairs are
counted in a matrix over the object's own range of levels that is never scanned: the pairs that
occur are listed, so the work is that of the object's voxels, not of 256 x 256 levels.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Flags, Floats, Ints, Objects
from voxelmill.kernels.measure_haralick import FEATURES, Scratch, describe, scratch

Grey: TypeAlias = NDArray[np.uint8]

MOST = 255


def grey_table(gray_levels: int) -> Grey:
    """Level of each byte: 0 … 255 cut to 0 … gray_levels - 1 as CellProfiler does.

    Returns
    -------
    (256,) uint8 array
    """
    if gray_levels == MOST + 1:
        return np.arange(MOST + 1, dtype=np.uint8)
    return np.array([int(b / MOST * (gray_levels - 1)) for b in range(MOST + 1)], np.uint8)


def textures(
    values: Floats, objects: Objects, full_scale: float, table: Grey, steps: Ints, wanted: Flags
) -> Floats:
    """Measure the texture of each object.

    A value becomes the byte nearest to ``value / full_scale * 255`` (ties to even, cut to 0 … 255)
    and then a level by `table`. Level 0 takes part in no pair.

    Parameters
    ----------
    values : (n_voxels,) float64 array
        What ``gather`` made of a channel.
    objects : Objects
        Their n objects.
    full_scale : float
        Grey value that becomes the byte 255.
    table : (256,) uint8 array
        From ``grey_table``.
    steps : (n_scales, n_directions, 3) int64 array
        From a voxel to its partner along z, y, x; the partner must come later in raster order.
    wanted : (n_scales, n_directions) bool array
        What to measure.

    Returns
    -------
    (n_scales, n_directions, FEATURES, n) float64 array
        NaN where an object has a NaN, where any step of the scale joins no pair, and where not
        wanted.
    """
    extent = objects.high - objects.low
    patch = np.zeros(int(extent.prod(axis=1).max(initial=0)), np.uint8)
    levels = np.empty(int(objects.sizes.max(initial=0)), np.uint8)
    out = np.full((*wanted.shape, FEATURES, objects.ids.size), np.nan)
    _textures(
        values,
        objects.starts,
        objects.runs,
        objects.first,
        objects.low,
        extent,
        full_scale,
        table,
        steps,
        wanted,
        levels,
        patch,
        scratch(),
        out,
    )
    return out


@kernel
def _textures(
    values: Floats,
    starts: Ints,
    runs: Ints,
    first: Ints,
    low: Ints,
    extent: Ints,
    full_scale: float,
    table: Grey,
    steps: Ints,
    wanted: Flags,
    levels: Grey,
    patch: Grey,
    work: Scratch,
    out: Floats,
) -> None:
    for i in range(first.size - 1):
        mine = runs[first[i] : first[i + 1]]
        lowest, highest = _grey(values[starts[i] : starts[i + 1]], full_scale, table, levels)
        if highest == 0:
            continue
        span = highest - lowest + 1
        _paint(patch, mine, low[i], extent[i], levels, lowest - 1)
        for s in range(steps.shape[0]):
            if not _all_paired(patch, mine, low[i], extent[i], steps[s]):
                continue
            for d in range(steps.shape[1]):
                if wanted[s, d]:
                    used = _count_pairs(patch, mine, low[i], extent[i], steps[s, d], span, work)
                    describe(used, lowest, span, work, out[s, d, :, i])
        levels[: starts[i + 1] - starts[i]] = 0
        _paint(patch, mine, low[i], extent[i], levels, 0)


@kernel
def _grey(values: Floats, full_scale: float, table: Grey, levels: Grey) -> tuple[int, int]:
    """Set `levels`; return the lowest above 0 and the highest, 0 for both if there is a NaN."""
    lowest = MOST
    highest = 0
    for k in range(values.size):
        if np.isnan(values[k]):
            return 0, 0
        byte = min(max(np.rint(values[k] / full_scale * MOST), 0.0), float(MOST))
        level = table[np.uint8(byte)]
        levels[k] = level
        highest = max(highest, level)
        if level > 0:
            lowest = min(lowest, level)
    return lowest, highest


@kernel
def _paint(patch: Grey, runs: Ints, corner: Ints, extent: Ints, levels: Grey, base: int) -> None:
    """Paint the levels above `base`, counted from there."""
    k = 0
    for r in range(runs.shape[0]):
        row = (runs[r, 0] - corner[0]) * extent[1] + runs[r, 1] - corner[1]
        start = row * extent[2] - corner[2]
        for at in range(start + runs[r, 2], start + runs[r, 3]):
            patch[at] = max(levels[k] - base, 0)
            k += 1


@kernel
def _partners(run: Ints, corner: Ints, extent: Ints, step: Ints) -> tuple[np.uint64, np.uint64]:
    """Where on the patch the voxels of a run begin and end whose partner is on the patch too."""
    z = run[0] - corner[0]
    y = run[1] - corner[1]
    start = max(run[2] - corner[2], -step[2])
    stop = min(run[3] - corner[2], extent[2] - step[2])
    inside = z + step[0] < extent[0] and 0 <= y + step[1] < extent[1]
    if not inside or stop <= start:
        return np.uint64(0), np.uint64(0)
    row = (z * extent[1] + y) * extent[2]
    return np.uint64(row + start), np.uint64(row + stop)


@kernel
def _offset(extent: Ints, step: Ints) -> np.uint64:
    return np.uint64((step[0] * extent[1] + step[1]) * extent[2] + step[2])


@kernel
def _all_paired(patch: Grey, runs: Ints, corner: Ints, extent: Ints, steps: Ints) -> bool:
    """Whether every step joins two voxels above level 0."""
    for d in range(steps.shape[0]):
        offset = _offset(extent, steps[d])
        joined = False
        for r in range(runs.shape[0]):
            start, stop = _partners(runs[r], corner, extent, steps[d])
            for at in range(start, stop):
                joined = joined or min(patch[at], patch[at + offset]) > 0
            if joined:
                break
        if not joined:
            return False
    return True


@kernel
def _count_pairs(
    patch: Grey, runs: Ints, corner: Ints, extent: Ints, step: Ints, span: int, work: Scratch
) -> int:
    """Count the pairs in ``work.cells`` and list them in ``work.pairs``; return how many differ."""
    offset = _offset(extent, step)
    stride = np.uint64(span + 1)
    used = np.uint64(0)
    for r in range(runs.shape[0]):
        start, stop = _partners(runs[r], corner, extent, step)
        for at in range(start, stop):
            low = np.uint64(min(patch[at], patch[at + offset]))
            if low > 0:
                high = np.uint64(max(patch[at], patch[at + offset]))
                cell = low * stride + high
                before = work.cells[cell]
                work.cells[cell] = before + 1
                work.pairs[used] = low << np.uint64(8) | high
                if before == 0:
                    used += np.uint64(1)
    return int(used)
