"""Workers of Dask: processes on this machine, the client of the user's session, or an address."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from uuid import uuid4

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, default_client, get_worker
from distributed.comm.core import CommClosedError
from distributed.scheduler import NoValidWorkerError, NoWorkerError

from voxelmill.execution import Compute
from voxelmill.run.crew import CrewLostError, Flight, WorkerDiedError, on_core
from voxelmill.run.tasks import Chunk, Done, describe
from voxelmill.slots import AHEAD

SETTINGS = {
    # When it is given up for good that a worker process comes back by itself; see `revive`.
    "distributed.deploy.lost-worker-timeout": "8s",
    # Where no worker can start, a run ends instead of waiting for ever.
    "distributed.scheduler.no-workers-timeout": "120s",
    # It looks at the stacks of all threads a hundred times a second.
    "distributed.worker.profile.enabled": False,
    # A worker that is started anew would report that, and every closed connection, on stderr.
    # Setting one variable drops Dask's own, so they are here too.
    "distributed.nanny.pre-spawn-environ": {
        "DASK_LOGGING__DISTRIBUTED": "CRITICAL",
        "MALLOC_TRIM_THRESHOLD_": "65536",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    },
}
APART = {
    # The cluster watches memory itself; one thread a task, as everywhere.
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Environment of workers on other nodes."""
READY_S = 0.3
RESTART_S = 10.0
"""How long a worker process may take to start anew."""
LOST = (CancelledError, CommClosedError, NoValidWorkerError, NoWorkerError)
"""Errors that mean that the cluster is gone."""


class Cluster(Protocol):
    """A cluster of our own, local or of jobs."""

    def scale(self, n: int) -> Any:  # noqa: ANN401
        """Have `n` workers: starts what is missing, also what was there and died."""


@dataclass
class Workers:
    """A client, and the cluster behind it where that is our own."""

    client: Client
    cluster: Cluster | None = None
    workers: int = 0
    ahead: bool = False
    """Each worker is a process with one core and `AHEAD` threads."""

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def submit(self, chunk: Chunk) -> Flight:
        """Send a chunk."""
        key = f"voxelmill-{uuid4().hex}"
        return Sent(self.client.submit(_on_worker, chunk, self.ahead, key=key, pure=False))

    def settle(self) -> None:
        """Wait until worker processes that died are back."""
        for _ in range(2):
            if self.cluster and len(self.client.nthreads()) < self.workers:
                with suppress(TimeoutError):
                    self.client.wait_for_workers(self.workers, timeout=RESTART_S)
                self.revive()

    def renew(self) -> bool:
        """A scheduler that is gone is not ours, or was in this process."""
        return False

    def revive(self) -> None:
        """Start anew what Dask has given up; does nothing as long as it has not."""
        if self.cluster:
            self.cluster.scale(self.workers)


class Sent:
    """A chunk on its way to a worker.

    Parameters
    ----------
    future : distributed.Future
    """

    def __init__(self, future: "Future[Done]") -> None:
        self._future = future

    def add_done_callback(self, fn: Callable[[Any], Any], /) -> None:
        """Call `fn` with this flight when it has landed."""
        self._future.add_done_callback(lambda _: fn(self))

    def exception(self) -> BaseException | None:
        """What went wrong; `CrewLostError` and `WorkerDiedError` where it was not the task."""
        if self._future.status == "cancelled":
            return CrewLostError("CancelledError: its scheduler has closed")
        try:
            error = self._future.exception() if self._future.status == "error" else None
        except KilledWorker as late:
            error = late
        if isinstance(error, LOST):
            return CrewLostError(describe(error))
        return WorkerDiedError(describe(error)) if isinstance(error, KilledWorker) else error

    def result(self) -> Done:
        """What the chunk returned."""
        done: Done = self._future.result()
        return done


def _on_worker(chunk: Chunk, ahead: bool) -> Done:
    _get_ready(get_worker().nanny is not None)
    return on_core(chunk, 1) if ahead else chunk()


@cache
def _get_ready(watched: bool) -> None:
    """Wait, once a process, until the process that restarts this one knows of it.

    Dask gives up for good a worker that dies before that, as the next block may make it do.
    """
    if watched:
        time.sleep(READY_S)


@contextmanager
def connect(compute: Compute, workers: int, *, ahead: bool = False) -> Iterator[Workers]:
    """Connect to ``compute.address`` or to the session's client, or start processes."""
    with ExitStack() as stack:
        if compute.address is not None:
            yield Workers(stack.enter_context(Client(compute.address)))
            return
        if (client := active()) is not None:
            yield Workers(client)
            return
        with dask.config.set(SETTINGS):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=AHEAD if ahead else 1,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
                memory_limit=None,
                # The first death is told at once: who is to blame is found out in `stage`.
                scheduler_kwargs={"allowed_failures": 0},
            )
        stack.callback(_close, cluster)
        crew = Workers(stack.enter_context(Client(cluster)), cluster, workers, ahead)
        # Workers that are closed while they start print tracebacks.
        stack.callback(crew.settle)
        yield crew


def _close(cluster: LocalCluster) -> None:
    # Dask raises this where a worker comes or goes at this moment; nothing is lost by it.
    with suppress(KeyError):
        cluster.close()


def active() -> Client | None:
    """Client of the user's session, if there is one."""
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client
