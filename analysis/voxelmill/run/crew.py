"""The workers of a step: a local cluster, the client of the user's session, or an address."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import dask
from distributed import Client, LocalCluster, default_client

from voxelmill.config import Compute

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
RESTART_S = 10.0
"""How long a worker process may take to start anew."""


@dataclass(frozen=True)
class Crew:
    """A client, and the cluster behind it where that is our own."""

    client: Client
    cluster: LocalCluster | None = None
    workers: int = 0

    @property
    def threads(self) -> int:
        """Tasks that can run at the same time."""
        threads: dict[str, int] = self.client.nthreads()
        return max(1, sum(threads.values()))

    def settle(self) -> None:
        """Wait until worker processes that died are back."""
        for _ in range(2):
            if self.cluster and len(self.client.nthreads()) < self.workers:
                with suppress(TimeoutError):
                    self.client.wait_for_workers(self.workers, timeout=RESTART_S)
                self.revive()

    def revive(self) -> None:
        """Start anew what Dask has given up; does nothing as long as it has not."""
        if self.cluster:
            self.cluster.scale(self.workers)


@contextmanager
def gather(compute: Compute, workers: int) -> Iterator[Crew]:
    """Start workers, or connect to those of the session or at ``compute.address``."""
    with ExitStack() as stack:
        if compute.address is not None:
            yield Crew(stack.enter_context(Client(compute.address)))
            return
        if (active := _active()) is not None:
            yield Crew(active)
            return
        processes = workers if compute.processes else 1
        with dask.config.set(SETTINGS):
            cluster = LocalCluster(
                processes=compute.processes,
                n_workers=processes,
                threads_per_worker=1 if compute.processes else workers,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
                memory_limit=None,
                # The first death is told at once: who is to blame is found out in `stage`.
                scheduler_kwargs={"allowed_failures": 0},
            )
        stack.callback(_close, cluster)
        client = Client(cluster)
        crew = Crew(stack.enter_context(client), cluster, processes)
        # Workers that are closed while they start print tracebacks.
        stack.callback(crew.settle)
        yield crew


def _close(cluster: LocalCluster) -> None:
    # Dask raises this where a worker comes or goes at this moment; nothing is lost by it.
    with suppress(KeyError):
        cluster.close()


def _active() -> Client | None:
    """Client of the user's session, if there is one."""
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client
