"""Rainfall watershed: each voxel runs uphill to its peak.

In: heights (z, y, x) int32 and the mask of the objects. Out: basins numbered 1…n in raster order of
their peaks.

Voxels are ordered by (height, smaller raster index first), a total order, so every voxel has one
highest neighbour and plateaus need no special case. Linear, local and deterministic: a voxel's
basin depends on the path to its peak only (steepest ascent: Beucher and Lantuéjoul 1979;
Cousty et al. 2009 call the result a watershed by drops of water).

First every voxel gets the negative number of its highest neighbour, whole rows at a time; then
these are followed.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

SELF = -14
"""Neighbours are -1…-27 in raster order."""


def rainfall(heights: Int32, mask: Array, out: Int32 | None = None) -> tuple[Int32, Int64]:
    """Basins of `heights` within the mask; neighbours share a corner (8 in one plane, else 26).

    Parameters
    ----------
    heights : (z, y, x) int32 array
        Not negative.
    mask : (z, y, x) bool or uint8 array
    out : (z, y, x) int32 array, optional
        Memory to use, not that of `heights`.

    Returns
    -------
    basins : (z, y, x) int32 array
        1…b by raster order of the peaks; 0 outside the mask.
    peaks : (b,) int64 array
        Raster index of each basin's peak.
    """
    out = np.empty(heights.shape, np.int32) if out is None else out
    _, ny, nx = heights.shape
    steps = [(z * ny + y) * nx + x for z in (-1, 0, 1) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    table = np.array([0, *steps], np.int64)
    peaks = _point(heights, mask, table, out)
    _follow(out.reshape(-1), table)
    return out, peaks


@kernel
def _point(heights: Int32, mask: Array, steps: Int64, out: Int32) -> Int64:
    """Number the peaks, and point all other voxels of the mask uphill."""
    nz, ny, nx = heights.shape
    rows = np.zeros((3, nx + 2), np.int32)
    top = np.empty(nx, np.int32)
    peaks = np.empty(1024, np.int64)
    flat = out.reshape(-1)
    count = 0
    for z in range(nz):
        for y in range(ny):
            line = out[z, y]
            top[:] = 0
            line[:] = 0
            for k in range(-1 if nz > 1 else 0, 2 if nz > 1 else 1):
                if not 0 <= z + k < nz:
                    continue
                for j in range(3):
                    _load(rows[j], heights, mask, z + k, y + j - 1)
                _climb(rows[0], rows[1], rows[2], -1 - 9 * (k + 1), top, line)
            if count + nx > peaks.size:
                peaks = np.append(peaks, np.empty(peaks.size + nx, np.int64))
            inside = mask[z, y]
            for x in range(nx):
                code = line[x] if inside[x] else np.int32(0)
                if code == SELF:
                    peaks[count] = (z * ny + y) * nx + x
                    count += 1
                    code = np.int32(count)
                elif code > SELF and code < 0:
                    # An earlier voxel: mostly its basin is known already.
                    found = flat[(z * ny + y) * nx + x + steps[-code]]
                    code = found if found > 0 else code
                line[x] = code
    return peaks[:count]


@kernel
def _load(row: Int32, heights: Int32, mask: Array, z: int, y: int) -> None:
    """Heights of one row above the ground at 0, padded by one."""
    if not 0 <= y < heights.shape[1]:
        row[:] = 0
        return
    line, inside, inner = heights[z, y], mask[z, y], row[1 : row.size - 1]
    for x in range(line.size):
        inner[x] = np.int32(line[x] + 1) if inside[x] else np.int32(0)


@kernel
def _climb(before: Int32, here: Int32, after: Int32, code: int, top: Int32, best: Int32) -> None:
    """The first highest of nine neighbours in raster order, if higher than `top`."""
    c = np.int32(code)
    a0, a1, a2 = before[:-2], before[1:-1], before[2:]
    b0, b1, b2 = here[:-2], here[1:-1], here[2:]
    c0, c1, c2 = after[:-2], after[1:-1], after[2:]
    for x in range(top.size):
        t, s = top[x], best[x]
        if a0[x] > t:
            t, s = a0[x], c
        if a1[x] > t:
            t, s = a1[x], np.int32(c - 1)
        if a2[x] > t:
            t, s = a2[x], np.int32(c - 2)
        if b0[x] > t:
            t, s = b0[x], np.int32(c - 3)
        if b1[x] > t:
            t, s = b1[x], np.int32(c - 4)
        if b2[x] > t:
            t, s = b2[x], np.int32(c - 5)
        if c0[x] > t:
            t, s = c0[x], np.int32(c - 6)
        if c1[x] > t:
            t, s = c1[x], np.int32(c - 7)
        if c2[x] > t:
            t, s = c2[x], np.int32(c - 8)
        top[x], best[x] = t, s


@kernel
def _follow(basins: Int32, steps: Int64) -> None:
    """Hand the peaks' numbers down the paths, from the last voxel to the first."""
    for p in range(basins.size - 1, -1, -1):
        if basins[p] >= 0:
            continue
        q = p + steps[-basins[p]]
        while basins[q] < 0:
            q += steps[-basins[q]]
        found = basins[q]
        q = p
        while basins[q] < 0:
            after = q + steps[-basins[q]]
            basins[q] = found
            q = after
