"""Choose who does the work: threads of this process, or the workers of a Dask cluster.

Threads need no cluster. Dask's, in one process, costs some 10 ms a task and seconds of imports; its
event loops also take the interpreter's lock from the tasks. So Dask comes in where it is needed:
for worker processes, for workers on other nodes (SLURM, Kubernetes), for the client of the user's
session, and for a scheduler at an address.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from voxelmill.execution import Compute
from voxelmill.run.crew import Crew, Threads
from voxelmill.slots import AHEAD


@contextmanager
def gather(
    compute: Compute, workers: int, logs: Path | None = None, *, ahead: bool = False
) -> Iterator[Crew]:
    """Start workers, or connect to those of the session or at ``compute.address``.

    `logs` is the folder for what workers on other machines print. Those that are started read
    `ahead`: see ``slots``.
    """
    if compute.slurm is not None:
        from voxelmill.run.slurm import jobs

        with jobs(compute.slurm, logs, ahead=ahead) as crew:
            yield crew
        return
    if compute.kubernetes is not None:
        from voxelmill.run.kubernetes import pods

        with pods(compute.kubernetes, ahead=ahead) as crew:
            yield crew
        return
    if compute.address is not None or compute.processes or in_session():
        from voxelmill.run.cluster import connect

        with connect(compute, workers, ahead=ahead) as crew:
            yield crew
        return
    threads = workers * (AHEAD if ahead else 1)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="voxelmill")
    try:
        yield Threads(executor, workers, ahead=ahead)
    finally:
        executor.shutdown(cancel_futures=True)


def in_session() -> bool:
    """Whether the user's session has a Dask client, whose workers may be anywhere."""
    if "distributed" not in sys.modules:
        return False
    from voxelmill.run.cluster import active

    return active() is not None
