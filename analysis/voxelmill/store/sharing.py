"""Which chunks several boxes share, and an order of blocks in which sharing pays. Pure.

block 1 reads   ├──────────────────────┼──h──┤
block 2 reads               ├──h──┼──────────────────────┤
both read                   ╞═════2h═════╡          chunks that touch this are shared
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import isqrt
from typing import TypeAlias

import numpy as np

from voxelmill.blocks import Block, Box, Grid
from voxelmill.ngff import Image
from voxelmill.plugin import Index
from voxelmill.store.cache import BUDGET_BYTES

Place: TypeAlias = tuple[int, ...]


def near_faces(
    box: Box, extent: Sequence[int], axes: str, chunks: Sequence[int], halo: Index | None = None
) -> Callable[[Place], bool]:
    """Tell for a place in the grid of chunks whether reads of other boxes will want it too.

    Parameters
    ----------
    box : Box
        What is read.
    extent : sequence of int
        Extent of the image along z, y, x: nothing is beyond its faces.
    axes, chunks : str, sequence of int
        Stored axes, and the extent of a chunk along each.
    halo : tuple of int, optional
        Along z, y, x; None: as far as `box` reaches beyond the last whole chunk.
    """
    near: dict[int, set[int]] = {}
    for i, letter in enumerate("zyx"):
        if letter in axes:
            n = axes.index(letter)
            ends, reach = (box.start[i], box.stop[i]), None if halo is None else halo[i]
            near[n] = set(_shared(*ends, extent[i], chunks[n], reach))
    return lambda place: any(place[n] in numbers for n, numbers in near.items())


def _shared(start: int, stop: int, extent: int, chunk: int, halo: int | None) -> Iterator[int]:
    low, high = start > 0, stop < extent
    if halo is None:
        halo = max(-start % chunk if low else 0, stop % chunk if high else 0)
    if low and halo:
        yield from range(start // chunk, -(-min(stop, start + 2 * halo) // chunk))
    if high and halo:
        yield from range(max(start, stop - 2 * halo) // chunk, -(-stop // chunk))


def reading_order(
    grid: Grid, image: Image, channels: int = 1, level: int = 0, budget: int = BUDGET_BYTES
) -> list[Block]:
    """Order the blocks so that what neighbours share is still kept when its turn comes.

    Raster order within columns of blocks: as wide as lets the budget hold what is read between a
    block and the one below it (in stacks of blocks: between a block and the next one along z).

    Parameters
    ----------
    grid : Grid
        Blocks of `level` of `image`, with their halo.
    channels : int
        How many are read together.
    budget : int
        Bytes of decoded chunks that are kept, by this process.
    """
    array = image.levels[level].array
    chunks = dict(zip(image.axes, array.chunks, strict=True))
    extents = zip("zyx", grid.size, grid.halo, grid.shape, strict=True)
    deep, tall, wide = (_touched(s, h, n, chunks.get(a, 1)) for a, s, h, n in extents)
    plane = deep * np.dtype(array.dtype).itemsize * max(channels, chunks.get("c", 1))
    depth, height, width = grid.counts
    if depth > 1 and grid.halo[0]:
        edge = isqrt(budget // plane)
        height_fit, width_fit = (
            _fit(edge, s, t) for s, t in zip(grid.size[1:], (tall, wide), strict=True)
        )
    else:
        height_fit, width_fit = height, _fit(budget // (plane * tall), grid.size[2], wide)
    return [
        grid.block((z, y, x))
        for y0, x0 in product(range(0, height, height_fit), range(0, width, width_fit))
        for z in range(depth)
        for y in range(y0, min(y0 + height_fit, height))
        for x in range(x0, min(x0 + width_fit, width))
    ]


def _touched(size: int, halo: int, extent: int, chunk: int) -> int:
    """Largest extent of the chunks that one block touches."""
    before = -(-halo // chunk) * chunk
    return min(before + -(-(size + halo) // chunk) * chunk, -(-extent // chunk) * chunk)


def _fit(extent: int, size: int, touched: int) -> int:
    """Number of blocks whose chunks lie within `extent`; at least one."""
    return max(1, 1 + (extent - touched) // size)
