"""One stage on a crew: a bounded number of chunks in flight, and what becomes of each.

A worker that dies takes several chunks with it, and only one task can be to blame. So their tasks
are tried again one by one with nothing beside them: the innocent ones finish, and one whose
worker dies `TRIES` times over is named. After `GUILTY` of those no more are tried, since the rest
would fare alike and every death costs seconds.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from voxelmill.disk import is_full
from voxelmill.plugin import SessionEnded
from voxelmill.run.crew import Crew, CrewLostError, Flight, WorkerDiedError
from voxelmill.run.tasks import Chunk, Done, Item, Outcome, Pace, describe, finished_before

AHEAD = 4
"""Chunks in flight for each thread of the crew."""
PATIENCE_S = 2.0
"""So often, look after the workers."""
TRIES = 2
GUILTY = 3


class Stage:
    """Runs tasks and keeps score.

    Parameters
    ----------
    crew : Crew
    function : callable
        What every task calls.
    note : callable
        Told the key and outcome of every finished task, at once.
    """

    def __init__(
        self,
        crew: Crew,
        function: Callable[..., Any],
        note: Callable[[str, Outcome], None],
    ) -> None:
        self._crew, self._function, self._note = crew, function, note
        self.failed: dict[str, str] = {}
        """What went wrong, by key."""
        self.memory = False
        """Whether something failed for lack of memory, as far as can be told."""
        self.full: BaseException | None = None
        """The error, if a disk is full."""
        self.ended: SessionEnded | None = None
        """The error, if nobody is logged in any more."""
        self.stopped = False
        """Whether tasks were left undone because others failed."""
        self._flights: dict[Flight, tuple[list[Item], bool]] = {}
        self._landed: SimpleQueue[Flight] = SimpleQueue()
        self._returned: deque[Item] = deque()
        self._suspects: deque[Item] = deque()
        self._deaths: dict[str, int] = {}

    def run(self, items: Iterator[Item], total: int, least: int = 1) -> None:
        """Run all tasks, in chunks of at least `least`; afterwards see what has failed.

        Raises
        ------
        CrewLostError
            All workers are gone.
        """
        self._items = items
        self._threads = self._crew.threads
        self._pace = Pace(total, self._threads, least)
        looked = time.monotonic()
        while True:
            self._fill()
            if not self._flights:
                break
            with suppress(Empty):
                self._land(self._landed.get(timeout=PATIENCE_S))
            if time.monotonic() - looked >= PATIENCE_S:
                # Workers come and go, also while others are busy.
                self._crew.revive()
                self._threads = self._crew.threads
                looked = time.monotonic()

    def _fill(self) -> None:
        alone = any(alone for _, alone in self._flights.values())
        if self.stopped or alone:
            return
        if self._suspects:
            if not self._flights:
                self._crew.settle()
                self._send([self._suspects.popleft()], alone=True)
            return
        while len(self._flights) < AHEAD * self._threads and (
            chunk := self._take(self._pace.next())
        ):
            self._send(chunk)

    def _take(self, size: int) -> list[Item]:
        chunk: list[Item] = []
        while len(chunk) < size:
            item = self._returned.popleft() if self._returned else next(self._items, None)
            if item is None:
                break
            chunk.append(item)
        return chunk

    def _send(self, chunk: list[Item], *, alone: bool = False) -> None:
        task = Chunk(self._function, tuple(arguments for _, arguments in chunk))
        flight = self._crew.submit(task)
        self._flights[flight] = chunk, alone
        flight.add_done_callback(self._landed.put)

    def _land(self, flight: Flight) -> None:
        chunk, alone = self._flights.pop(flight)
        error = flight.exception()
        if isinstance(error, CrewLostError):
            raise error
        if isinstance(error, WorkerDiedError):
            self._mourn(chunk, alone)
            return
        done = flight.result() if error is None else finished_before(error)
        if done is None and len(chunk) > 1:
            self._suspects.extend(chunk)
        else:
            self._score(chunk, done or Done(), error)

    def _score(self, chunk: list[Item], done: Done, error: BaseException | None) -> None:
        for (key, _), outcome in zip(chunk, done.outcomes, strict=False):
            self._note(key, outcome)
        rest = chunk[len(done.outcomes) :]
        if error is not None:
            (key, _), *rest = rest
            self.failed[key] = describe(error)
            self.memory |= isinstance(error, MemoryError)
            if is_full(error):
                self.full, self.stopped = error, True
            if isinstance(error, SessionEnded):
                self.ended, self.stopped = error, True
        self._returned.extend(rest)
        self._pace.learn(len(chunk) - len(rest), done.seconds, len(rest))

    def _mourn(self, chunk: list[Item], alone: bool) -> None:
        if not alone:
            self._suspects.extend(chunk)
            return
        ((key, _),) = chunk
        self._deaths[key] = self._deaths.get(key, 0) + 1
        if self._deaths[key] < TRIES:
            self._suspects.extendleft(chunk)
            return
        self.memory = True
        self.failed[key] = (
            f"its worker was killed {TRIES + 1} times, {TRIES} of them with no other task beside "
            "it, most likely for lack of memory"
        )
        guilty = sum(n >= TRIES for n in self._deaths.values())
        self.stopped |= guilty >= GUILTY
