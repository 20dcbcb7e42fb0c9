"""The simulator of many nodes: what must hold whatever the costs are."""

from math import isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling import plates, volume
from benchmarks.scaling.loop import Loop, Server
from benchmarks.scaling.plates import Cluster, Job, Poll, spread

SECONDS = st.floats(0.01, 100, allow_nan=False)
COSTS = st.lists(SECONDS, min_size=1, max_size=40)


def chains(costs: list[float], cores: int) -> list[Job]:
    """Three jobs a batch, as in the workflow, and one at the end that needs all."""
    jobs: list[Job] = []
    for cost in costs:
        at = len(jobs)
        for part, needs in ((1, ()), (2, ()), (3, (at + 1,))):
            parts = [cost * part / 8] * 8
            jobs.append(Job(0.5, sum(parts), spread(parts, cores), cores, needs=needs))
    return [*jobs, Job(1.0, needs=tuple(range(len(jobs))))]


def critical(jobs: list[Job]) -> float:
    """Seconds of the longest chain of jobs."""
    ends: list[float] = []
    for job in jobs:
        ends.append(max((ends[n] for n in job.needs), default=0) + job.alone_s + job.wide_s)
    return max(ends)


@given(costs=COSTS, nodes=st.integers(1, 5), cores=st.integers(1, 4), most=st.integers(1, 9))
def test_work_is_conserved_and_no_bound_is_broken(
    costs: list[float], nodes: int, cores: int, most: int
) -> None:
    jobs = chains(costs, cores)
    cluster = Cluster(nodes, 4, max_jobs=most, submit_s=0.2, poll=Poll(3, 2, 9))
    run = plates.simulate(jobs, cluster)
    work = sum(job.core_s for job in jobs)
    assert len(run.ended) == len(jobs)
    assert isclose(run.busy_s, work + 0.2 * len(jobs), rel_tol=1e-9)
    assert run.wall_s >= max(critical(jobs), work / (nodes * 4)) - 1e-6
    assert run.flying <= most
    for index, job in enumerate(jobs):
        assert all(run.ended[n] < run.ended[index] for n in job.needs)


@given(costs=COSTS)
def test_one_core_of_one_node_takes_the_sum(costs: list[float]) -> None:
    jobs = chains(costs, 1)
    assert isclose(plates.simulate(jobs, Cluster(1, 1)).wall_s, sum(j.core_s for j in jobs))


@given(costs=COSTS, few=st.integers(1, 4), more=st.integers(0, 4))
def test_more_nodes_never_cost_more_than_one_chain(costs: list[float], few: int, more: int) -> None:
    """List scheduling is not monotonic (Graham's anomalies), but bounded by work and chain."""
    jobs = chains(costs, 2)
    short, long = (plates.simulate(jobs, Cluster(n, 2)).wall_s for n in (few + more, few))
    assert short <= long + critical(jobs) + 1e-6
    taken = sum(job.alone_s + job.wide_s for job in jobs)
    assert short <= taken / (few + more) + critical(jobs) + 1e-6


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> plates.Run:
        draw = np.random.default_rng(seed)
        jobs = chains(draw.uniform(1, 50, 30).tolist(), 2)
        return plates.simulate(jobs, Cluster(3, 4, max_jobs=5, submit_s=0.2, poll=Poll()))

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_limit_of_jobs_in_flight_costs_time_and_is_reached() -> None:
    jobs = [Job(10.0) for _ in range(20)]
    assert plates.simulate(jobs, Cluster(1, 20)).wall_s == 10
    limited = plates.simulate(jobs, Cluster(1, 20, max_jobs=5))
    assert (limited.wall_s, limited.flying) == (40, 5)


def test_submission_and_polling_delay_what_follows() -> None:
    jobs = [Job(1.0), Job(1.0, needs=(0,))]
    run = plates.simulate(jobs, Cluster(1, 1, submit_s=0.5, poll=Poll(10, 10, 20)))
    assert run.ended == {0: 1.5, 1: 11.5}
    assert run.wall_s == 20


def test_polling_grows_while_nothing_ends_and_never_beyond_its_limit() -> None:
    run = plates.simulate([Job(100.0)], Cluster(1, 1, poll=Poll(10, 10, 30)))
    assert run.wall_s == 10 + 20 + 30 + 30 + 30


