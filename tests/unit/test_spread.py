"""Histograms of features over objects."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.plugin import StoreUnavailable
from voxelmill.steps.spread import BINS, OBJECTS, every, histogram, spread
from voxelmill.tables import write_table

NUMBERS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan")) | st.just(float("inf"))


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, max_size=60))
def test_every_finite_value_is_counted_once(values: list[float]) -> None:
    array = np.asarray(values, np.float32)
    found = histogram(array)
    known = array[np.isfinite(array)]
    if found is None:
        assert known.size == 0
        return
    assert found.objects == known.size
    assert found.below == (known < found.low).sum()
    assert found.above == (known > found.high).sum()
    assert found.low < found.high


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=60))
def test_bins_are_those_of_numpy(values: list[float]) -> None:
    array = np.asarray(values, np.float32)
    found = histogram(array)
    assert found is not None
    edges = np.linspace(found.low, found.high, len(found.counts) + 1)
    expected, _ = np.histogram(array.astype(float), edges)
    # A value on an edge may be in either bin.
    assert np.abs(np.cumsum(expected) - np.cumsum(found.counts)).max() <= sum(
        bool(np.isclose(edges, v, rtol=1e-9, atol=1e-9).any()) for v in array.astype(float)
    )


def test_whole_numbers_have_a_bin_each() -> None:
    found = histogram(np.asarray([1, 2, 2, 4], np.float32))
    assert found is not None
    assert (found.low, found.high, found.counts) == (0.5, 4.5, (1, 2, 0, 1))


def test_a_constant_has_one_bin() -> None:
    found = histogram(np.full(9, 0.25, np.float32))
    assert found is not None
    assert found.counts == (9,)


def objects(path: Path, images: dict[str, int]) -> Path:
    numbers = np.concatenate([np.arange(1, n + 1) for n in images.values()])
    write_table(
        path,
        {
            "Metadata_Image": [i for i, n in images.items() for _ in range(n)],
            "Metadata_ObjectNumber": numbers,
            "Nuclei_Area": numbers * 1.5,
        },
    )
    return path


def test_the_sample_does_not_depend_on_batches(tmp_path: Path) -> None:
    whole = [objects(tmp_path / "a", {"x": 10, "y": 7})]
    parts = [objects(tmp_path / "b", {"x": 10}), objects(tmp_path / "c", {"y": 7})]
    assert spread(whole, 3) == spread(parts, 3)
    assert spread(whole, 3)["Nuclei_Area"].objects == 4 + 3
    assert spread(whole, 1)["Nuclei_Area"].objects == 17
    assert list(spread(whole, 1)) == ["Nuclei_Area"]
    assert len(spread([objects(tmp_path / "d", {"x": 900})], 1)["Nuclei_Area"].counts) == BINS


def test_no_more_objects_are_taken_than_needed() -> None:
    assert [every(n) for n in (0, 1, OBJECTS, OBJECTS + 1, 10 * OBJECTS)] == [1, 1, 1, 2, 10]


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("no table")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        spread([tmp_path / "t"], 1)
