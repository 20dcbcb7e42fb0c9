"""The clock of a run: a list schedule lies between its bounds; and the jobs that it is made of."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from voxelmill.config import Settings
from voxelmill.costs import Costs
from voxelmill.estimate import Estimate, Group, Places, estimate, schedule
from voxelmill.extent import Extent
from voxelmill.illumination import Illumination

FIELD = Extent((1, 3, 1, 1080, 1080), "<u2", (1.0, 0.65, 0.65))
SMALL = Extent((1, 3, 1, 100, 100), "<u2", (1.0, 0.65, 0.65))
SETTINGS = Settings.model_validate(
    {"objects": {"nuclei": {"channel": "0", "segmenter": {"kind": "watershed", "diameter_um": 12}}}}
)


@st.composite
def works(draw: st.DrawFn) -> tuple[list[float], list[int], list[list[int]], int]:
    number = draw(st.integers(1, 25))
    seconds = draw(st.lists(st.floats(0.01, 50), min_size=number, max_size=number))
    room = draw(st.integers(1, 8))
    sizes = draw(st.lists(st.integers(1, room), min_size=number, max_size=number))
    after = [draw(st.lists(st.integers(0, i - 1), max_size=3)) if i else [] for i in range(number)]
    return seconds, sizes, after, room


def longest_path(seconds: Sequence[float], after: Sequence[Sequence[int]]) -> float:
    ends: list[float] = []
    for takes, before in zip(seconds, after, strict=True):
        ends.append(takes + max((ends[j] for j in before), default=0.0))
    return max(ends)


@given(works())
def test_a_schedule_lies_between_its_bounds(
    work: tuple[list[float], list[int], list[list[int]], int],
) -> None:
    seconds, sizes, after, room = work
    ends = schedule(seconds, sizes, after, room)
    area = sum(s * n for s, n in zip(seconds, sizes, strict=True)) / room
    assert max(ends) >= max(area, longest_path(seconds, after)) - 1e-6
    assert max(ends) <= sum(seconds) + 1e-6
    starts = [end - takes for end, takes in zip(ends, seconds, strict=True)]
    for job, before in enumerate(after):
        assert all(starts[job] >= ends[j] - 1e-6 for j in before)
    for moment in starts:
        there = [
            n for s, e, n in zip(starts, ends, sizes, strict=True) if s <= moment + 1e-9 < e - 1e-6
        ]
        assert sum(there) <= room


@given(st.lists(st.floats(0.1, 20), min_size=1, max_size=30), st.integers(1, 6))
def test_jobs_of_one_core_are_within_graham_s_bound(seconds: list[float], room: int) -> None:
    ends = schedule(seconds, [1] * len(seconds), [()] * len(seconds), room)
    best = max(max(seconds), sum(seconds) / room)
    assert max(ends) <= (2 - 1 / room) * best + 1e-6


def test_a_job_larger_than_the_room_takes_all_of_it() -> None:
    assert schedule([1.0, 2.0, 3.0], [9, 1, 1], [(), (), (0,)], 2) == [1.0, 3.0, 4.0]


def run(batches: int, images: int, places: Places, extent: Extent = FIELD) -> Estimate:
    group: Group = ((extent, images),)
    return estimate({"a": [group] * batches, "b": [group]}, SETTINGS, Costs(), places)


def test_jobs_of_every_step() -> None:
    found = run(3, 10, Places(4, 1))
    jobs = {name: step.jobs for name, step in found.steps.items()}
    assert jobs == {
        "qc": 4, "segment": 4, "measure": 4, "aggregate": 2, "report": 2, "provenance": 2,
        "check": 1,
    }  # fmt: skip
    assert len(found.jobs) == sum(jobs.values())
    measure = next(j for j in found.jobs if j.step == "measure")
    assert [found.jobs[i].step for i in measure.after] == ["segment"]
    whole = next(j for j in found.jobs if j.step == "aggregate")
    assert sorted(found.jobs[i].step for i in whole.after) == ["measure"] * 3 + ["qc"] * 3


def test_a_gate_makes_all_segmentation_wait_for_a_review() -> None:
    gated = SETTINGS.model_copy(update={"qc": SETTINGS.qc.model_copy(update={"gate": "ask"})})
    group = ((FIELD, 4),)
    found = estimate({"a": [group] * 2}, gated, Costs(), Places(2, 1))
    jobs = list(found.jobs)
    (review,) = (i for i, job in enumerate(jobs) if job.step == "review")
    assert [jobs[i].step for i in jobs[review].after] == ["qc", "qc"]
    assert all(job.after == (review,) for job in jobs if job.step == "segment")
    assert found.steps["review"].jobs == 1
    plain = estimate({"a": [group] * 2}, SETTINGS, Costs(), Places(2, 1))
    assert len(jobs) == len(plain.jobs) + 1
    assert found.wall_s > plain.wall_s


def test_light_is_estimated_before_anything_is_segmented() -> None:
    lit = SETTINGS.model_copy(update={"illumination": Illumination(fields=20)})
    found = estimate({"a": [((FIELD, 10),)] * 3}, lit, Costs(), Places(4, 1))
    (one,) = (i for i, job in enumerate(found.jobs) if job.step == "illumination")
    waiting = [job.step for job in found.jobs if one in job.after]
    assert waiting == ["segment"] * 3
    few = estimate({"a": [((FIELD, 5),)]}, lit, Costs(), Places(4, 1))
    ten, many = (
        estimate({"a": [((FIELD, n),)]}, lit, Costs(), Places(4, 1)).steps["illumination"].busy_s
        for n in (20, 2000)
    )
    assert few.steps["illumination"].busy_s < ten == many, "only a sample is read"


def test_more_cores_are_faster_and_never_cheaper() -> None:
    one, two, many = (run(6, 24, Places(n, 1)) for n in (1, 2, 64))
    assert one.wall_s > 1.5 * two.wall_s > two.wall_s > many.wall_s
    assert one.core_s == two.core_s == many.core_s
    threads = run(6, 24, Places(64, 8))
    assert threads.core_s > many.core_s
    assert threads.busy_s == many.busy_s


def test_the_queue_is_waited_for_along_the_longest_way() -> None:
    places = Places(200, 8, by_core=False)
    waiting = Places(200, 8, by_core=False, wait_s=300)
    # segment, measure, aggregate, report, provenance: one after the other.
    more = run(3, 5, waiting).wall_s - run(3, 5, places).wall_s
    assert 5 * 300 <= round(more, 6) <= 5 * 300 + 1


def test_jobs_in_flight_are_limited() -> None:
    few, many = (Places(n, 8, by_core=False) for n in (2, 1000))
    assert run(40, 500, few).wall_s > 4 * run(40, 500, many).wall_s


def test_a_run_without_images_is_no_run() -> None:
    found = estimate({}, SETTINGS, Costs(), Places(2, 1))
    assert not found.jobs
    assert found.core_s == 0
    assert found.wall_s > 0


def test_two_million_images_are_planned_by_batch() -> None:
    """What is alike is priced once: the number of images changes nothing."""
    whole = Extent((1, 5, 1, 2160, 2160), "<u2", (1.0, 0.65, 0.65), batch=3667)
    batches = {f"plate{n}": [((whole, 3667),)] for n in range(600)}
    found = estimate(batches, SETTINGS, Costs(), Places(200, 8, by_core=False, wait_s=300))
    assert len(found.jobs) == 600 * 6 + 1
    assert found.steps["segment"].mean_s > run(1, 3667, Places(1, 8)).steps["qc"].mean_s / 10
