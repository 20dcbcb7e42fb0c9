"""Rainfall watershed: each voxel runs uphill to its peak.

In: heights (z, y, x) int32 and the runs of the objects. Out: basins numbered 1…n in raster order of
their peaks.

Voxels are ordered by (height, smaller raster index first), a total order, so every voxel has one
highest neighbour and plateaus need no special case. Linear, local and deterministic: a voxel's
basin depends on the path to its peak only (steepest ascent: Beucher and Lantuéjoul 1979;
Cousty et al. 2009 call the result a watershed by drops of water).

First every voxel points to its highest neighbour (-1 - its raster index), whole rows at a time;
then these pointers are followed.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]


def rainfall(heights: Int32, inside: Runs, out: Int32 | None = None) -> tuple[Int32, Int64]:
    """Basins of the `heights` in runs; neighbours share a corner (8 in one plane, else 26).

    Parameters
    ----------
    heights : (z, y, x) int32 array
        Not negative.
    inside : Runs
        Of the objects.
    out : (z, y, x) int32 array, optional
        Memory to use, not that of `heights`.

    Returns
    -------
    basins : (z, y, x) int32 array
        1…b by raster order of the peaks; 0 elsewhere.
    peaks : (b,) int64 array
        Raster index of each basin's peak.
    """
    out = np.empty(heights.shape, np.int32) if out is None else out
    out[:] = 0
    peaks = _point(heights, inside, out)
    _follow(out, inside)
    return out, peaks


@kernel
def _point(heights: Int32, inside: Runs, out: Int32) -> Int64:
    """Number the peaks, and point all other voxels of the mask uphill."""
    nz, ny, nx = heights.shape
    rows = np.zeros((3, nx + 2), np.int32)
    top, best = np.empty(nx, np.int32), np.empty(nx, np.int32)
    peaks = np.empty(1024, np.int64)
    count = 0
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        top[:] = 0
        for k in range(-1 if z else 0, 2 if z + 1 < nz else 1):
            for j in range(0 if nz > 1 or y == 0 else 2, 3):
                _load(rows[(y + j) % 3], heights, inside, z + k, y + j - 1)
            _climb(rows[y % 3], rows[(y + 1) % 3], rows[(y + 2) % 3], k * ny * nx, top, best)
        if count + nx > peaks.size:
            peaks = np.append(peaks, np.empty(peaks.size + nx, np.int64))
        count = _number(best, row, inside, out, peaks, count)
    return peaks[:count]


@kernel
def _load(row: Int32, heights: Int32, inside: Runs, z: int, y: int) -> None:
    """Heights of one row above the ground at 0, padded by one."""
    ny = heights.shape[1]
    row[:] = 0
    if 0 <= y < ny:
        line = heights[z, y]
        for i in range(inside.first[z * ny + y], inside.first[z * ny + y + 1]):
            for x in range(inside.table[i, 0], inside.table[i, 1]):
                row[x + 1] = line[x] + 1


@kernel
def _number(best: Int32, row: int, inside: Runs, out: Int32, peaks: Int64, count: int) -> int:
    """Write a row of `out`: peaks get the next numbers; the new count of peaks."""
    nx = out.shape[2]
    flat = out.reshape(-1)
    for i in range(inside.first[row], inside.first[row + 1]):
        for x in range(inside.table[i, 0], inside.table[i, 1]):
            p = row * nx + x
            if best[x] == 0:
                peaks[count] = p
                count += 1
                flat[p] = count
            else:
                # Of an earlier voxel the basin is mostly known; a later one is 0 as yet.
                q = p + best[x]
                found = flat[q]
                flat[p] = found if found > 0 else -1 - q
    return count


@kernel
def _climb(before: Int32, here: Int32, after: Int32, plane: int, top: Int32, best: Int32) -> None:
    """Steps to the first highest of nine neighbours in raster order, if higher than `top`."""
    c, width = np.int32(plane), np.int32(top.size)
    a0, a1, a2 = before[:-2], before[1:-1], before[2:]
    b0, b1, b2 = here[:-2], here[1:-1], here[2:]
    c0, c1, c2 = after[:-2], after[1:-1], after[2:]
    for x in range(top.size):
        t, s = top[x], best[x]
        if a0[x] > t:
            t, s = a0[x], np.int32(c - width - 1)
        if a1[x] > t:
            t, s = a1[x], np.int32(c - width)
        if a2[x] > t:
            t, s = a2[x], np.int32(c - width + 1)
        if b0[x] > t:
            t, s = b0[x], np.int32(c - 1)
        if b1[x] > t:
            t, s = b1[x], c
        if b2[x] > t:
            t, s = b2[x], np.int32(c + 1)
        if c0[x] > t:
            t, s = c0[x], np.int32(c + width - 1)
        if c1[x] > t:
            t, s = c1[x], np.int32(c + width)
        if c2[x] > t:
            t, s = c2[x], np.int32(c + width + 1)
        top[x], best[x] = t, s


@kernel
def _follow(basins: Int32, inside: Runs) -> None:
    """Hand the peaks' numbers down the paths, from the last voxel to the first."""
    flat, nx = basins.reshape(-1), basins.shape[2]
    for row in range(inside.first.size - 2, -1, -1):
        for i in range(inside.first[row + 1] - 1, inside.first[row] - 1, -1):
            for x in range(inside.table[i, 1] - 1, inside.table[i, 0] - 1, -1):
                p = row * nx + x
                found = flat[-1 - flat[p] if flat[p] < 0 else p]
                if found > 0:
                    flat[p] = found
                    continue
                q = p
                while flat[q] < 0:
                    q = -1 - flat[q]
                found = flat[q]
                while flat[p] < 0:
                    q = -1 - flat[p]
                    flat[p] = found
                    p = q
