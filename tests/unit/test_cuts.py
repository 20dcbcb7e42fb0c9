"""Cuts hold every image once, in order; those by cost are few and even."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.batch import LARGE_VOXELS
from voxelmill.cuts import by_cost, by_count, names

SIZES = st.lists(st.sampled_from([0, 10, LARGE_VOXELS - 1, LARGE_VOXELS]))


def parts(values: list[int], sizes: list[int]) -> list[list[int]]:
    """Values of each batch."""
    assert sum(sizes) == len(values)
    assert all(size > 0 for size in sizes)
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return [values[a:b] for a, b in pairwise(ends)]


def fewest(costs: list[int], most: int) -> int:
    """Batches that filling one after the other takes."""
    number, room = 0, -1
    for cost in (min(max(1, c), most) for c in costs):
        number, room = (number, room - cost) if cost <= room else (number + 1, most - cost)
    return number


@settings(max_examples=60)
@given(SIZES, st.integers(1, 5))
def test_counted_batches_are_full_but_large_images_alone(sizes: list[int], most: int) -> None:
    found = parts(sizes, by_count(sizes, most))
    for batch in found:
        large = max(batch) >= LARGE_VOXELS
        assert len(batch) <= (1 if large else most)
    if LARGE_VOXELS not in sizes:
        assert len(found) == -(-len(sizes) // most)


@settings(max_examples=300)
@given(st.lists(st.integers(0, 120), max_size=60), st.integers(1, 100))
def test_no_batch_costs_more_than_it_may_and_none_is_too_many(costs: list[int], most: int) -> None:
    found = parts(costs, by_cost(costs, most))
    assert all(sum(max(1, c) for c in batch) <= most or len(batch) == 1 for batch in found)
    assert len(found) == fewest(costs, most)


@settings(max_examples=100)
@given(st.integers(1, 400), st.integers(1, 9), st.integers(1, 200))
def test_images_that_cost_the_same_are_dealt_out_evenly(n: int, cost: int, most: int) -> None:
    sizes = by_cost([cost] * n, most)
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=200)
@given(st.lists(st.integers(1, 10), min_size=1, max_size=300), st.integers(100, 400))
def test_unlike_images_make_batches_of_like_cost(costs: list[int], most: int) -> None:
    sums = [sum(batch) for batch in parts(costs, by_cost(costs, most))]
    assert max(sums) - min(sums) <= 2 * max(costs)


@pytest.mark.parametrize(
    ("minutes", "expected"), [(70, [35, 35]), (40, [40]), (41, [21, 20]), (121, [31, 30, 30, 30])]
)
def test_a_short_rest_is_shared(minutes: int, expected: list[int]) -> None:
    assert sorted(by_cost([1] * minutes, 40), reverse=True) == expected


def test_names_sort_beyond_ten_thousand() -> None:
    found = names(10_001)
    assert found == sorted(set(found))
    assert names(2) == ["0000", "0001"]
