"""Before a run: its jobs, how long each takes, and when all are done. Pure.

In: the images of every batch, settings, `Costs`, the places that jobs run in. Out: an `Estimate`.
The clock is that of a list schedule: whatever is ready starts as soon as there is room for it.

    qc ──────────────────┐
    segment ─► measure ──┴─► aggregate ─► report ─► provenance   of every dataset

Then the check of all.

Where light is corrected, *illuminate* is before *segment*. Where a gate follows QC, all of a
dataset's *segment* wait for its review; a person's answer is not counted.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from voxelmill.config import Settings
from voxelmill.costs import Costs
from voxelmill.extent import Extent
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS, ILLUMINATION, PROVENANCE, REVIEW

Group = tuple[tuple[Extent, int], ...]
"""Images of one batch: how many of each extent."""
DAG_S = 0.001
"""Seconds of Snakemake for each job, before any of them starts."""
CHECK = "check"


@dataclass(frozen=True)
class Places:
    """What jobs run in."""

    room: int
    """Cores of a machine; jobs in flight on a cluster."""
    threads: int
    """Most cores of the job of a batch."""
    by_core: bool = True
    """Whether a job takes as much room as it has cores; otherwise 1."""
    wait_s: float = 0.0
    """What a job waits in the queue, with its place taken."""


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    step: str
    dataset: str
    cores: int
    seconds: float
    busy_s: float
    """Core-seconds that it works."""
    after: tuple[int, ...] = ()
    """Numbers of the jobs that must have ended."""


@dataclass(frozen=True)
class Step:
    """All jobs of one step."""

    jobs: int
    cores: int
    core_s: float
    """Core-seconds of its cores, busy or not."""
    busy_s: float
    """Core-seconds of work."""
    longest_s: float
    mean_s: float
    slowest: str
    """Dataset of the longest."""


@dataclass(frozen=True)
class Estimate:
    """What a run takes."""

    jobs: Sequence[Job]
    wall_s: float
    snakemake_s: float = 0.0
    """Seconds of Snakemake's own process."""
    steps: Mapping[str, Step] = field(default_factory=dict)

    @property
    def core_s(self) -> float:
        """Core-seconds of all jobs: their cores, busy or not."""
        return sum(step.core_s for step in self.steps.values())

    @property
    def busy_s(self) -> float:
        """Core-seconds of work of all jobs."""
        return sum(step.busy_s for step in self.steps.values())


def estimate(
    batches: Mapping[str, Sequence[Group]], settings: Settings, costs: Costs, places: Places
) -> Estimate:
    """Predict a run from nothing to the last report.

    Parameters
    ----------
    batches : mapping of str to sequence of Group
        Batches by dataset.
    settings : Settings
    costs : Costs
    places : Places
    """
    jobs = jobs_of(batches, settings, costs, places)
    snakemake = costs.found.snakemake
    more = snakemake["job"] + places.wait_s
    sizes = [job.cores if places.by_core else 1 for job in jobs]
    ends = schedule([j.seconds + more for j in jobs], sizes, [j.after for j in jobs], places.room)
    # One process starts all jobs, one after the other.
    work = max(max(ends, default=0.0), len(jobs) * snakemake["job"])
    start = snakemake["start"] + DAG_S * len(jobs)
    own = start + len(jobs) * snakemake["job"]
    return Estimate(jobs, start + work, own, _steps(jobs))


