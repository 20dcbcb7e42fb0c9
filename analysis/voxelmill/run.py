"""The only file that imports Dask: runs tasks on workers, and makes lazy arrays.

In: a function and its arguments by key. Out: an `Outcome` by key. Data that cannot be read give
an outcome with a reason (the caller quarantines); anything else that goes wrong is raised as
`BlocksFailed`, naming the tasks, after all the others have finished.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
from distributed import Client, LocalCluster, as_completed, default_client

from voxelmill.config import Compute
from voxelmill.ledger import Ledger
from voxelmill.plugin import AccessDenied, BadInput, BlocksFailed, StoreUnavailable
from voxelmill.progress import Progress

if TYPE_CHECKING:
    import dask.array as da

REFUSALS = (BadInput, StoreUnavailable, AccessDenied)
"""Errors that speak of the data, not of the program."""


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its JSON value, or the reason why its data could not be used."""

    value: Any = None
    reason: str | None = None


def attempt(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
    """Call `function`; an error that speaks of the data becomes a reason."""
    # Dask has one thread a core busy already; OpenCV's own would only compete with them.
    cv2.setNumThreads(1)
    try:
        return Outcome(function(*arguments))
    except REFUSALS as error:
        return Outcome(reason=str(error))


class Pool:
    """Workers that tasks run on; made by `pool`."""

    def __init__(self, client: Client, progress: Progress) -> None:
        self._client = client
        self._progress = progress

    def run(
        self,
        title: str,
        function: Callable[..., Any],
        tasks: Mapping[str, tuple[Any, ...]],
        ledger: Ledger | None = None,
    ) -> dict[str, Outcome]:
        """Run all tasks that the ledger does not hold yet.

        Parameters
        ----------
        title : str
            Name of the stage, for the progress display.
        function : callable
            Module-level function; returns a JSON value; idempotent.
        tasks : mapping of str to tuple
            Arguments by key.
        ledger : Ledger, optional
            Finished tasks are looked up in it and added to it.

        Returns
        -------
        dict of str to Outcome
            In the order of `tasks`.

        Raises
        ------
        BlocksFailed
            Tasks failed for another reason than their data; all others have finished.
        """
        known = ledger.done if ledger else {}
        done = {key: Outcome(known[key]) for key in tasks if key in known}
        failed: dict[str, str] = {}
        with self._progress.stage(title, len(tasks), len(done)) as advance:
            futures = {
                self._client.submit(attempt, function, arguments, pure=False): key
                for key, arguments in tasks.items()
                if key not in done
            }
            for future in as_completed(futures):
                key = futures[future]
                error = future.exception()
                if error is not None:
                    failed[key] = f"{type(error).__name__}: {error}"
                else:
                    done[key] = future.result()
                    if ledger and done[key].reason is None:
                        ledger.add(key, done[key].value)
                future.release()
                advance()
        if failed:
            named = ", ".join(list(failed)[:5]) + (" …" if len(failed) > 5 else "")
            raise BlocksFailed(
                f"{title}: {len(failed)} of {len(tasks)} tasks failed ({named}); the first: "
                f"{next(iter(failed.values()))}. Finished ones are kept: run again to resume"
            )
        return {key: done[key] for key in tasks}


@contextmanager
def pool(compute: Compute, workers: int, progress: Progress) -> Iterator[Pool]:
    """Start workers for one step, or connect to the scheduler at ``compute.address``."""
    with ExitStack() as stack:
        if compute.address is not None:
            yield Pool(stack.enter_context(Client(compute.address)), progress)
            return
        if (active := _active()) is not None:
            yield Pool(active, progress)
            return
        cluster = LocalCluster(
            processes=compute.processes,
            n_workers=workers if compute.processes else 1,
            threads_per_worker=1 if compute.processes else workers,
            dashboard_address=":0",
            silence_logs=logging.ERROR,
            memory_limit=None,
        )
        client = Client(stack.enter_context(cluster))
        yield Pool(stack.enter_context(client), progress)


def _active() -> Client | None:
    """Client of the user's session, if there is one."""
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def lazy(source: Any, chunks: tuple[int, ...]) -> "da.Array":  # noqa: ANN401 - duck-typed array
    """Dask array over anything with ``shape``, ``dtype`` and ``__getitem__``."""
    # It imports pandas and xarray where they are installed: seconds that no step needs to pay.
    import dask.array as da

    array: da.Array = da.from_array(source, chunks=chunks, name=False, asarray=False)
    return array
