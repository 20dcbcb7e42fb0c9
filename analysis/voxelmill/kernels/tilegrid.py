"""A network on a fixed grid of square tiles, so that its output does not depend on blocks.

In: a block's pixels, where they lie in the whole plane, and what the network makes of a batch of
tiles. Out: its output for every pixel of the cells that the block has with their whole margin.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array

Float32: TypeAlias = NDArray[np.float32]
Place: TypeAlias = tuple[int, int]
"""Position or extent along y, x in pixels."""


@dataclass(frozen=True)
class TileGrid:
    """Cells of `cell` x `cell` pixels from the plane's first on, each seen with `margin` around."""

    cell: int
    margin: int

    @property
    def tile(self) -> int:
        """Edge of what the network sees at once."""
        return self.cell + 2 * self.margin

    @property
    def reach(self) -> int:
        """Pixels around one that a block must hold so that the pixel's cell is whole there."""
        return self.cell + self.margin

    def whole(self, shape: Place, origin: Place, extent: Place) -> Iterator[Place]:
        """First pixel, in the plane, of every cell whose tile the block holds.

        What lies outside the plane is not missing.
        """
        spans = []
        for n, first, end in zip(shape, origin, extent, strict=True):
            starts = range(first // self.cell * self.cell, min(first + n, end), self.cell)
            spans.append(
                [
                    s
                    for s in starts
                    if max(0, s - self.margin) >= first
                    and min(end, s + self.cell + self.margin) <= first + n
                ]
            )
        return ((y, x) for y in spans[0] for x in spans[1])


def over_tiles(
    image: Array,
    grid: TileGrid,
    where: tuple[Place, Place],
    prepare: Callable[[Array], Float32],
    look: Callable[[Float32], Float32],
    empty: Float32,
    batch: int,
) -> Float32:
    """Look at all cells that a block holds whole.

    Parameters
    ----------
    image : (c, y, x) array
        The block.
    grid : TileGrid
    where : ((int, int), (int, int))
        Position of its first pixel in the plane, and the plane's extent.
    prepare : callable
        (c, y, x) pixels → float32; where a tile ends outside the plane it is 0.
    look : callable
        (batch, c, tile, tile) → (batch, k, tile, tile), each tile by itself.
    empty : (k,) float32 array
        What stands where no cell is whole.
    batch : int
        Tiles looked at at once; a rest is filled up, since a network may add in another order for
        another number of tiles.

    Returns
    -------
    (k, y, x) float32 array
    """
    channels, ny, nx = image.shape
    (first_y, first_x), (end_y, end_x) = where
    found = np.empty((empty.size, ny, nx), np.float32)
    found[:] = empty[:, None, None]
    places = list(grid.whole((ny, nx), *where))
    margin, size = grid.margin, grid.tile
    for start in range(0, len(places), batch):
        group = places[start : start + batch]
        tiles = np.zeros((batch, channels, size, size), np.float32)
        for tile, (y, x) in zip(tiles, group, strict=False):
            rows, into_y = _overlap(y - margin, size, end_y, first_y)
            columns, into_x = _overlap(x - margin, size, end_x, first_x)
            tile[:, into_y, into_x] = prepare(image[:, rows, columns])
        seen = look(tiles)
        for output, (y, x) in zip(seen, group, strict=False):
            rows, from_y = _overlap(y, grid.cell, end_y, first_y)
            columns, from_x = _overlap(x, grid.cell, end_x, first_x)
            inner = output[:, margin : size - margin, margin : size - margin]
            found[:, rows, columns] = inner[:, from_y, from_x]
    return found


def _overlap(start: int, length: int, end: int, first: int) -> tuple[slice, slice]:
    """Part of ``start … start + length`` in the plane: in the block, and from `start`."""
    a, b = max(start, 0), min(start + length, end)
    return slice(a - first, b - first), slice(a - start, b - start)
