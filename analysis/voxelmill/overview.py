"""The whole frame, mean-pooled until it fits in memory: what ``fit`` sees.

Always computed from level 0 and on a fixed grid of cells, so it does not depend on blocks, on
storage chunks, or on whether (and how) somebody else has written a pyramid.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, prod

import numpy as np

from voxelmill.blocks import Box
from voxelmill.ends import Source
from voxelmill.kernels.pool import pool
from voxelmill.plugin import Index, Pixels, Spacing

MAX_VOXELS = 3 * 2**19
"""Size of an overview: fields of up to 1250² are seen at full resolution."""
SLAB_VOXELS = 2**24
"""How much is read at once."""
SLAB_DEPTH = 32


def factors(shape: Index, spacing_um: Spacing, limit: int = MAX_VOXELS) -> Index:
    """Smallest pooling factors along z, y, x that bring `shape` to at most `limit` voxels.

    Voxels are pooled towards cubes: z only where it is sampled as finely as the pooled plane.
    """
    z, y, x = shape
    aspect = spacing_um[2] / spacing_um[0]

    def pooled(plane: int) -> Index:
        return max(1, min(z, int(plane * aspect))), min(plane, y), min(plane, x)

    def small(plane: int) -> bool:
        return prod(n // c for n, c in zip(shape, pooled(plane), strict=True)) <= limit

    # From there on all of it is one voxel.
    last = max(y, x, ceil((z + 1) / aspect))
    return pooled(bisect_left(range(1, last), True, key=small) + 1)


def slabs_of(source: Source) -> list[Box]:
    """Boxes that together hold all whole cells of a frame: what is read at once.

    Several planes deep, since chunks are: a plane at a time would decode each chunk many times.
    """
    shape = _spatial(source)
    cell = factors(shape, source.spacing_um)
    z, y, x = (n // c * c for n, c in zip(shape, cell, strict=True))
    depth = min(z, max(1, SLAB_DEPTH // cell[0]) * cell[0])
    rows = max(1, SLAB_VOXELS // (cell[1] * max(1, depth * x))) * cell[1]
    return [
        Box((a, b, 0), (min(z, a + depth), min(y, b + rows), x))
        for a in range(0, z, depth)
        for b in range(0, y, rows)
    ]


def survey(source: Source, t: int, channels: Sequence[int], slab: Box) -> Pixels:
    """Pool one slab: (c, z, y, x) in the image's dtype."""
    cell = factors(_spatial(source), source.spacing_um)
    pixels = source.read(t, channels, slab)
    return pixels if cell == (1, 1, 1) else np.stack([pool(p, cell) for p in pixels])


def assemble(source: Source, parts: Sequence[Pixels]) -> tuple[Pixels, Spacing]:
    """Join the pooled slabs of one frame; see `overview`."""
    shape = _spatial(source)
    cell = factors(shape, source.spacing_um)
    z, y, x = (n // c for n, c in zip(shape, cell, strict=True))
    dz, dy, dx = (s * c for s, c in zip(source.spacing_um, cell, strict=True))
    if len(parts) == 1:
        return parts[0], (dz, dy, dx)
    whole = np.empty((len(parts[0]), z, y, x), parts[0].dtype)
    for slab, part in zip(slabs_of(source), parts, strict=True):
        (a, b, _) = (s // c for s, c in zip(slab.start, cell, strict=True))
        whole[:, a : a + part.shape[1], b : b + part.shape[2]] = part
    return whole, (dz, dy, dx)


def overview(source: Source, t: int, channels: Sequence[int]) -> tuple[Pixels, Spacing]:
    """Pool channels of one frame.

    Returns
    -------
    pixels : (c, z, y, x) array
        In the image's dtype.
    spacing_um : tuple of float
        Voxel size of the overview along z, y, x in micrometres.
    """
    return assemble(source, [survey(source, t, channels, box) for box in slabs_of(source)])


def _spatial(source: Source) -> Index:
    _, _, z, y, x = source.shape
    return z, y, x
