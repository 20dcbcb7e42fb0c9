"""Pairs and canonical ids of blocks give what one labelling of the whole image gives."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxelmill import stitch
from voxelmill.blocks import Grid
from voxelmill.kernels.objects import extents
from voxelmill.kernels.runs import runs
from voxelmill.plugin import BadInput, Index, Labels
from voxelmill.stitch import Ints, disputed, floors, in_order, number, offsets, pair, touching

NONE = np.zeros((0, 2), np.int64)


def label(mask: Labels) -> Labels:
    found, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.asarray(found, np.int32)


def stitched(
    image: Labels, grid: Grid, shuffle: np.random.Generator, *, connected: bool = False
) -> tuple[Labels, int]:
    """Label every block on its own with ids in any order, then join them, as the engine does."""
    local, blocks = {}, list(grid)
    counts, first = [], [np.zeros(0, np.int64)]
    for block in blocks:
        found = label(image[block.read.slices])
        inner = block.core.within(block.read).slices
        mine = np.unique(found[inner][found[inner] > 0])
        dense = np.zeros(int(found.max(initial=0)) + 1, np.int32)
        dense[mine] = 1 + shuffle.permutation(mine.size)
        local[block.index] = dense[found]
        _, table = extents(runs(local[block.index][inner]), block.core.shape[1])
        voxel = (table[:, :3] + np.array(block.core.start)).T
        first.append(np.ravel_multi_index(tuple(voxel), image.shape))
        counts.append(mine.size)
    offset = offsets(counts)
    place = {b.index: int(o) for b, o in zip(blocks, offset, strict=False)}
    pairs = [NONE]
    for block in blocks:
        for index in grid.neighbours(block.index):
            other = grid.block(index)
            both = block.read.clip(other.read)
            a = local[block.index][both.within(block.read).slices]
            b = local[index][both.within(other.read).slices]
            if connected:
                step = np.subtract(index, block.index)
                a = local[block.index][block.core.within(block.read).slices][sides(step)]
                b = local[index][other.core.within(other.read).slices][sides(-step)]
            rows = touching(a, b) if connected else pair(runs(a), runs(b))
            pairs.append(rows - 1 + np.array([place[block.index], place[index]]))
    ids, n = number(np.concatenate(first), np.concatenate(pairs))
    final = np.zeros(image.shape, np.int32)
    for block in blocks:
        core = local[block.index][block.core.within(block.read).slices]
        mine = ids[place[block.index] :][: core.max(initial=0)]
        final[block.core.slices] = np.append(0, mine)[core]
    return final, n


def sides(step: Ints) -> tuple[slice, ...]:
    """The voxels of a core that face the neighbour at `step`."""
    side = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}
    return tuple(side[int(s)] for s in step)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Labels, Grid, int]:
    """Random masks whose objects are no longer than the halo, and blocks to cut them in."""
    depth = draw(st.sampled_from([1, 1, 9]))
    shape = (depth, draw(st.integers(1, 30)), draw(st.integers(1, 30)))
    seed = draw(st.integers(0, 2**32 - 1))
    mask = np.random.default_rng(seed).random(shape) < draw(st.floats(0.02, 0.3))
    halo = draw(st.integers(2, 7))
    found = label(mask.astype(np.int32))
    for i, box in enumerate(ndimage.find_objects(found), start=1):
        if any(s.stop - s.start > halo for s in box):
            mask[found == i] = False
    size = draw(st.tuples(st.integers(2, 9), st.integers(3, 20), st.integers(3, 20)))
    return mask.astype(np.int32), Grid(shape, size, (halo, halo, halo)), seed


@settings(max_examples=80)
@given(cuts())
def test_blocks_joined_are_the_whole_image_labelled(case: tuple[Labels, Grid, int]) -> None:
    mask, grid, seed = case
    wanted = label(mask)
    final, n = stitched(mask, grid, np.random.default_rng(seed))
    np.testing.assert_array_equal(final, wanted)
    assert n == wanted.max(initial=0)


@pytest.mark.parametrize("halo", [1, 4])
def test_a_diagonal_through_corners_of_many_blocks_is_one_object(halo: int) -> None:
    """Blocks meet in corners only; every pair of neighbours adds one link of the chain."""
    mask = np.eye(40, dtype=np.int32)[None]
    mask[0, 0, 39] = 1
    final, n = stitched(
        mask, Grid((1, 40, 40), (1, 8, 8), (0, halo, halo)), np.random.default_rng(1)
    )
    np.testing.assert_array_equal(final, label(mask))
    assert n == 2


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.6), st.sampled_from([(1, 25, 30), (7, 11, 9)]))
def test_connected_objects_of_any_size_are_joined(seed: int, share: float, shape: Index) -> None:
    """Near the percolation threshold components wind through many blocks; there is no halo."""
    rng = np.random.default_rng(seed)
    mask = (rng.random(shape) < share / (1 if shape[0] == 1 else 4)).astype(np.int32)
    final, n = stitched(mask, Grid(shape, (3, 6, 5)), rng, connected=True)
    np.testing.assert_array_equal(final, label(mask))
    assert n == final.max(initial=0)


def test_more_than_half_of_the_union_must_be_shared() -> None:
    a, b = np.zeros((2, 1, 1, 9), np.int32)
    a[..., :4] = 5
    b[..., 2:4] = 3
    assert pair(runs(a), runs(b)).tolist() == [], "2 of 4 is just a half"
    b[..., 1] = 3
    assert pair(runs(a), runs(b)).tolist() == [[5, 3]]
    b[..., 4:9] = 3
    assert pair(runs(a), runs(b)).tolist() == []


@pytest.mark.parametrize("shape", [(1, 0, 5), (1, 3, 3)])
def test_no_pairs_where_there_is_nothing(shape: Index) -> None:
    empty = np.zeros(shape, np.int32)
    assert pair(runs(empty), runs(empty)).shape == (0, 2)


def test_a_label_is_disputed_if_it_reaches_far_into_a_core_that_does_not_know_it() -> None:
    labels = np.array([[[1] * 9 + [0] + [2] * 10 + [3] * 10]], np.int32)
    none = np.zeros(0, np.int64)
    assert disputed(runs(labels), runs(labels[..., 18:]), none).tolist() == [2, 3]
    assert disputed(runs(labels), runs(labels[..., 19:]), none).tolist() == [3], (
        "a rim of a tenth is jitter"
    )
    assert disputed(runs(labels), runs(labels[..., 18:]), np.array([3])).tolist() == [2]
    assert disputed(runs(labels), runs(labels[..., :0]), none).tolist() == []


def test_numbers_follow_the_first_voxel_not_the_block() -> None:
    ids, n = number(np.array([50, 7, 3, 60]), np.array([[0, 2]]))
    assert (ids.tolist(), n) == ([1, 2, 1, 3], 3)
    assert number(np.zeros(0, np.int64), NONE)[1] == 0


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(1, 40), max_size=8), max_size=6))
def test_rows_come_in_order_and_whole(parts: list[list[int]]) -> None:
    arrays = [np.array(ids, np.int64) for ids in parts]
    rows = ((ids, np.stack([ids * 10, np.full_like(ids, i)], axis=1))
            for i, ids in enumerate(arrays))  # fmt: skip
    portions = list(in_order(rows, floors(arrays)))
    everything = sorted((i, i * 10, p) for p, ids in enumerate(parts) for i in ids)
    assert [tuple(row) for portion in portions for row in portion.tolist()] == everything
    for before, after in pairwise(portions):
        assert before[-1, 0] < after[0, 0], "an id never recurs in a later portion"


def test_rows_are_handed_on_as_soon_as_nothing_lower_can_come() -> None:
    parts = [np.array([1, 2, 5]), np.array([5, 6]), np.array([9])]
    rows = ((ids, ids[:, None]) for ids in parts)
    assert [p[:, 0].tolist() for p in in_order(rows, floors(parts))] == [[1, 2], [5, 5, 6], [9]]


def test_more_objects_than_int32_can_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.iinfo(np.int32).max == stitch.MAX_OBJECTS
    monkeypatch.setattr(stitch, "MAX_OBJECTS", 3)
    assert number(np.arange(3), NONE)[1] == 3
    with pytest.raises(BadInput, match="4 objects in one image; allowed: 3"):
        number(np.arange(4), NONE)


def test_offsets_count_labels() -> None:
    assert offsets([2, 0, 5]).tolist() == [0, 2, 2, 7]
