"""Who does the work of a step, as `stage` sees it, and the simplest: threads of this process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from voxelmill.run.tasks import Chunk, Done
from voxelmill.slots import AHEAD, computing


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

    def renew(self) -> bool:
        """Start all anew, scheduler too, after `CrewLostError`; whether that was done."""


class Threads:
    """Threads of this process.

    Parameters
    ----------
    executor : ThreadPoolExecutor
    cores : int
    ahead : bool
        There are `AHEAD` threads for each core, which wait for a store by turns.
    """

    def __init__(self, executor: ThreadPoolExecutor, cores: int, *, ahead: bool = False) -> None:
        self._executor, self._cores, self._ahead = executor, cores, ahead

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""
        return self._cores * (AHEAD if self._ahead else 1)

    def submit(self, chunk: Chunk) -> Flight:
        """Send a chunk."""
        if self._ahead:
            return self._executor.submit(on_core, chunk, self._cores)
        return self._executor.submit(chunk)

    def settle(self) -> None:
        """Threads die with their process only."""

    def revive(self) -> None:
        """Threads die with their process only."""

    def renew(self) -> bool:
        """Threads die with their process only."""
        return False


def on_core(chunk: Chunk, cores: int) -> Done:
    """Do a chunk on one of the `cores` of this process, which has more threads."""
    with computing(cores, chunk.function):
        return chunk()
