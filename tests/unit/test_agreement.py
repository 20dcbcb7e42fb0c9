"""Agreement of two labellings: the dense reference's numbers, from any boxes, for any ids."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.matching import THRESHOLDS, compare
from shared import SHARED, needs_shared
from voxelmill import agreement as module
from voxelmill.agreement import PERCENT, Counts, Overlaps, agreement, overlap, pool
from voxelmill.blocks import Grid
from voxelmill.labelfiles import read_label_file
from voxelmill.plugin import Array, Index

NUCLEI = SHARED / "data" / "nuclei2d"


def whole(truth: Array, found: Array) -> Counts:
    return agreement(overlap(truth, found))


@st.composite
def labellings(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two labellings of few, coarse squares: halves, exact ties and chains of them are common."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    depth, height, width = draw(st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)))
    most = draw(st.integers(1, 12))
    truth = rng.integers(0, most + 1, (depth, height, width))
    found = truth.copy()
    change = rng.random(found.shape) < draw(st.floats(0, 1))
    found[change] = rng.integers(0, most + 1, int(change.sum()))
    return np.kron(truth, np.ones((1, 2, 2), int)), np.kron(found, np.ones((1, 2, 2), int))


def test_the_thresholds_are_those_of_the_reference() -> None:
    assert pytest.approx(THRESHOLDS) == np.array(PERCENT) / 100


@settings(max_examples=300)
@given(labellings())
def test_numbers_are_those_of_the_dense_table(
    case: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    truth, found = case
    assert whole(truth, found) == compare(truth, found)


@settings(max_examples=150)
@given(labellings(), st.tuples(*[st.integers(1, 9)] * 3), st.sampled_from([0, 5, 1 << 16]))
@example((np.ones((1, 4, 4), int), np.ones((1, 4, 4), int)), (1, 4, 4), 0)
def test_boxes_change_nothing(
    case: tuple[NDArray[np.int64], NDArray[np.int64]], size: Index, few: int
) -> None:
    truth, found = case
    overlaps = Overlaps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FEW", few)
        for block in Grid((truth.shape[0], truth.shape[1], truth.shape[2]), size):
            overlaps.add(truth[block.core.slices], found[block.core.slices])
    np.testing.assert_array_equal(overlaps.table(), overlap(truth, found))
    np.testing.assert_array_equal(overlaps.table(), overlap(truth, found), "it can be asked twice")


@settings(max_examples=100)
@given(labellings(), st.sampled_from(["uint8", "int16", ">u4", "int64", "uint64"]), st.booleans())
def test_ids_and_their_type_change_nothing(
    case: tuple[NDArray[np.int64], NDArray[np.int64]], dtype: str, huge: bool
) -> None:
    truth, found = case
    offset = 2**63 - 20 if huge and dtype == "uint64" else 100
    names = (np.arange(13).astype(dtype) + np.asarray(offset, dtype)).astype(dtype)
    names[0] = 0
    assert whole(truth, names[found]) == whole(truth, found)


@pytest.mark.parametrize("seed", range(3))
def test_discs_segmented_with_errors(seed: int) -> None:
    """Blobs merged, split, shifted and lost: all counts at once, none of them trivial."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(3, 150, 150)), (0, 3, 3))
    noise = ndimage.gaussian_filter(rng.normal(size=(3, 150, 150)), (0, 2, 2))
    moved = np.roll(smooth, 1, axis=2) + 0.4 * noise
    truth, _ = ndimage.label(smooth > 0.09)
    found, _ = ndimage.label(moved > 0.09)
    counts = whole(truth, found)
    assert counts == compare(truth, found)
    assert counts.truth > counts.matched[0] > counts.matched[9]
    assert min(counts.splits, counts.merges) > 0


def test_exact_halves_compete_for_one_match() -> None:
    one, halves = np.array([[1, 1]]), np.array([[5, 6]])
    assert whole(one, halves).matched[:2] == (1, 0)
    assert whole(halves, one).matched[:2] == (1, 0)
    several = np.array([[1, 1, 3, 7, 8, 9]]), np.array([[5, 6, 3, 4, 4, 0]])
    assert whole(*several) == compare(*several)
    assert whole(*several).matched[:2] == (3, 1)


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ([0, 0], [0, 0], (0, 0, 0, 0, 0)),
        ([], [], (0, 0, 0, 0, 0)),
        ([0, 0], [4, 4], (0, 1, 0, 0, 0)),
        ([4, 0], [0, 4], (1, 1, 0, 0, 0)),
        ([1] * 9, [2] * 4 + [3] * 5, (1, 2, 1, 1, 0)),
        ([2] * 4 + [3] * 5, [1] * 9, (2, 1, 1, 0, 1)),
        ([1] * 20, [2] * 18 + [3] * 2, (1, 2, 1, 0, 0)),  # a tenth is a sliver
        ([1] * 20, [2] * 17 + [3] * 3, (1, 2, 1, 1, 0)),
    ],
)
def test_counts_by_hand(truth: list[int], found: list[int], expected: tuple[int, ...]) -> None:
    counts = whole(np.array(truth, int), np.array(found, int))
    shown = (counts.truth, counts.found, counts.matched[0], counts.splits, counts.merges)
    assert shown == expected


def test_scores_where_there_is_nothing() -> None:
    none, lost = whole(np.zeros(3, int), np.zeros(3, int)), whole(np.ones(3, int), np.zeros(3, int))
    invented = whole(np.zeros(3, int), np.ones(3, int))
    assert [c.f1() for c in (none, lost, invented)] == [1, 0, 0]
    assert [c.average_precision() for c in (none, lost, invented)] == [1, 0, 0]
    assert [c.count_error() for c in (none, lost, invented)] == [0, -1, 1]


def test_several_images_are_one() -> None:
    """Pooled counts are those of the images side by side, each with ids of its own."""
    one, other = np.array([[1, 1, 0, 2]]), np.array([[1, 1, 2, 2]])
    apart = pool([whole(one, other), whole(other, one)])
    assert apart == whole(np.append(one, 10 * other), np.append(other, 10 * one))


def test_memory_does_not_grow_with_the_square_of_the_objects() -> None:
    """A dense table of so many objects would take 8 TB."""
    ids = np.arange(1, 1_000_001)
    counts = whole(np.repeat(ids, 2), np.repeat(ids[::-1], 2))
    assert counts.matched == (1_000_000,) * 10


@needs_shared
@pytest.mark.parametrize("name", ["bbbc039_validation", "bbbc038_fluo_train_A"])
def test_annotated_nuclei_against_connected_components(name: str) -> None:
    files = sorted((NUCLEI / name / "labels").iterdir())[:8]
    assert [_same(file) for file in files] == [True] * 8


def _same(file: Path) -> bool:
    truth = read_label_file(file)[0]
    found, _ = ndimage.label(truth > 0)
    overlaps = Overlaps()
    for block in Grid(truth.shape, (1, 100, 130)):
        overlaps.add(truth[block.core.slices], found[block.core.slices])
    return agreement(overlaps.table()) == compare(truth, found)
