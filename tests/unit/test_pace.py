"""Speed and time left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill.layout import BATCH_STEPS
from voxelmill.pace import (
    JOBS_LONG,
    USUAL,
    WINDOW_S,
    left_text,
    pace,
    pace_text,
    progress_line,
    shares,
    window,
    work,
)
from voxelmill.tally import Portion

jobs = st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(1, 10**10)), max_size=4)


@given(st.fixed_dictionaries(dict.fromkeys(BATCH_STEPS, jobs)), st.floats(0.1, 10))
def test_shares_are_of_one_and_do_not_depend_on_the_unit(
    timed: dict[str, list[tuple[float, int]]], factor: float
) -> None:
    found = shares(timed)
    assert sum(found.values()) == pytest.approx(1)
    other = shares({s: [(factor * t, n) for t, n in pairs] for s, pairs in timed.items()})
    assert other == pytest.approx(found)
    whole = dict.fromkeys(BATCH_STEPS, Portion(1, 1000))
    assert work(whole, found) == pytest.approx(1000)


def test_shares_are_as_measured() -> None:
    found = shares({"qc": [(10, 100)], "segment": [(50, 100), (10, 20)], "measure": [(40, 100)]})
    assert found == pytest.approx({"qc": 0.1, "segment": 0.5, "measure": 0.4})
    usual = {step: USUAL[step] / sum(USUAL.values()) for step in BATCH_STEPS}
    assert shares({}) == pytest.approx(usual)
    assert shares({"qc": [(7, 100)]}) == pytest.approx(usual), "nothing else is known of the others"


@given(st.floats(1, 1e9), st.floats(1, 1e6), st.floats(0, 1e12))
def test_at_the_same_speed_the_rest_takes_as_long(done: float, seconds: float, left: float) -> None:
    found = pace(done, seconds, left, Portion(10, 1000))
    assert found.left_seconds == pytest.approx(left / done * seconds)
    assert found.mpx_second == pytest.approx(done / seconds / 1e6)
    assert found.images_minute == pytest.approx(done / 100 / seconds * 60)


@pytest.mark.parametrize(("done", "seconds"), [(0, 10), (10, 0), (10, -1)])
def test_where_nothing_is_known_nothing_is_said(done: float, seconds: float) -> None:
    found = pace(done, seconds, 5, Portion(1, 1))
    assert (found.images_minute, found.mpx_second, found.left_seconds) == (None, None, None)
    assert pace_text(found) == ""


def test_long_jobs_are_watched_longer() -> None:
    assert window({"qc": [(5.0, 1)]}) == WINDOW_S
    assert window({"qc": [(5.0, 1)], "segment": [(3600.0, 1), (60.0, 1)]}) == JOBS_LONG * 3600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (40, "40 s"), (840, "14 min"), (11400, "3 h 10 min"), (187200, "2 d 4 h")],
)
def test_time_left(seconds: float, text: str) -> None:
    assert left_text(seconds) == text


def test_the_line_of_a_run() -> None:
    done = {"qc": Portion(480, 1), "segment": Portion(120, 1), "measure": Portion()}
    found = pace(31.2e6 * 60, 60, 31.2e6 * 840, Portion(480, 480 * 5_000_000))
    assert progress_line("12:03", done, Portion(480, 1), found) == (
        "12:03 qc 480/480 images, segment 120/480, measure 0/480; 31.2 Mpx/s, 374 images/min; "
        "14 min left"
    )
