"""The only package that imports Dask: runs tasks on workers, and makes lazy arrays.

In: a function and its arguments by key. Out: an `Outcome` by key. Data that cannot be read give
an outcome with a reason (the caller quarantines); anything else that goes wrong is raised as
`BlocksFailed`, naming the tasks, after all the others have finished.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxelmill.disk import full
from voxelmill.execution import Compute
from voxelmill.ledger import Ledger
from voxelmill.machine import give_back, reuse
from voxelmill.plugin import BlocksFailed
from voxelmill.progress import Progress
from voxelmill.run.crew import Crew, CrewLostError
from voxelmill.run.gather import gather
from voxelmill.run.stage import Stage
from voxelmill.run.tasks import Outcome
from voxelmill.watchdog import end_with_the_run

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["Outcome", "Pool", "lazy", "pool"]


class Pool:
    """Workers that tasks run on; made by `pool`."""

    def __init__(self, crew: Crew, progress: Progress) -> None:
        self._crew = crew
        self._progress = progress

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""
        return self._crew.threads

    def run(
        self,
        title: str,
        function: Callable[..., Any],
        tasks: Mapping[str, tuple[Any, ...]],
        ledger: Ledger | None = None,
        advice: str = "",
        least: int = 1,
    ) -> dict[str, Outcome]:
        """Run all tasks that the ledger does not hold yet.

        Parameters
        ----------
        title : str
            Name of the stage, for the progress display.
        function : callable
            Module-level function; returns a JSON value; idempotent.
        tasks : mapping of str to tuple
            Arguments by key; each is taken from the mapping when its turn comes, in order.
        ledger : Ledger, optional
            Finished tasks are looked up in it and added to it.
        advice : str
            What a task needs and which setting to change, where memory did not suffice.
        least : int
            Tasks that are sent at once in any case, since they are short.

        Returns
        -------
        dict of str to Outcome
            In the order of `tasks`.

        Raises
        ------
        BlocksFailed
            Tasks failed for another reason than their data; all others have finished, unless a
            disk is full, the cluster is gone, or worker after worker was killed.
        SessionEnded
            Nobody is logged in any more, and a store wants that.
        """
        known = ledger.done if ledger else {}
        done = {key: Outcome(known[key]) for key in tasks if key in known}
        with self._progress.stage(title, len(tasks), len(done)) as advance:

            def note(key: str, outcome: Outcome) -> None:
                done[key] = outcome
                if ledger and outcome.reason is None:
                    ledger.add(key, outcome.value)
                advance()

            kept = bool(ledger and ledger.kept)
            while True:
                stage = Stage(self._crew, function, note)
                undone = [key for key in tasks if key not in done]
                try:
                    stage.run(((key, tasks[key]) for key in undone), len(undone), least)
                    break
                except CrewLostError as error:
                    if not self._crew.renew():
                        raise BlocksFailed(
                            f"{title}: the Dask cluster is gone ({error}). {_next(kept)}"
                        ) from error
        if ledger:
            ledger.sync()
        if stage.failed:
            if stage.ended:
                raise stage.ended
            raise _failure(title, stage, len(tasks), len(tasks) - len(done), kept, advice)
        return {key: done[key] for key in tasks}


def _failure(
    title: str, stage: Stage, total: int, left: int, kept: bool, advice: str
) -> BlocksFailed:
    if stage.full:
        return full(title, stage.full, kept=kept)
    named = ", ".join(list(stage.failed)[:5]) + (" …" if len(stage.failed) > 5 else "")
    text = f"{title}: {len(stage.failed)} of {total} tasks failed ({named}); the first: "
    text += next(iter(stage.failed.values())).rstrip(".")
    if left > len(stage.failed):
        text += f"; {left - len(stage.failed)} more were not tried"
    parts = [text, advice if stage.memory else "", _next(kept)]
    return BlocksFailed(". ".join(part.rstrip(".") for part in parts if part))


def _next(kept: bool) -> str:
    return "Finished ones are kept: run again to resume" if kept else "Nothing was kept"


@contextmanager
def pool(
    compute: Compute,
    workers: int,
    progress: Progress,
    alike: bool = False,
    logs: Path | None = None,
    *,
    ahead: bool = False,
) -> Iterator[Pool]:
    """Start workers for one step, or connect to the scheduler at ``compute.address``.

    Tasks that are `alike` in what they need have freed memory kept for the next one. `logs` is the
    folder for what workers on other machines print. With `ahead`, blocks are read while others are
    computed: their pixels come over a network.
    """
    end_with_the_run()
    (reuse if alike else give_back)()
    with gather(compute, workers, logs, ahead=ahead) as crew:
        yield Pool(crew, progress)


def lazy(source: Any, chunks: tuple[int, ...]) -> "da.Array":  # noqa: ANN401 - duck-typed array
    """Dask array over anything with ``shape``, ``dtype`` and ``__getitem__``."""
    # It imports pandas and xarray where they are installed: seconds that no step needs to pay.
    import dask.array as da

    array: da.Array = da.from_array(source, chunks=chunks, name=False, asarray=False)
    return array