def jobs_of(
    batches: Mapping[str, Sequence[Group]], settings: Settings, costs: Costs, places: Places
) -> list[Job]:
    """All jobs, each after those it needs."""
    known: dict[tuple[str, Group], tuple[float, float]] = {}
    jobs: list[Job] = []

    def add(step: str, dataset: str, group: Group, cores: int, after: tuple[int, ...] = ()) -> int:
        if (step, group) not in known:
            # A review is a report without outlines.
            like = "report" if step == REVIEW else step
            work = costs.work(like, group, settings) if group else 0.0
            takes = costs.seconds(like, work, settings, cores)
            known[step, group] = takes, costs.seconds(like, work, settings)
        jobs.append(Job(step, dataset, cores, *known[step, group], after))
        return len(jobs) - 1

    checked, gated = [], settings.qc.gate != "report"
    for dataset, groups in batches.items():
        before, whole = list[int](), _together(groups)
        first: tuple[int, ...] = ()
        if gated:
            each = [_cores(group, settings, costs, places)["qc"] for group in groups]
            before = [add("qc", dataset, g, n) for g, n in zip(groups, each, strict=True)]
            first = (add(REVIEW, dataset, whole, 1, tuple(before)),)
        if settings.illumination and groups:
            first = (add(ILLUMINATION, dataset, whole, 1, first),)
        for group in groups:
            cores = _cores(group, settings, costs, places)
            before += [] if gated else [add("qc", dataset, group, cores["qc"])]
            segment = add("segment", dataset, group, cores["segment"], first)
            before.append(add("measure", dataset, group, cores["measure"], (segment,)))
        checked.append(add("aggregate", dataset, whole, 1, tuple(before)))
        page = add("report", dataset, whole, 1, (checked[-1],))
        add(PROVENANCE, dataset, whole, 1, (page,))
    if batches:
        add(CHECK, "", (), 1, tuple(checked))
    return jobs


def _cores(group: Group, settings: Settings, costs: Costs, places: Places) -> dict[str, int]:
    """Cores of each job of a batch: all alike on a machine, by their work on a cluster."""
    if places.by_core or not group:
        return dict.fromkeys(BATCH_STEPS, places.threads)
    largest = max((extent for extent, _ in group), key=lambda extent: extent.size)
    return costs.cores(largest, settings, places.threads)


def _together(groups: Iterable[Group]) -> Group:
    counts: dict[Extent, int] = {}
    for extent, number in (each for group in groups for each in group):
        counts[extent] = counts.get(extent, 0) + number
    return tuple(counts.items())


def schedule(
    seconds: Sequence[float], sizes: Sequence[int], after: Sequence[Sequence[int]], room: int
) -> list[float]:
    """List schedule: start, in order, whatever is ready and fits.

    Parameters
    ----------
    seconds, sizes : sequence
        How long each job takes, and how much of the room; one larger than the room takes all.
    after : sequence of sequence of int
        Jobs that must have ended before each.
    room : int

    Returns
    -------
    list of float
        When each job ends.
    """
    waits, followers = [len(set(a)) for a in after], _followers(after)
    ready: dict[int, deque[int]] = {}
    for job, number in enumerate(waits):
        if not number:
            ready.setdefault(min(sizes[job], room), deque()).append(job)
    running: list[tuple[float, int]] = []
    ends, now, free = [0.0] * len(seconds), 0.0, room
    while True:
        # The oldest first, of those for which there is room.
        while fits := [q for size, q in ready.items() if q and size <= free]:
            job = min(fits, key=lambda queue: queue[0]).popleft()
            free -= min(sizes[job], room)
            ends[job] = now + seconds[job]
            heapq.heappush(running, (ends[job], job))
        if not running:
            return ends
        now, done = heapq.heappop(running)
        free += min(sizes[done], room)
        for job in followers[done]:
            waits[job] -= 1
            if not waits[job]:
                ready.setdefault(min(sizes[job], room), deque()).append(job)


def _followers(after: Sequence[Sequence[int]]) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in after]
    for job, before in enumerate(after):
        for earlier in set(before):
            found[earlier].append(job)
    return found


def _steps(jobs: Sequence[Job]) -> dict[str, Step]:
    steps = (ILLUMINATION, *BATCH_STEPS, REVIEW, *DATASET_STEPS, CHECK)
    found: dict[str, list[Job]] = {step: [] for step in steps}
    for job in jobs:
        found[job.step].append(job)
    return {step: _step(mine) for step, mine in found.items() if mine}


def _step(jobs: Sequence[Job]) -> Step:
    longest = max(jobs, key=lambda job: job.seconds)
    total = sum(job.seconds for job in jobs)
    return Step(
        jobs=len(jobs),
        cores=longest.cores,
        core_s=sum(job.seconds * job.cores for job in jobs),
        busy_s=sum(job.busy_s for job in jobs),
        longest_s=longest.seconds,
        mean_s=total / len(jobs),
        slowest=longest.dataset,
    )
