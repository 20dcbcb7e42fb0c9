"""Pixels to integers above a background surface, by position in the image.

In: one channel of a block and the grid of the surface. Out: (z, y, x) int32, the quantised image
less the surface's bilinear interpolation in fixed-point arithmetic, the same in every block.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.quantise import lookup, native, quantise
from voxelmill.plugin import Array, Index, Spacing

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

BITS = 12
UNIT = 2**BITS
"""Positions between two nodes of the grid are in 1/4096."""


def level(
    image: Array,
    scale: tuple[float, float],
    grid: Int32,
    tile_um: Spacing,
    spacing_um: Spacing,
    origin: Index,
) -> Int32:
    """Quantise a block, and subtract the surface.

    Parameters
    ----------
    image : (z, y, x) array
    scale : tuple of float
        Offset and gain: see `quantise`.
    grid : (z', y', x') int32 array
        Surface at the tiles' centres.
    tile_um, spacing_um : tuple of float
        Size of a tile and of a voxel along z, y, x in µm.
    origin : tuple of int
        Voxel position of ``image[0, 0, 0]``.

    Returns
    -------
    (z, y, x) int32 array
    """
    table = lookup(image.dtype, *scale)
    if not table.size:
        return subtract_surface(quantise(image, *scale), grid, tile_um, spacing_um, origin)
    zs, ys, xs = _places(image.shape, grid, tile_um, spacing_um, origin)
    out = np.empty(image.shape, np.int32)
    _level(native(image), table, np.ascontiguousarray(grid), zs, ys, xs, out)
    return out


def subtract_surface(
    values: Int32, grid: Int32, tile_um: Spacing, spacing_um: Spacing, origin: Index
) -> Int32:
    """The same for `values` that are quantised already."""
    zs, ys, xs = _places(values.shape, grid, tile_um, spacing_um, origin)
    out = np.empty(values.shape, np.int32)
    _level(values, np.empty(0, np.int32), np.ascontiguousarray(grid), zs, ys, xs, out)
    return out


def _places(
    shape: tuple[int, ...], grid: Int32, tile_um: Spacing, spacing_um: Spacing, origin: Index
) -> list[Int64]:
    """Positions on the grid of the voxels along each axis."""
    return [
        _nodes(n, o, s / t, c)
        for n, o, s, t, c in zip(shape, origin, spacing_um, tile_um, grid.shape, strict=True)
    ]


def _nodes(n: int, origin: int, rate: float, count: int) -> Int64:
    """Position of each voxel on the grid in 1/UNIT; beyond the outer nodes the slope goes on."""
    place = np.floor((np.arange(n) + origin + 0.5) * rate * UNIT - UNIT / 2)
    outer = UNIT // 2 if count > 1 else 0
    return np.asarray(np.clip(place, -outer, (count - 1) * UNIT + outer), np.int64)


@kernel
def _level(
    image: Array, table: Int32, grid: Int32, zs: Int64, ys: Int64, xs: Int64, out: Int32
) -> None:
    nx = grid.shape[2]
    node = np.maximum(0, np.minimum(xs >> BITS, nx - 2))
    part = xs - (node << BITS)
    row = np.empty(nx, np.int64)
    for i in range(zs.size):
        for j in range(ys.size):
            _surface_row(grid, zs[i], ys[j], row)
            line, source = out[i, j], image[i, j]
            if table.size:
                for k in range(xs.size):
                    line[k] = table[source[k]]
            else:
                for k in range(xs.size):
                    line[k] = source[k]
            start = 0
            while start < xs.size:
                first, stop = node[start], start + 1
                while stop < xs.size and node[stop] == first:
                    stop += 1
                base, slope = row[first] << BITS, row[min(first + 1, nx - 1)] - row[first]
                here, places = line[start:stop], part[start:stop]
                for k in range(stop - start):
                    here[k] -= (base + slope * places[k]) >> (2 * BITS)
                start = stop


@kernel
def _surface_row(grid: Int32, z_place: int, y_place: int, row: Int64) -> None:
    """Surface at all nodes along x, for one position along z and y, in 1/UNIT."""
    nz, ny, nx = grid.shape
    z = max(0, min(z_place >> BITS, nz - 2))
    y = max(0, min(y_place >> BITS, ny - 2))
    fz, fy = z_place - z * UNIT, y_place - y * UNIT
    above, below = min(z + 1, nz - 1), min(y + 1, ny - 1)
    for k in range(nx):
        front = grid[z, y, k] * (UNIT - fy) + grid[z, below, k] * fy
        back = grid[above, y, k] * (UNIT - fy) + grid[above, below, k] * fy
        row[k] = (front * (UNIT - fz) + back * fz) >> BITS
