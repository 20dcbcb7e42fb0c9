"""Who does the work of a step: threads of this process, or the workers of a Dask cluster.

Threads need no cluster. Dask's, in one process, costs some 10 ms a task and seconds of imports; its
event loops also take the interpreter's lock from the tasks. So Dask comes in where it is needed:
for worker processes, for the client of the user's session, and for a scheduler at an address.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

from voxelmill.config import Compute
from voxelmill.run.tasks import Chunk, Done


class CrewLostError(Exception):
    """All workers are gone."""


class WorkerDiedError(Exception):
    """The worker that a chunk was sent to is dead."""


class Flight(Protocol):
    """A chunk on its way."""

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> Any:  # noqa: ANN401
        """Call `fn` with this flight when it has landed."""

    def exception(self) -> BaseException | None:
        """What went wrong; `CrewLostError` and `WorkerDiedError` where it was not the task."""

    def result(self) -> Done:
        """What the chunk returned."""


class Crew(Protocol):
    """Workers."""

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""

    def submit(self, chunk: Chunk) -> Flight:
        """Send a chunk."""

    def settle(self) -> None:
        """Wait until workers that died are back."""

    def revive(self) -> None:
        """Start anew workers that are gone for good; does nothing as long as there are none."""


class Threads:
    """Threads of this process.

    Parameters
    ----------
    executor : ThreadPoolExecutor
    threads : int
    """

    def __init__(self, executor: ThreadPoolExecutor, threads: int) -> None:
        self._executor, self._threads = executor, threads

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""
        return self._threads

    def submit(self, chunk: Chunk) -> Flight:
        """Send a chunk."""
        return self._executor.submit(chunk)

    def settle(self) -> None:
        """Threads die with their process only."""

    def revive(self) -> None:
        """Threads die with their process only."""


@contextmanager
def gather(compute: Compute, workers: int) -> Iterator[Crew]:
    """Start workers, or connect to those of the session or at ``compute.address``."""
    if compute.address is not None or compute.processes or _session():
        from voxelmill.run.cluster import connect

        with connect(compute, workers) as crew:
            yield crew
        return
    executor = ThreadPoolExecutor(workers, thread_name_prefix="voxelmill")
    try:
        yield Threads(executor, workers)
    finally:
        executor.shutdown(cancel_futures=True)


def _session() -> bool:
    """Whether the user's session has a Dask client."""
    if "distributed" not in sys.modules:
        return False
    from voxelmill.run.cluster import active

    return active() is not None
