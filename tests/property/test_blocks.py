"""Laws of the block geometry, each against counting voxel by voxel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.blocks import Block, Box, Grid
from voxelmill.plugin import Index

lengths = st.integers(1, 9)
triples = st.tuples(lengths, lengths, lengths)
halos = st.tuples(*[st.integers(0, 6)] * 3)
grids = st.builds(Grid, triples, triples, halos)
quick = settings(max_examples=60)


def mask(box: Box, shape: Index) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Voxels of an image that lie in a box, one comparison each."""
    z, y, x = np.indices(shape)
    inside = np.ones(shape, bool)
    for axis, first, last in zip((z, y, x), box.start, box.stop, strict=True):
        inside &= (axis >= first) & (axis < last)
    return inside


@st.composite
def boxes(draw: st.DrawFn, shape: Index) -> Box:
    """Boxes of at least one voxel inside an image."""
    start = [draw(st.integers(0, n - 1)) for n in shape]
    stop = [draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


@quick
@given(grids)
def test_cores_tile_the_image_exactly_once(grid: Grid) -> None:
    covered = np.zeros(grid.shape, int)
    for block in grid:
        covered[block.core.slices] += 1
        assert 0 < block.core.size <= np.prod(grid.size)
    assert (covered == 1).all()
    assert len(list(grid)) == len(grid) == np.prod(grid.counts)


@quick
@given(grids)
def test_a_block_reads_what_is_within_the_halo_of_its_core(grid: Grid) -> None:
    for block in grid:
        core = np.argwhere(mask(block.core, grid.shape))
        voxels = np.indices(grid.shape).reshape(3, -1).T
        low, high = core.min(0) - grid.halo, core.max(0) + grid.halo
        near = ((voxels >= low) & (voxels <= high)).all(1).reshape(grid.shape)
        np.testing.assert_array_equal(mask(block.read, grid.shape), near)


def touch(one: Block, two: Block) -> bool:
    """Whether two cores share a face, an edge or a corner (or are one)."""
    gaps = [
        max(a - q, p - b)
        for a, b, p, q in zip(
            one.core.start, one.core.stop, two.core.start, two.core.stop, strict=True
        )
    ]
    return max(gaps) <= 0


@quick
@given(grids)
def test_neighbours_are_the_later_touching_blocks(grid: Grid) -> None:
    blocks = list(grid)
    for place, block in enumerate(blocks):
        later = [other.index for other in blocks[place + 1 :] if touch(block, other)]
        assert grid.neighbours(block.index) == later


@quick
@given(grids.flatmap(lambda grid: st.tuples(st.just(grid), boxes(grid.shape))))
def test_touching_finds_the_blocks_that_share_a_voxel(case: tuple[Grid, Box]) -> None:
    grid, box = case
    wanted = mask(box, grid.shape)
    sharing = [b.index for b in grid if (mask(b.core, grid.shape) & wanted).any()]
    assert [block.index for block in grid.touching(box)] == sharing


@quick
@given(triples.flatmap(lambda shape: st.tuples(st.just(shape), boxes(shape), boxes(shape))))
def test_clip_and_within_agree_with_masks(case: tuple[Index, Box, Box]) -> None:
    shape, one, two = case
    both = mask(one, shape) & mask(two, shape)
    common = one.clip(two)
    np.testing.assert_array_equal(mask(common, shape), both)
    assert common.size == both.sum()
    assert two.clip(one) == common
    if common.size:
        image = np.arange(np.prod(shape)).reshape(shape)
        seen = image[one.slices][common.within(one).slices]
        np.testing.assert_array_equal(seen, image[common.slices])
