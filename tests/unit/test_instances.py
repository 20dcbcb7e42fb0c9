"""Objects from foreground and cores: what is found, and that blocks do not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.kernels.instances import LIMIT, UNIT, above, instances, levels

FAR, HOLE = 8, 5
REACH = 24 + FAR + 2
"""Longest object, growth, edge."""


def discs(*centres: tuple[float, float], radius: float, shape: tuple[int, int] = (60, 60)) -> (
    NDArray[np.bool_]
):  # fmt: skip
    y, x = np.ogrid[: shape[0], : shape[1]]
    found = np.zeros(shape, bool)
    for cy, cx in centres:
        found |= (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
    return found


def test_levels_are_integers_of_limited_size() -> None:
    values = np.array([[0.5, -1e9, np.nan, np.inf, 1 / UNIT]], np.float32)
    limit = LIMIT * UNIT
    np.testing.assert_array_equal(levels(values), [[UNIT // 2, -limit, 0, limit, 1]])
    assert levels(values).dtype == np.int32


@pytest.mark.parametrize("threshold", [0.5, -2.0, 0.0, 1e9, -1e9])
def test_above_is_strict_and_in_the_units_of_the_values(threshold: float) -> None:
    values = np.array([[-2.0, -1.999, 0.0, 0.5, 0.501]], np.float32)
    np.testing.assert_array_equal(above(levels(values), threshold), values > threshold)


def test_touching_objects_are_told_apart_by_their_cores_and_meet_in_the_middle() -> None:
    centres = (30.0, 20.0), (30.0, 36.0)
    mask, core = discs(*centres, radius=9), discs(*centres, radius=4)
    found = instances(mask, core, FAR, HOLE, 1)
    np.testing.assert_array_equal(found > 0, mask)
    assert (found[30, 20], found[30, 36]) == (1, 2)
    assert np.all(found[:, :28][mask[:, :28]] == 1)
    assert np.all(found[:, 29:][mask[:, 29:]] == 2)


def test_what_has_no_core_is_an_object_by_itself() -> None:
    mask = discs((15, 15), (40, 40), radius=6)
    found = instances(mask, discs((15, 15), radius=3), FAR, HOLE, 1)
    assert found.max() == 2
    assert found[40, 40] == 2


def test_cores_outside_the_foreground_do_not_count() -> None:
    found = instances(np.zeros((20, 20), bool), np.ones((20, 20), bool), FAR, HOLE, 1)
    assert not found.any()


def test_small_objects_go_and_the_rest_is_numbered_without_gaps() -> None:
    mask = discs((10, 10), (30, 30), radius=5)
    mask[50, 50:53] = True
    found = instances(mask, mask, FAR, HOLE, 4)
    assert set(np.unique(found)) == {0, 1, 2}
    assert instances(mask, mask, FAR, HOLE, 3).max() == 3


@pytest.mark.parametrize(("radius", "filled"), [(2, True), (5, False)])
def test_holes_up_to_a_size_are_filled(radius: int, filled: bool) -> None:
    mask = discs((30, 30), radius=12) & ~discs((30, 30), radius=radius)
    assert (instances(mask, mask, FAR, HOLE, 1)[30, 30] == 1) == filled


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), y=st.integers(0, 80), x=st.integers(0, 80))
def test_a_core_is_the_same_in_a_block_and_in_the_whole_plane(seed: int, y: int, x: int) -> None:
    mask, core = scene(seed)
    whole = instances(mask, core, FAR, HOLE, 6)
    a, b, c, d = max(0, y - REACH), y + 20 + REACH, max(0, x - REACH), x + 20 + REACH
    part = instances(mask[a:b, c:d], core[a:b, c:d], FAR, HOLE, 6)
    ours, expected = part[y - a : y - a + 20, x - c : x - c + 20], whole[y : y + 20, x : x + 20]
    np.testing.assert_array_equal(ours > 0, expected > 0)
    pairs = np.unique(np.stack([ours.ravel(), expected.ravel()]), axis=1)
    assert len(set(pairs[0])) == len(pairs[0]) == len(set(pairs[1]))


def scene(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Blobs that touch, in (100, 100): no longer than 24 pixels, some with several cores."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((100, 100), bool)
    for cy, cx in rng.uniform(0, 100, (40, 2)):
        mask |= discs((cy, cx), radius=rng.uniform(2, 5), shape=mask.shape)
    pieces, count = ndi.label(mask)
    boxes = ndi.find_objects(pieces)
    long = [k + 1 for k in range(count) if max(s.stop - s.start for s in boxes[k]) > 24]
    mask[np.isin(pieces, long)] = False
    deep = ndi.distance_transform_edt(mask) + rng.normal(0, 0.3, mask.shape)
    return mask, deep > 2