def test_nodes_that_share_real_cores_are_as_fast_as_these() -> None:
    jobs = [Job(6.0) for _ in range(12)]
    walls = [plates.simulate(jobs, Cluster(n, 4, real_cores=2)).wall_s for n in (1, 2, 3)]
    assert walls == pytest.approx([36, 36, 36])
    assert plates.simulate(jobs, Cluster(3, 4)).wall_s == 6


def test_bandwidth_bounds_a_node_and_all_nodes() -> None:
    jobs = [Job(0, 4.0, 1.0, cores=4, size=100.0) for _ in range(4)]
    assert plates.simulate(jobs, Cluster(4, 4)).wall_s == 1
    assert plates.simulate(jobs, Cluster(4, 4, node_bandwidth=50)).wall_s == pytest.approx(2)
    assert plates.simulate(jobs, Cluster(4, 4, bandwidth=50)).wall_s == pytest.approx(8)


def test_a_job_that_fits_no_node_is_refused() -> None:
    with pytest.raises(ValueError, match="cores of a node"):
        plates.simulate([Job(0, 8, 1, cores=8)], Cluster(3, 4))


@given(costs=COSTS, threads=st.integers(1, 8))
def test_threads_take_no_less_than_their_share_and_the_longest(
    costs: list[float], threads: int
) -> None:
    took = spread(costs, threads)
    assert took >= max(max(costs), sum(costs) / threads) - 1e-9
    assert took <= sum(costs) / threads + max(costs) + 1e-9


@given(
    costs=st.lists(SECONDS, max_size=60), workers=st.integers(1, 6), least=st.sampled_from([1, 16])
)
def test_all_tasks_of_all_stages_are_done_once(
    costs: list[float], workers: int, least: int
) -> None:
    stages = [volume.Stage("a", costs, least=least, serial_s=2), volume.Stage("b", costs[:5])]
    run = volume.simulate(stages, volume.Crew(workers))
    work = sum(costs) + sum(costs[:5])
    assert isclose(run.busy_s, work + 2, rel_tol=1e-9)
    bound = 2 + max(costs, default=0) + max(costs[:5], default=0)
    assert run.wall_s >= max(bound, work / workers) - 1e-6
    assert list(run.stages) == ["a", "b"]


@given(costs=COSTS, workers=st.integers(1, 8))
def test_one_worker_takes_the_sum_and_several_the_longest_more(
    costs: list[float], workers: int
) -> None:
    stage = [volume.Stage("a", costs)]
    assert isclose(volume.simulate(stage, volume.Crew(1)).wall_s, sum(costs))
    several = volume.simulate(stage, volume.Crew(workers)).wall_s
    assert several <= sum(costs) / workers + max(costs) + 1e-6


def test_the_driver_bounds_how_many_workers_it_can_feed() -> None:
    stage = [volume.Stage("a", [1.0] * 400)]
    assert volume.simulate(stage, volume.Crew(400)).wall_s == 1
    fed = volume.simulate(stage, volume.Crew(400, chunk_s=0.1)).wall_s
    assert 39.9 <= fed <= 41.1


def test_workers_wait_for_their_nodes() -> None:
    crew = volume.Crew(4, nodes=2, submit_s=3, dispatch_s=1, startup_s=2, head_s=5)
    run = volume.simulate([volume.Stage("a", [10.0] * 4)], crew)
    assert run.wall_s == 5 + 3 + 1 + 2 + 10


def test_work_slows_alike_and_a_server_does_one_thing_at_a_time() -> None:
    loop, ends = Loop(real_cores=2), []
    for _ in range(4):
        loop.work(3, lambda: ends.append(loop.now))
    loop.run()
    assert ends == pytest.approx([6, 6, 6, 6])
    loop, ends = Loop(), []
    server = Server(loop)
    for seconds in (1, 2, 3):
        server.do(seconds, lambda: ends.append(loop.now))
    assert loop.run() == 6
    assert ends == [1, 3, 6]
    assert loop.busy == 6


def test_only_what_moves_bytes_waits_for_them() -> None:
    loop, ends = Loop(bandwidth=10), {}
    loop.work(2, lambda: ends.update(read=loop.now), rate=40)
    loop.work(2, lambda: ends.update(count=loop.now))
    loop.run()
    assert ends == {"count": 2, "read": 8}
