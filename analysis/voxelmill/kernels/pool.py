"""Means over the cells of a regular grid, in one pass."""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array, Index


def pool(pixels: Array, cell: Index) -> Array:
    """Mean over cells; a remainder at the far end is left out.

    Parameters
    ----------
    pixels : (z, y, x) array
    cell : tuple of int
        Extent of a cell along z, y, x.

    Returns
    -------
    (z', y', x') array of the same dtype
        Integers are summed exactly and rounded down, floats in raster order within a cell, so the
        same comes out wherever a cell lies.
    """
    z, y, x = (n // c for n, c in zip(pixels.shape, cell, strict=True))
    whole = np.issubdtype(pixels.dtype, np.integer) or pixels.dtype == bool
    sums = np.zeros((z, y, x), np.int64 if whole else np.float64)
    _add(pixels.view(np.uint8) if pixels.dtype == bool else pixels, *cell, sums)
    size = int(np.prod(cell))
    means: Array = (sums // size if whole else sums / size).astype(pixels.dtype)
    return means


@kernel
def _add(pixels: Array, depth: int, height: int, width: int, sums: Array) -> None:
    nz, ny, nx = sums.shape
    for z in range(nz * depth):
        for y in range(ny * height):
            line, total = pixels[z, y], sums[z // depth, y // height]
            for x in range(nx):
                part = total[x]
                for i in range(x * width, (x + 1) * width):
                    part += line[i]
                total[x] = part
