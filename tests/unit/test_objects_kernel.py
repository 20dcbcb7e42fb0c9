"""First voxels, boxes and selections of labels, against one numpy comparison a label."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxelmill.kernels.objects import extents, keep, present
from voxelmill.kernels.runs import runs
from voxelmill.plugin import Labels

IDS = np.array([0, 0, 1, 2, 3, 70_000, 2**31 - 1], np.int32)
quick = settings(max_examples=60)


@st.composite
def labels(draw: st.DrawFn) -> Labels:
    """Labels with gaps in their ids, as arrays of any layout that nobody may write to."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = IDS[rng.integers(0, draw(st.integers(1, len(IDS))), shape)]
    how = draw(st.sampled_from(["plain", "transposed", "strided", "backwards"]))
    if how == "transposed":
        array = np.ascontiguousarray(array.T).T
    elif how == "strided":
        array = np.repeat(array, 2, axis=2)[:, :, ::2]
    elif how == "backwards":
        array = array[:, ::-1]
    array.setflags(write=False)
    return array


def slow(array: Labels) -> tuple[list[int], NDArray[np.int64]]:
    ids = [int(i) for i in np.unique(array) if i]
    rows = []
    for label in ids:
        voxels = np.argwhere(array == label)
        rows.append([*voxels[0], *voxels.min(0), *(voxels.max(0) + 1)])
    return ids, np.array(rows, np.int64).reshape(-1, 9)


@quick
@given(labels())
def test_present_and_extents(array: Labels) -> None:
    ids, table = slow(array)
    assert present(array).tolist() == ids
    found, boxes = extents(runs(array), array.shape[1])
    assert found.tolist() == ids
    np.testing.assert_array_equal(boxes, table)


@quick
@given(labels(), st.sets(st.sampled_from([1, 2, 3, 4, 70_000, 2**31 - 1])))
def test_keep(array: Labels, wanted: set[int]) -> None:
    ids = np.array(sorted(wanted), np.int64)
    kept = keep(array, ids)
    assert kept.dtype == np.int32
    np.testing.assert_array_equal(kept, np.where(np.isin(array, ids), array, 0))
    assert not np.shares_memory(kept, array)


@pytest.mark.parametrize("shape", [(0, 3, 3), (1, 0, 4), (2, 2, 0), (1, 1, 1)])
def test_nothing_in_an_empty_array(shape: tuple[int, int, int]) -> None:
    array = np.zeros(shape, np.int32)
    ids, table = extents(runs(array), array.shape[1])
    assert ids.shape == (0,)
    assert table.shape == (0, 9)
    assert present(array).shape == (0,)
    assert keep(array, np.array([1], np.int64)).shape == shape
