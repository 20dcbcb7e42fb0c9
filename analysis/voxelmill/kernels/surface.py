"""A coarse background surface: fitted once on the overview, sampled by position in every block.

In: overview values below the threshold. Out: a grid of integers, and its bilinear interpolation at
any voxel of the full image in fixed-point arithmetic, the same whatever the block.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Index, Spacing

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

UNIT = 2**12
"""Positions between two nodes of the grid are in 1/4096."""
LEAST = 0.05
"""A tile with a smaller share of background takes its neighbours' value."""


def tiles(shape: Index, spacing_um: Spacing, size_um: float, most: Index) -> Index:
    """Tiles along z, y, x, each at least `size_um` wide and no more than `most`."""
    z, y, x = (
        int(np.clip(n * s // size_um, 1, m))
        for n, s, m in zip(shape, spacing_um, most, strict=True)
    )
    return z, y, x


def floor_surface(values: Int32, valid: Mask, counts: Index) -> Int32:
    """A first surface without any threshold: low values of tiles, crowded tiles brought down.

    The fifth lowest of 20 parts of each tile's values; a morphological opening over the tiles
    removes those that stand out, and keeps slopes.
    """
    low = _by_tile(values, valid, counts, 20)
    size = tuple(min(3, c) for c in counts)
    return np.asarray(ndi.grey_opening(low, size=size, mode="nearest"), np.int32)


def fit_surface(values: Int32, background: Mask, counts: Index) -> Int32:
    """Median of the background voxels in each of `counts` tiles.

    Parameters
    ----------
    values : (z, y, x) int32 array
    background : (z, y, x) bool array
        Voxels that count.
    counts : tuple of int
        Tiles along z, y, x.

    Returns
    -------
    counts int32 array
        Tiles without enough background hold the mean of their neighbours.
    """
    return _by_tile(values, background, counts, 50)


def _by_tile(values: Int32, background: Mask, counts: Index, percent: float) -> Int32:
    grid = np.full(counts, np.nan)
    edges = [
        np.linspace(0, n, c + 1).astype(int) for n, c in zip(values.shape, counts, strict=True)
    ]
    for i in np.ndindex(counts):
        box = tuple(slice(e[k], e[k + 1]) for e, k in zip(edges, i, strict=True))
        inside = background[box]
        if inside.mean() >= LEAST:
            grid[i] = np.percentile(values[box][inside], percent)
    if np.isnan(grid).all():
        grid[:] = np.median(values[background]) if background.any() else np.median(values)
    return np.round(_fill(grid)).astype(np.int32)


def _fill(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    while np.isnan(grid).any():
        padded = np.pad(grid, 1, constant_values=np.nan)
        views = [np.roll(padded, s, a)[1:-1, 1:-1, 1:-1] for a in range(3) for s in (-1, 1)]
        known = np.sum([~np.isnan(v) for v in views], axis=0)
        total = np.nansum(views, axis=0)
        mend = np.isnan(grid) & (known > 0)
        grid[mend] = total[mend] / known[mend]
    return grid


def subtract_surface(
    values: Int32, grid: Int32, tile_um: Spacing, spacing_um: Spacing, origin: Index
) -> Int32:
    """`values` less the surface, for a block whose first voxel is at `origin` of the image.

    Parameters
    ----------
    values : (z, y, x) int32 array
    grid : (z', y', x') int32 array
        Surface at the tiles' centres.
    tile_um, spacing_um : tuple of float
        Size of a tile and of a voxel along z, y, x in µm.
    origin : tuple of int
        Voxel position of ``values[0, 0, 0]``.

    Returns
    -------
    (z, y, x) int32 array
    """
    if grid.size == 1:
        return np.asarray(values - grid.ravel()[0], np.int32)
    nodes = [
        _nodes(n, o, s / t, c)
        for n, o, s, t, c in zip(values.shape, origin, spacing_um, tile_um, grid.shape, strict=True)
    ]
    return _subtract(values, grid, *nodes)


def _nodes(n: int, origin: int, rate: float, count: int) -> Int64:
    """Position of each voxel on the grid in 1/UNIT; beyond the outer nodes the slope goes on."""
    place = np.floor((np.arange(n) + origin + 0.5) * rate * UNIT - UNIT / 2)
    outer = UNIT // 2 if count > 1 else 0
    return np.asarray(np.clip(place, -outer, (count - 1) * UNIT + outer), np.int64)


@kernel
def _subtract(values: Int32, grid: Int32, zs: Int64, ys: Int64, xs: Int64) -> Int32:
    out = np.empty_like(values)
    nz, ny, nx = grid.shape
    row = np.empty(nx, np.int64)
    for i in range(zs.size):
        z = max(0, min(zs[i] // UNIT, nz - 2))
        above, fz = min(z + 1, nz - 1), zs[i] - z * UNIT
        for j in range(ys.size):
            y = max(0, min(ys[j] // UNIT, ny - 2))
            below, fy = min(y + 1, ny - 1), ys[j] - y * UNIT
            for k in range(nx):
                front = grid[z, y, k] * (UNIT - fy) + grid[z, below, k] * fy
                back = grid[above, y, k] * (UNIT - fy) + grid[above, below, k] * fy
                row[k] = (front * (UNIT - fz) + back * fz) // UNIT
            for k in range(xs.size):
                x = max(0, min(xs[k] // UNIT, nx - 2))
                fx = xs[k] - x * UNIT
                level = row[x] * (UNIT - fx) + row[min(x + 1, nx - 1)] * fx
                out[i, j, k] = values[i, j, k] - level // (UNIT * UNIT)
    return out
