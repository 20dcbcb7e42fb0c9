"""Pairs and canonical ids of blocks give what one labelling of the whole image gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from voxelmill import stitch
from voxelmill.blocks import Grid
from voxelmill.kernels.objects import extents
from voxelmill.plugin import BadInput, Index, Labels
from voxelmill.stitch import Ints, number, offsets, pair

ALL = np.arange(1, 100)
NONE = np.zeros((0, 2), np.int64)


def label(mask: Labels) -> Labels:
    found, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return np.asarray(found, np.int32)


def stitched(image: Labels, grid: Grid, shuffle: np.random.Generator) -> tuple[Labels, int]:
    """Label every block on its own with ids in any order, then join them, as the engine does."""
    local, blocks = {}, list(grid)
    for block in blocks:
        found = label(image[block.read.slices])
        order = np.append(0, 1 + shuffle.permutation(int(found.max(initial=0))))
        local[block.index] = order[found].astype(np.int32)
    offset = offsets([int(local[b.index].max(initial=0)) for b in blocks])
    place = {b.index: int(o) for b, o in zip(blocks, offset, strict=False)}
    first = np.full(int(offset[-1]), -1, np.int64)
    owned: dict[Index, Ints] = {}
    for block in blocks:
        ids, table = extents(local[block.index][block.core.within(block.read).slices])
        voxel = (table[:, :3] + np.array(block.core.start)).T
        first[place[block.index] + ids] = np.ravel_multi_index(tuple(voxel), image.shape)
        owned[block.index] = ids
    pairs = [NONE]
    for block in blocks:
        for index in grid.neighbours(block.index):
            other = grid.block(index)
            both = block.read.clip(other.read)
            a = local[block.index][both.within(block.read).slices]
            b = local[index][both.within(other.read).slices]
            rows = pair(a, b, owned[block.index], owned[index])
            pairs.append(rows + np.array([place[block.index], place[index]]))
    ids, n = number(first, np.concatenate(pairs))
    final = np.zeros(image.shape, np.int32)
    for block in blocks:
        core = local[block.index][block.core.within(block.read).slices]
        final[block.core.slices] = ids[place[block.index] + core]
    return final, n


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


def test_more_than_half_of_the_union_must_be_shared() -> None:
    a, b = np.zeros((2, 1, 1, 9), np.int32)
    a[..., :4] = 5
    b[..., 2:4] = 3
    assert pair(a, b, ALL, ALL).tolist() == [], "2 of 4 is just a half"
    b[..., 1] = 3
    assert pair(a, b, ALL, ALL).tolist() == [[5, 3]]
    b[..., 4:9] = 3
    assert pair(a, b, ALL, ALL).tolist() == []


def test_only_labels_of_the_core_are_paired() -> None:
    a = np.array([[[1, 1, 0, 2, 2]]], np.int32)
    only = np.array([2])
    assert pair(a, a, ALL, ALL).tolist() == [[1, 1], [2, 2]]
    assert pair(a, a, only, ALL).tolist() == [[2, 2]]
    assert pair(a, a, ALL, only).tolist() == [[2, 2]]


@pytest.mark.parametrize("shape", [(1, 0, 5), (1, 3, 3)])
def test_no_pairs_where_there_is_nothing(shape: Index) -> None:
    empty = np.zeros(shape, np.int32)
    assert pair(empty, empty, ALL, ALL).shape == (0, 2)


def test_numbers_follow_the_first_voxel_not_the_block() -> None:
    first = np.array([-1, 50, 7, -1, 3, 60])
    pairs = np.array([[1, 4]])
    ids, n = number(first, pairs)
    assert (ids.tolist(), n) == ([0, 1, 2, 0, 1, 3], 3)


def test_a_node_without_core_voxels_gets_no_id_and_takes_none() -> None:
    ids, n = number(np.array([-1, -1, 4]), np.array([[1, 2]]))
    assert (ids.tolist(), n) == ([0, 0, 1], 1)
    assert number(np.array([-1, -1]), NONE)[1] == 0
    assert number(np.zeros(0, np.int64), NONE)[1] == 0


def test_more_objects_than_int32_can_tell_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.iinfo(np.int32).max == stitch.MAX_OBJECTS
    monkeypatch.setattr(stitch, "MAX_OBJECTS", 3)
    assert number(np.arange(3), NONE)[1] == 3
    with pytest.raises(BadInput, match="4 objects in one image; allowed: 3"):
        number(np.arange(4), NONE)


def test_offsets_leave_room_for_the_background() -> None:
    assert offsets([2, 0, 5]).tolist() == [0, 3, 4, 10]
