"""Cut basins that are too large to be judged within a block, alike in every block.

A basin reaches as far as the relief rises: over tissue, or where everything runs together, farther
than any halo. What is longer than a limit is cut along a grid that is fixed in the image; a piece
depends on nothing but which voxels of its cell lie in such basins.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import components
from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Index

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Cut:
    """What is too large, and the grid to cut it by: voxels along z, y, x."""

    limit: Index
    """A basin as long as this along any axis is too large."""
    cell: Index
    origin: Index
    """First voxel of the block in the whole image."""


def too_large(bounds: Int64, cut: Cut) -> Mask:
    """Which basins are; from their boxes (n + 1, 6) to (n + 1,)."""
    extent = bounds[:, 3:] - bounds[:, :3] + 1
    found: Mask = np.any(extent >= np.array(cut.limit), axis=1)
    found[0] = False
    return found


def cut_basins(
    basins: Int32, heights: Int32, top: Int64, large: Mask, cut: Cut
) -> tuple[Int64, int]:
    """Replace the basins that are too large by pieces of them, in place.

    Parameters
    ----------
    basins, heights : (z, y, x) int32 array
    top : (n + 1,) int64 array
        Height of each basin's peak.
    large : (n + 1,) bool array
    cut : Cut

    Returns
    -------
    top : (m + 1,) int64 array
        Height of each peak now. The other basins come first, in their order; pieces follow in
        raster order of their first voxel.
    whole : int
        Number of basins that are no pieces.
    """
    rows = [
        (np.arange(n) + o) // c - o // c
        for n, o, c in zip(basins.shape, cut.origin, cut.cell, strict=True)
    ]
    cells = np.zeros(basins.shape, np.int32)
    _mark(basins, large, rows[0], rows[1], rows[2], cells)
    pieces, count = components(cells, True)
    kept = np.flatnonzero(~large)
    number = np.zeros(large.size, np.int32)
    number[kept] = np.arange(kept.size)
    whole = kept.size - 1
    peaks = np.concatenate([top[kept], np.zeros(count, np.int64)])
    _replace(basins, heights, pieces, number, whole, peaks)
    return peaks, whole


@kernel
def _mark(basins: Int32, large: Mask, zs: Int64, ys: Int64, xs: Int64, cells: Int32) -> None:
    """Number the cell of each voxel of a large basin, from 1."""
    height, width = ys[-1] + 1, xs[-1] + 1
    for z in range(basins.shape[0]):
        for y in range(basins.shape[1]):
            base = (zs[z] * height + ys[y]) * width + 1
            for x in range(basins.shape[2]):
                if large[basins[z, y, x]]:
                    cells[z, y, x] = base + xs[x]


@kernel
def _replace(
    basins: Int32, heights: Int32, pieces: Int32, number: Int32, whole: int, peaks: Int64
) -> None:
    flat, height, piece = basins.reshape(-1), heights.reshape(-1), pieces.reshape(-1)
    for p in range(flat.size):
        if piece[p]:
            flat[p] = whole + piece[p]
            peaks[flat[p]] = max(peaks[flat[p]], np.int64(height[p]) + 1)
        elif flat[p]:
            flat[p] = number[flat[p]]
