"""Model of the block engine on one image: a driver, its workers, chunks of tasks, stage by stage.

In: the tasks of each stage with durations that were drawn before, and a crew. Out: when all was
done. How many tasks travel together and how many chunks are under way is decided by the engine's
own code (`Pace`, `AHEAD`); driver and scheduler are one process that does one thing at a time.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from benchmarks.scaling.loop import Loop, Server
from voxelmill.run.stage import AHEAD
from voxelmill.run.tasks import LIMIT_S, Pace


@dataclass(frozen=True)
class Crew:
    """Workers, and what it costs to keep them busy."""

    workers: int
    nodes: int = 1
    real_cores: float = inf
    node_bandwidth: float = inf
    bandwidth: float = inf
    head_s: float = 0.0
    """The driver's work before the first stage."""
    submit_s: float = 0.0
    """Between the submissions of two nodes' jobs."""
    dispatch_s: float = 0.0
    """From submission to start."""
    startup_s: float = 0.0
    """Core-seconds of each worker before its first task."""
    chunk_s: float = 0.0
    """The driver's work for each chunk: sending it, taking it back, the scheduler's part."""
    task_s: float = 0.0
    """The driver's work for each task: its key, its arguments, its line in the ledger."""
    worker_s: float = 0.0
    """A worker's work for each chunk besides its tasks."""


@dataclass(frozen=True)
class Stage:
    """Tasks that may run side by side, and what the driver does alone after them."""

    name: str
    costs: Sequence[float]
    """Core-seconds of each task, in their order."""
    sizes: Sequence[float] | float = 0.0
    """Bytes that each task, or every one, reads and writes."""
    least: int = 1
    """Tasks that travel together in any case."""
    serial_s: float = 0.0
    weight: int = 1
    """Tasks of the engine that one of these stands for."""

    def size(self, task: int) -> float:
        """Bytes of one task."""
        return self.sizes if isinstance(self.sizes, int | float) else self.sizes[task]


@dataclass
class Run:
    """What came of a simulation."""

    wall_s: float = 0.0
    busy_s: float = 0.0
    """Core-seconds of all processes."""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each stage, the driver's part after it included."""


def simulate(stages: Sequence[Stage], crew: Crew) -> Run:
    """Run all stages, one after the other."""
    driver = _Driver(stages, crew)
    driver.run.wall_s = driver.loop.run()
    driver.run.busy_s = driver.loop.busy
    return driver.run


class _Driver:
    """The driver; `simulate` runs it."""

    def __init__(self, stages: Sequence[Stage], crew: Crew) -> None:
        self.loop = Loop(crew.real_cores, crew.bandwidth)
        self.run = Run()
        self._stages, self._crew = deque(stages), crew
        self._server = Server(self.loop)
        self._share = crew.node_bandwidth * crew.nodes / crew.workers
        self._chunks: deque[list[int]] = deque()
        self._idle = 0
        self._flying = 0
        self._stage: Stage | None = None
        self._server.do(crew.head_s, self._start)

    def _start(self) -> None:
        """Ask for the workers, which arrive node by node, and begin."""
        crew = self._crew
        for worker in range(crew.workers):
            wait = crew.submit_s * (worker * crew.nodes // crew.workers) + crew.dispatch_s
            self.loop.after(wait, lambda: self.loop.work(crew.startup_s, self._free))
        self._begin()

    def _begin(self) -> None:
        if not self._stages:
            self._stage = None
            return
        self._stage = self._stages.popleft()
        self._since = self.loop.now
        self._todo: deque[int] = deque(range(len(self._stage.costs)))
        self._pace = Pace(len(self._todo), self._crew.workers, self._stage.least)
        self._fill()

    def _fill(self) -> None:
        crew, stage = self._crew, self._stage
        while stage and self._todo and self._flying < AHEAD * crew.workers:
            size = self._pace.next()
            chunk = [self._todo.popleft() for _ in range(min(size, len(self._todo)))]
            self._flying += 1
            send = crew.chunk_s / 2 * stage.weight
            self._server.do(send, lambda chunk=chunk: self._sent(chunk))  # type: ignore[misc]
        if not self._flying:
            self._end()

    def _end(self) -> None:
        stage = self._stage
        if stage is None:
            return

        def after() -> None:
            self.run.stages[stage.name] = self.loop.now - self._since
            self._begin()

        self._stage = None
        self._server.do(stage.serial_s, after)

    def _sent(self, chunk: list[int]) -> None:
        self._chunks.append(chunk)
        self._give()

    def _free(self) -> None:
        self._idle += 1
        self._give()

    def _give(self) -> None:
        while self._idle and self._chunks:
            self._idle -= 1
            self._work(self._chunks.popleft())

    def _work(self, chunk: list[int]) -> None:
        stage = self._stage
        if stage is None:
            raise RuntimeError("a chunk is under way after its stage has ended")
        crew, weight = self._crew, stage.weight
        seconds, size, done = crew.worker_s * weight, 0.0, 0
        for task in chunk:
            seconds += max(stage.costs[task], stage.size(task) / self._share)
            size += stage.size(task)
            done += 1
            if seconds > LIMIT_S:
                break

        def landed() -> None:
            self._flying -= 1
            self._todo.extendleft(reversed(chunk[done:]))
            self._pace.learn(done, seconds, len(chunk) - done)
            self._fill()

        def finished() -> None:
            self._free()
            self._server.do((crew.chunk_s / 2 + done * crew.task_s) * weight, landed)

        self.loop.work(seconds, finished, rate=size / seconds if seconds else 0.0)
