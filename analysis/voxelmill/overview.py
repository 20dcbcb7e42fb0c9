"""The whole frame, mean-pooled until it fits in memory: what ``fit`` sees.

Always computed from level 0 and on a fixed grid of cells, so it does not depend on blocks, on
storage chunks, or on whether (and how) somebody else has written a pyramid.
"""

import numpy as np

from voxelmill.blocks import Box
from voxelmill.ends import Source
from voxelmill.plugin import Array, Index, Pixels, Spacing

MAX_VOXELS = 3 * 2**19
"""Size of an overview: fields of up to 1250² are seen at full resolution."""
SLAB_VOXELS = 2**24
"""How much is read at once."""


def factors(shape: Index, spacing_um: Spacing, limit: int = MAX_VOXELS) -> Index:
    """Smallest pooling factors along z, y, x that bring `shape` to at most `limit` voxels.

    Voxels are pooled towards cubes: z only where it is sampled as finely as the pooled plane.
    """
    z, y, x = shape
    plane = 1
    while True:
        depth = max(1, min(z, int(plane * spacing_um[2] / spacing_um[0])))
        rows, columns = min(plane, y), min(plane, x)
        if (z // depth) * (y // rows) * (x // columns) <= limit:
            return depth, rows, columns
        plane += 1


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
        Integers are summed exactly and rounded down, so the order of summation does not matter.
    """
    z, y, x = (n // c for n, c in zip(pixels.shape, cell, strict=True))
    kept = pixels[: z * cell[0], : y * cell[1], : x * cell[2]]
    split = kept.reshape(z, cell[0], y, cell[1], x, cell[2])
    if np.issubdtype(pixels.dtype, np.integer):
        mean = split.sum(axis=(1, 3, 5), dtype=np.int64) // int(np.prod(cell))
    else:
        mean = split.mean(axis=(1, 3, 5), dtype=np.float64)
    pooled: Array = mean.astype(pixels.dtype)
    return pooled


def overview(source: Source, t: int, channel: int) -> tuple[Pixels, Spacing]:
    """Pool one channel of one frame.

    Returns
    -------
    pixels : (1, z, y, x) array
        In the image's dtype.
    spacing_um : tuple of float
        Voxel size of the overview along z, y, x in micrometres.
    """
    _, _, depth, height, width = source.shape
    cell = factors((depth, height, width), source.spacing_um)
    rows = max(1, SLAB_VOXELS // (cell[0] * cell[1] * width)) * cell[1]
    layers = []
    for z in range(0, depth - cell[0] + 1, cell[0]):
        slabs = []
        for y in range(0, height - cell[1] + 1, rows):
            box = Box((z, y, 0), (z + cell[0], min(height, y + rows), width))
            slabs.append(pool(source.read(t, (channel,), box)[0], cell))
        layers.append(np.concatenate(slabs, axis=1))
    dz, dy, dx = (s * c for s, c in zip(source.spacing_um, cell, strict=True))
    return np.concatenate(layers)[None], (dz, dy, dx)
