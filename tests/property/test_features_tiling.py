"""A feature's value depends on the object alone: not on its place in the box, nor on its box."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxelmill.features import Feature, features

SPACING = (1.0, 1.0, 1.0)
CHANNELS = ("C", "D")
EVERY = [cls() for cls in features().values()]
FAMILIES = pytest.mark.parametrize("family", EVERY, ids=lambda f: f.kind)
ALONE = pytest.mark.parametrize("family", [f for f in EVERY if not f.reach()], ids=lambda f: f.kind)
DTYPES = (np.uint8, np.uint16, np.int32, np.float32, np.float64)
IDS = np.array([0, 0, 3, 4, 70000, 2**31 - 1], np.int32)

Scene = tuple[NDArray[np.int32], NDArray[Any]]
Frame = tuple[tuple[int, int, int], tuple[int, int, int]]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Blocky labels with gaps in their ids, touching each other and the borders, and an image."""
    depth = draw(st.sampled_from([1, 2, 4]))
    shape = (depth, draw(st.integers(1, 14)), draw(st.integers(1, 14)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grain = draw(st.integers(1, 4))
    coarse = IDS[rng.integers(0, len(IDS), [-(-n // grain) for n in shape])]
    labels = coarse.repeat(grain, 0).repeat(grain, 1).repeat(grain, 2)
    labels = labels[: shape[0], : shape[1], : shape[2]].copy()
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if dtype.kind == "f":
        return labels, rng.normal(10, 1000, shape).astype(dtype)
    return labels, rng.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Voxels to add before and after along z, y, x."""
    before = draw(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 40)))
    after = draw(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)))
    return before, after


def measure(family: Feature, labels: NDArray[np.int32], image: NDArray[Any]) -> dict[str, Any]:
    other = np.where(np.isnan(image), image, np.fmod(image, 7)).astype(image.dtype)
    return family(labels, {"C": image, "D": other}, SPACING)


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


@FAMILIES
@settings(max_examples=60, deadline=None)
@given(scene=scenes(), frame=frames(), fill=st.integers(0, 200))
def test_moving_the_box_changes_positions_only(
    family: Feature, scene: Scene, frame: Frame, fill: int
) -> None:
    labels, image = scene
    before, after = frame
    if labels.shape[0] == 1:
        before, after = (0, *before[1:]), (0, *after[1:])
    pad = list(zip(before, after, strict=True))
    inner = measure(family, labels, image)
    outer = measure(family, np.pad(labels, pad), np.pad(image, pad, constant_values=fill))
    axis = family.positions(CHANNELS)
    for column, value in inner.items():
        moved = value + before[axis[column]] if column in axis else value
        assert same_bits(moved, outer[column]), column


@ALONE
@settings(max_examples=60, deadline=None)
@given(scene=scenes(), noise=st.integers(0, 2**32 - 1))
def test_what_surrounds_an_object_does_not_matter(
    family: Feature, scene: Scene, noise: int
) -> None:
    labels, image = scene
    together = measure(family, labels, image)
    rng = np.random.default_rng(noise)
    for row, label in enumerate(np.unique(labels[labels > 0])):
        mine = labels == label
        elsewhere = rng.permutation(image.reshape(-1)).reshape(image.shape)
        alone = measure(family, labels * mine, np.where(mine, image, elsewhere))
        for column, value in together.items():
            assert same_bits(value[row : row + 1], alone[column]), column


@FAMILIES
@settings(max_examples=30, deadline=None)
@given(scene=scenes(), origin=st.integers(0, 2**24))
def test_positions_can_be_moved_exactly(family: Feature, scene: Scene, origin: int) -> None:
    """Any two ways to split a position into box origin and place in the box agree."""
    values = measure(family, *scene)
    for column in family.positions(CHANNELS):
        there = values[column] + origin
        assert same_bits(there - origin, values[column] + 0.0), column
