"""The matching behind the accuracy benchmark, on cases counted by hand."""

import numpy as np
import pytest

from benchmarks.matching import THRESHOLDS, compare, pool


def strips(*runs: tuple[int, int, int]) -> np.ndarray:
    """(1, 1, 100) labels with each (label, first, stop)."""
    labels = np.zeros((1, 1, 100), np.int32)
    for label, first, stop in runs:
        labels[..., first:stop] = label
    return labels


def test_equal_objects_match_whatever_their_numbers() -> None:
    truth, found = strips((1, 0, 10), (2, 20, 40)), strips((90, 0, 10), (7, 20, 40))
    counts = compare(truth, found)
    assert counts.matched == (2,) * len(THRESHOLDS)
    assert (counts.f1(), counts.average_precision(), counts.count_error()) == (1, 1, 0)


def test_a_match_counts_up_to_its_overlap() -> None:
    counts = compare(strips((1, 0, 10)), strips((1, 0, 8)))
    assert sum(counts.matched) == 7  # 0.50, 0.55 … 0.80
    assert counts.average_precision() == pytest.approx(0.7)
    half = compare(strips((1, 0, 10)), strips((1, 0, 5)))
    assert half.matched[0] == 1
    assert half.matched[1] == 0


def test_no_object_is_matched_twice() -> None:
    counts = compare(strips((1, 0, 10)), strips((1, 0, 5), (2, 5, 10)))
    assert counts.matched[0] == 1
    assert counts.f1() == pytest.approx(2 / 3)
    assert (counts.splits, counts.merges) == (1, 0)


def test_splits_and_merges_leave_slivers_out() -> None:
    merged = compare(strips((1, 0, 10), (2, 10, 20)), strips((1, 0, 20)))
    assert (merged.splits, merged.merges) == (0, 1)
    sliver = compare(strips((1, 0, 40)), strips((1, 0, 39), (2, 39, 40)))
    assert (sliver.splits, sliver.merges) == (0, 0)


def test_empty_images_are_right_only_if_nothing_is_found() -> None:
    empty, one = strips(), strips((1, 0, 4))
    assert compare(empty, empty).average_precision() == 1
    assert compare(empty, one).average_precision() == 0
    assert compare(one, empty).f1() == 0
    both = pool([compare(empty, one), compare(one, one)])
    assert (both.truth, both.found, both.matched[0]) == (1, 2, 1)
    assert both.f1() == pytest.approx(2 / 3)
