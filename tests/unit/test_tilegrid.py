"""A network on a fixed grid: what a pixel gets does not depend on the block that it is read in."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.kernels.tilegrid import TileGrid, over_tiles
from voxelmill.plugin import Array

EMPTY = np.array([-9, -8], np.float32)


def look(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two outputs that depend on all of the tile, as a network's do."""
    blurred = np.stack([ndi.uniform_filter(t[0], 5, mode="constant") for t in tiles])
    return np.stack([blurred, blurred + tiles.sum(axis=(1, 2, 3))[:, None, None]], axis=1)


def prepare(part: Array) -> NDArray[np.float32]:
    return np.asarray(part / 7, np.float32)


def apply(
    image: Array, grid: TileGrid, origin: tuple[int, int], extent: tuple[int, int], batch: int
) -> NDArray[np.float32]:
    return over_tiles(image, grid, (origin, extent), prepare, look, EMPTY, batch)


def span(n: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, n - 1), st.integers(1, n)).map(
        lambda pair: (pair[0], min(n, pair[0] + pair[1]))
    )


@settings(max_examples=80)
@given(
    cell=st.integers(1, 40),
    margin=st.integers(0, 12),
    rows=span(90),
    columns=span(75),
    batch=st.integers(1, 5),
)
def test_a_block_has_what_the_whole_has_or_says_that_it_has_not(
    cell: int, margin: int, rows: tuple[int, int], columns: tuple[int, int], batch: int
) -> None:
    image = np.random.default_rng(1).integers(0, 999, (1, 90, 75)).astype(np.uint16)
    grid = TileGrid(cell, margin)
    whole = apply(image, grid, (0, 0), (90, 75), 3)
    assert not (whole == EMPTY[:, None, None]).any()
    block = image[:, slice(*rows), slice(*columns)]
    found = apply(block, grid, (rows[0], columns[0]), (90, 75), batch)
    seen = (found != EMPTY[:, None, None]).all(axis=0)
    part = whole[:, slice(*rows), slice(*columns)]
    np.testing.assert_array_equal(found[:, seen], part[:, seen])
    # Every pixel farther than `reach` from where the block was cut off has been looked at.
    y0, x0 = (0 if a == 0 else grid.reach for a in (rows[0], columns[0]))
    y1 = found.shape[1] - (0 if rows[1] == 90 else grid.reach)
    x1 = found.shape[2] - (0 if columns[1] == 75 else grid.reach)
    assert seen[y0 : max(y0, y1), x0 : max(x0, x1)].all()


def test_a_rest_of_a_batch_is_filled_up() -> None:
    sizes: list[int] = []

    def counting(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(len(tiles))
        return look(tiles)

    image = np.ones((1, 30, 70), np.uint8)
    grid = TileGrid(20, 4)
    over_tiles(image, grid, ((0, 0), (30, 70)), prepare, counting, EMPTY, 3)
    assert sizes == [3, 3, 3]
