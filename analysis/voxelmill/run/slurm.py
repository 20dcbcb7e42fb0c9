"""Dask workers as SLURM jobs, for one image that outgrows a node: the only file on dask-jobqueue.

In: ``compute.slurm``. Out: a crew that replaces lost jobs. The driver is a job itself, or runs
wherever `sbatch` works; workers reach it over the network.

Jobs may be cancelled, preempted, run into their time limit or die on a bad node. Dask gives their
work to others. It forgets a job that ends after its worker had come, and starts another when it is
told the number again; of one that ends before, only SLURM knows (`_drop_ended`).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client

from voxelmill.execution import SlurmWorkers
from voxelmill.plugin import BadConfig
from voxelmill.run.cluster import APART, Workers
from voxelmill.run.crew import CrewLostError
from voxelmill.slots import AHEAD

WAIT_S = "60"
"""How long a worker looks for its scheduler before it ends."""
MARGIN_MINUTES = 3
"""So long before its time limit a worker hands its work back and ends."""
ASK_S = 10.0
"""Time between two questions to SLURM about the jobs."""
STILLBORN = 3
"""Jobs for each one wanted that may end without a worker, one after the other."""


@dataclass
class Jobs(Workers):
    """Workers that are jobs of SLURM."""

    most: int = 0
    """Jobs that may end without a worker before the crew counts as lost."""
    _asked: float = 0.0
    _stillborn: set[str] = field(default_factory=set)

    def settle(self) -> None:
        """Replace what is lost; whoever is left goes on, since others may queue for hours."""
        self.revive()

    def revive(self) -> None:
        """Replace lost jobs.

        Raises
        ------
        CrewLostError
            Job after job ends before its workers have come.
        """
        if time.monotonic() - self._asked < ASK_S:
            return
        self._asked = time.monotonic()
        if self.client.nthreads():
            self._stillborn.clear()
        self._stillborn |= _drop_ended(self.cluster)
        if len(self._stillborn) > self.most:
            jobs = ", ".join(sorted(self._stillborn)[:5])
            raise CrewLostError(
                f"{len(self._stillborn)} SLURM jobs of workers ended before one had come "
                f"({jobs} …); see their logs"
            )
        super().revive()


@contextmanager
def jobs(spec: SlurmWorkers, logs: Path | None, *, ahead: bool = False) -> Iterator[Jobs]:
    """Ask SLURM for workers; wait for none: they are used as they come, and ended at the end.

    Raises
    ------
    BadConfig
        There is no SLURM here, or dask-jobqueue is not installed.
    """
    with _cluster(spec, logs, ahead) as cluster, Client(cluster) as client:
        crew = Jobs(client, cluster, spec.jobs * spec.cores, ahead, most=STILLBORN * spec.jobs)
        crew.revive()
        yield crew


def _drop_ended(cluster: Any) -> set[str]:  # noqa: ANN401 - untyped library
    """Let the cluster forget jobs that SLURM has ended and whose workers never came."""
    known = {str(job.job_id): name for name, job in cluster.workers.items() if job.job_id}
    if not known:
        return set()
    call = ["squeue", "--noheader", "--jobs", ",".join(known), "--format", "%i"]
    found = subprocess.run(call, capture_output=True, text=True, check=False)  # noqa: S603
    if found.returncode and "Invalid job id" not in found.stderr:
        # SLURM does not answer: nothing is known.
        return set()
    alive = set(found.stdout.split())
    came = {str(w["name"]) for w in cluster.scheduler_info["workers"].values()}
    # Several workers of one job have its name with a number after it.
    came |= {name.rpartition("-")[0] for name in came}
    ended = {job: name for job, name in known.items() if job not in alive and str(name) not in came}
    if ended:
        cluster.sync(cluster.scale_down, list(ended.values()))
    return set(ended)


def _cluster(spec: SlurmWorkers, logs: Path | None, ahead: bool) -> Any:  # noqa: ANN401 - untyped library
    """Cluster without workers; `scale` asks SLURM for them."""
    if shutil.which("sbatch") is None:
        raise BadConfig("compute: {kind: slurm}: no sbatch here; allowed: on a SLURM cluster")
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError:
        raise BadConfig(
            "compute: {kind: slurm}: dask-jobqueue is not installed. pip install voxelmill[slurm]"
        ) from None
    account, partition = _of_this_job()
    return SLURMCluster(
        # In Dask's words, cores are threads.
        cores=spec.cores * (AHEAD if ahead else 1),
        job_cpu=spec.cores,
        processes=spec.cores,
        memory=f"{spec.memory_gib} GiB",
        walltime=f"{spec.minutes // 60:02d}:{spec.minutes % 60:02d}:00",
        account=spec.account or account,
        queue=spec.partition or partition,
        interface=spec.interface,
        python=spec.python or sys.executable,
        # Dask replaces jobs; what they print goes into one file each.
        job_extra_directives=["--no-requeue", *spec.extra],
        job_directives_skip=["#SBATCH -e"],
        job_script_prologue=[f"export {name}={value}" for name, value in APART.items()],
        job_name="voxelmill-worker",
        death_timeout=WAIT_S,
        worker_extra_args=_lifetime(spec.minutes),
        local_directory=os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - as SLURM sets it
        log_directory=str(logs) if logs else None,
        scheduler_options={"dashboard_address": ":0", "interface": spec.interface},
        silence_logs="CRITICAL",
    )


def _lifetime(minutes: int) -> list[str]:
    left = max(1, minutes - MARGIN_MINUTES)
    return ["--lifetime", f"{left}m", "--lifetime-stagger", f"{min(60, left * 6)}s"]


def _of_this_job() -> tuple[str | None, str | None]:
    """Account and partition of the job that this process is part of, if it is part of one."""
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return None, None
    call = ["squeue", "--noheader", "--jobs", job, "--format", "%a|%P"]
    found = subprocess.run(call, capture_output=True, text=True, check=False)  # noqa: S603
    account, _, partition = found.stdout.strip().partition("|")
    return account or None, partition or None
