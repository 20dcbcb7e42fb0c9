"""Model of the workflow on plates: Snakemake's main process, SLURM, jobs on nodes.

    qc ∥ segment → measure per batch;  aggregate → report per plate

In: jobs with durations that were drawn before, and a cluster. Out: when all was done. The main
process submits one job after the other, holds at most `max_jobs` in flight, and learns only when
it asks that a job has ended; asking becomes rarer while nothing ends.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling.loop import Loop, Server

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Poll:
    """How Snakemake asks for ended jobs: seconds to the next time, more where nothing had ended."""

    first_s: float = 40.0
    more_s: float = 10.0
    most_s: float = 180.0


@dataclass(frozen=True)
class Cluster:
    """Nodes, and what lies between a job that could run and the job that runs."""

    nodes: int
    cores: int
    """Of a node."""
    real_cores: float = inf
    node_bandwidth: float = inf
    """Bytes a second of a node; each core has its share."""
    bandwidth: float = inf
    """Bytes a second of all nodes."""
    max_jobs: int = 10**9
    head_s: float = 0.0
    """Until the first job can be submitted."""
    graph_s: float = 0.0
    """The main process's work for each job before the first is submitted."""
    submit_s: float = 0.0
    """The main process's work for each job."""
    dispatch_s: float = 0.0
    """From submission to start where there is room."""
    startup_s: float = 0.0
    """Core-seconds of a job before its step starts."""
    poll: Poll | None = None
    """None: an end is noticed at once (local jobs)."""


@dataclass(frozen=True)
class Job:
    """One job.

    `alone_s` seconds on one core (start, tables), then `work_s` core-seconds on `cores`, of which
    the longest of them takes until `wide_s` after its begin; `size` bytes are read meanwhile.
    """

    alone_s: float
    work_s: float = 0.0
    wide_s: float = 0.0
    cores: int = 1
    size: float = 0.0
    needs: tuple[int, ...] = ()

    @property
    def core_s(self) -> float:
        """Core-seconds of work."""
        return self.alone_s + self.work_s


@dataclass
class Run:
    """What came of a simulation."""

    wall_s: float = 0.0
    busy_s: float = 0.0
    """Core-seconds of all processes."""
    flying: int = 0
    """Most jobs in flight."""
    ended: dict[int, float] = field(default_factory=dict)
    """When each job ended."""


def spread(costs: Sequence[float] | Floats, threads: int) -> float:
    """Seconds that `threads` take for tasks, each given to the first that is free."""
    if threads == 1 or len(costs) <= 1:
        return float(np.sum(costs))
    free = [0.0] * min(threads, len(costs))
    for cost in costs:
        heapq.heapreplace(free, free[0] + float(cost))
    return max(free)


def simulate(jobs: Sequence[Job], cluster: Cluster) -> Run:
    """Run all jobs.

    Raises
    ------
    ValueError
        A job wants more cores than a node has.
    """
    if any(job.cores > cluster.cores for job in jobs):
        raise ValueError(f"a job wants more than the {cluster.cores} cores of a node")
    head = _Head(jobs, cluster)
    head.run.wall_s = head.loop.run()
    head.run.busy_s = head.loop.busy
    return head.run


class _Head:
    """The main process and the queue; `simulate` runs it."""

    def __init__(self, jobs: Sequence[Job], cluster: Cluster) -> None:
        self.loop = Loop(cluster.real_cores, cluster.bandwidth)
        self.run = Run()
        self._jobs, self._cluster = jobs, cluster
        self._server = Server(self.loop)
        self._missing = [len(job.needs) for job in jobs]
        self._after: list[list[int]] = [[] for _ in jobs]
        for i, job in enumerate(jobs):
            for need in job.needs:
                self._after[need].append(i)
        self._ready = deque(i for i, n in enumerate(self._missing) if not n)
        self._queue: list[int] = []
        self._free = [cluster.cores] * cluster.nodes
        self._unseen: list[int] = []
        self._flying = 0
        self._pause = cluster.poll.first_s if cluster.poll else 0.0
        start = cluster.head_s + cluster.graph_s * len(jobs)
        self._server.do(start, self._begin)

    def _begin(self) -> None:
        self._submit()
        if self._cluster.poll and self._jobs:
            self.loop.after(self._pause, self._ask)

    def _submit(self) -> None:
        while self._ready and self._flying < self._cluster.max_jobs:
            job = self._ready.popleft()
            self._flying += 1
            self.run.flying = max(self.run.flying, self._flying)
            self._server.do(self._cluster.submit_s, lambda job=job: self._enqueue(job))  # type: ignore[misc]

    def _enqueue(self, job: int) -> None:
        self._queue.append(job)
        self._place()

    def _place(self) -> None:
        """Start what fits, in order; later jobs may overtake one that does not fit."""
        waiting, refused = [], inf
        for job in self._queue:
            cores = self._jobs[job].cores
            node = None
            if cores < refused:
                node = next((i for i, free in enumerate(self._free) if free >= cores), None)
                refused = cores if node is None else refused
            if node is None:
                waiting.append(job)
                continue
            self._free[node] -= cores
            self.loop.after(self._cluster.dispatch_s, lambda j=job, n=node: self._start(j, n))  # type: ignore[misc]
        self._queue = waiting

    def _start(self, index: int, node: int) -> None:
        job, cluster = self._jobs[index], self._cluster
        share = cluster.node_bandwidth * job.cores / cluster.cores
        seconds = max(job.wide_s, job.size / share)

        def wide() -> None:
            if not seconds:
                self._end(index, node)
                return
            rate = job.size / seconds
            self.loop.work(seconds, lambda: self._end(index, node), job.work_s / seconds, rate)

        self.loop.work(cluster.startup_s + job.alone_s, wide)

    def _end(self, index: int, node: int) -> None:
        self.run.ended[index] = self.loop.now
        self._free[node] += self._jobs[index].cores
        self._unseen.append(index)
        self._place()
        if self._cluster.poll is None:
            self._notice()

    def _ask(self) -> None:
        poll = self._cluster.poll or Poll()
        self._pause = min(self._pause + poll.more_s, poll.most_s)
        if self._unseen:
            self._pause = poll.first_s
            self._notice()
        if self._flying or self._ready:
            self.loop.after(self._pause, self._ask)

    def _notice(self) -> None:
        for job in self._unseen:
            self._flying -= 1
            for other in self._after[job]:
                self._missing[other] -= 1
                if not self._missing[other]:
                    self._ready.append(other)
        self._unseen.clear()
        self._submit()
