"""Block geometry on drawn cases; the laws are in tests/property/test_blocks.py."""

import numpy as np
import pytest

from voxelmill.blocks import Block, Box, Grid


def row(length: int, size: int, halo: int = 0) -> Grid:
    """Blocks along x only."""
    return Grid((1, 1, length), (1, 1, size), (0, 0, halo))


def spans(grid: Grid, what: str) -> list[tuple[int, int]]:
    boxes: list[Box] = [getattr(block, what) for block in grid]
    return [(box.start[2], box.stop[2]) for box in boxes]


@pytest.mark.parametrize(
    ("grid", "cores", "reads"),
    [
        # 0....4....8.10
        # |core|core|co|
        (row(10, 4, 1), [(0, 4), (4, 8), (8, 10)], [(0, 5), (3, 9), (7, 10)]),
        # the halo reaches over a whole neighbour
        (row(10, 4, 5), [(0, 4), (4, 8), (8, 10)], [(0, 9), (0, 10), (3, 10)]),
        (row(8, 4), [(0, 4), (4, 8)], [(0, 4), (4, 8)]),
        (row(3, 100, 7), [(0, 3)], [(0, 3)]),
    ],
)
def test_cores_and_reads_along_a_row(
    grid: Grid, cores: list[tuple[int, int]], reads: list[tuple[int, int]]
) -> None:
    assert spans(grid, "core") == cores
    assert spans(grid, "read") == reads
    assert len(grid) == len(cores)


def test_blocks_come_in_raster_order_and_know_their_place() -> None:
    grid = Grid((2, 5, 7), (1, 3, 4), (0, 1, 1))
    assert grid.counts == (2, 2, 2)
    assert [b.index for b in grid] == sorted(b.index for b in grid)
    assert [grid.block(b.index) for b in grid] == list(grid)
    assert grid.block((1, 1, 0)) == Block(
        (1, 1, 0), core=Box((1, 3, 0), (2, 5, 4)), read=Box((1, 2, 0), (2, 5, 5))
    )


def test_an_empty_image_has_one_empty_block() -> None:
    (block,) = Grid((1, 0, 9), (1, 4, 16))
    assert block.core.size == 0


def test_neighbours_come_once() -> None:
    grid = Grid((1, 6, 6), (1, 2, 2))
    assert grid.neighbours((0, 1, 1)) == [(0, 1, 2), (0, 2, 0), (0, 2, 1), (0, 2, 2)]
    assert grid.neighbours((0, 2, 2)) == []


def test_boxes_index_arrays() -> None:
    image = np.arange(2 * 5 * 7).reshape(2, 5, 7)
    block = Grid((2, 5, 7), (1, 3, 4), (0, 1, 1)).block((1, 1, 0))
    seen = image[block.read.slices]
    assert seen.shape == block.read.shape
    inside = seen[block.core.within(block.read).slices]
    np.testing.assert_array_equal(inside, image[block.core.slices])


def test_boxes_that_do_not_meet_have_an_empty_intersection() -> None:
    apart = Box((0, 0, 0), (1, 2, 2)).clip(Box((0, 5, 5), (1, 7, 7)))
    assert apart.size == 0
    assert np.zeros((1, 9, 9))[apart.slices].size == 0
