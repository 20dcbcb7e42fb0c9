"""A coarse background surface: fitted once on the overview; `level` samples it in every block.

In: overview values below the threshold. Out: a grid of integers.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.histogram import LARGEST
from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Index, Spacing

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

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
    from scipy import ndimage as ndi  # most steps start without it

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
    z, y, x = (
        np.linspace(0, n, c + 1).astype(np.int64) for n, c in zip(values.shape, counts, strict=True)
    )
    grid = _tile_quantiles(values, background, z, y, x, percent / 100)
    if np.isnan(grid).all():
        grid[:] = np.median(values[background]) if background.any() else np.median(values)
    return np.round(_fill(grid)).astype(np.int32)


@kernel
def _tile_quantiles(
    values: Int32, mask: Mask, zs: Int64, ys: Int64, xs: Int64, share: float
) -> Float64:
    """Quantile of the values in the mask, for each tile between the edges `zs`, `ys`, `xs`."""
    grid = np.full((zs.size - 1, ys.size - 1, xs.size - 1), np.nan)
    tile = np.diff(zs).max() * np.diff(ys).max() * np.diff(xs).max()
    found = np.empty(tile + 1, np.int32)
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            for k in range(grid.shape[2]):
                size = (zs[i + 1] - zs[i]) * (ys[j + 1] - ys[j]) * (xs[k + 1] - xs[k])
                n = 0
                for z in range(zs[i], zs[i + 1]):
                    for y in range(ys[j], ys[j + 1]):
                        for x in range(xs[k], xs[k + 1]):
                            found[n] = values[z, y, x]
                            n += mask[z, y, x]
                if n and n >= LEAST * size:
                    grid[i, j, k] = _quantile(found[:n], share)
    return grid


@kernel
def _quantile(values: Int32, share: float) -> float:
    """Quantile, linear between two ranks, from a histogram of the upper and of the lower bits."""
    place = share * (values.size - 1)
    low, high = int(place), int(np.ceil(place))
    upper = np.zeros(2 * LARGEST // 1024 + 1, np.int32)
    for v in values:
        upper[(v + LARGEST) >> 10] += 1
    part, below = 0, 0
    while below + upper[part] <= low:
        below += upper[part]
        part += 1
    lower = np.zeros(1024, np.int32)
    after = 2 * LARGEST
    for v in values:
        here = (v + LARGEST) >> 10
        if here == part:
            lower[v & 1023] += 1
        elif here > part:
            after = min(after, v)
    seen, k = below + lower[0], 0
    while seen <= low:
        k += 1
        seen += lower[k]
    first = part * 1024 + k - LARGEST
    if high < seen:
        return float(first)
    k += 1
    while k < 1024 and lower[k] == 0:
        k += 1
    second = part * 1024 + k - LARGEST if k < 1024 else after
    return first + (second - first) * (place - low)


def _fill(grid: Float64) -> Float64:
    while np.isnan(grid).any():
        padded = np.pad(grid, 1, constant_values=np.nan)
        views = [np.roll(padded, s, a)[1:-1, 1:-1, 1:-1] for a in range(3) for s in (-1, 1)]
        known = np.sum([~np.isnan(v) for v in views], axis=0)
        total = np.nansum(views, axis=0)
        mend = np.isnan(grid) & (known > 0)
        grid[mend] = total[mend] / known[mend]
    return grid
