"""Compare with a real SLURM: the workflow on a plate, and one image on Dask workers, 1 … 3 nodes.

    python -m benchmarks.scaling.cluster --profile profiles/slurm --partition test --account NAME

The latencies of the cluster are measured first and put into ``measured.json``. Nodes beyond the
first n are excluded from jobs. Nodes of a test cluster may all be this one machine: the simulation
is told how many real cores there are behind them (`--real-cores`, default those of this machine),
so more nodes need not be faster, and must not be so in the simulation. Rows and exit code are
those of `validate`.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import cpu_count
from pathlib import Path
from typing import Any

import yaml

from benchmarks.large import write_large
from benchmarks.scaling import plates, volume
from benchmarks.scaling.clock import middle, timed
from benchmarks.scaling.inputs import EDGE, MEASURED, PLANE, load
from benchmarks.scaling.noted import save
from benchmarks.scaling.scenes import FIELDS, PLATE, SIZE, Scene, command, write_plate
from benchmarks.scaling.simulate import geometry, head
from benchmarks.scaling.validate import (
    MOST,
    SEED,
    Checked,
    checked,
    report,
)
from benchmarks.scaling.workloads import (
    Geometry,
    Measured,
    Plates,
    by_processes,
    image_stages,
    plate_jobs,
)
from voxelmill.config import Settings

RULES = ("qc", "segment", "measure", "aggregate", "report", "provenance")
SUBMITTED = 20
WELLS, BATCH = 24, 24
"""Four batches, so that several nodes have something to do, of fields that take a minute: what
Snakemake's pauses of 20 s and more add to jobs that are shorter than these is a matter of luck."""
SIDE = 8192
MINUTES, GIB = 15, 1.5


@dataclass(frozen=True)
class Slurm:
    """A partition, as `sinfo` shows it."""

    profile: Path
    partition: str
    account: str
    nodes: tuple[str, ...]
    cores: int
    """Of a node."""
    memory_mb: int
    real_cores: int

    @classmethod
    def of(cls, profile: Path, partition: str, account: str, real_cores: int) -> "Slurm":
        """Ask SLURM for the nodes of a partition."""
        shown = ask(
            "sinfo", "--noheader", "--Node", "--partition", partition, "--format", "%N %c %m"
        )
        lines = [line.split() for line in shown.splitlines()]
        nodes = tuple(sorted({name for name, *_ in lines}))
        cores, memory = (min(int(line[i].rstrip("+")) for line in lines) for i in (1, 2))
        return cls(profile.resolve(), partition, account, nodes, cores, memory, real_cores)

    def without(self, count: int) -> str:
        """Option of sbatch that leaves the first nodes; empty if that is all of them."""
        rest = self.nodes[count:]
        return f"--exclude={','.join(rest)}" if rest else ""

    def polls(self) -> list[float]:
        """How Snakemake asks for jobs under the profile: first pause, what is added, the most."""
        found = yaml.safe_load((self.profile / "config.yaml").read_text(encoding="utf-8"))
        return [float(found.get("slurm-init-seconds-before-status-checks", 40)), 10.0, 180.0]


def ask(*call: str) -> str:
    """Output of a command of SLURM."""
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=True).stdout


def from_cluster(slurm: Slurm, folder: Path) -> dict[str, Any]:
    """Latencies: from the submission of a job to its start, and the time that a submission takes.

    Jobs write the time at which they start into a file; they are submitted one after the other,
    each when the one before has started, so that none waits for a core.
    """
    submits, waits = [], []
    for i in range(SUBMITTED):
        file = folder / f"start-{i}"
        begun = time.time()
        ask("sbatch", "--account", slurm.account, "--partition", slurm.partition, "--time", "1",
            "--output", str(folder / "out"), "--wrap", f"date +%s.%N > {file}.part && "
            f"mv {file}.part {file}")  # fmt: skip
        submitted = time.time()
        while not file.exists():
            time.sleep(0.02)
        submits.append(submitted - begun)
        waits.append(max(0.0, float(file.read_text()) - submitted))
    middle = SUBMITTED // 2
    return {"sbatch_s": round(sorted(submits)[middle], 3),
            "dispatch_s": round(sorted(waits)[middle], 3), "poll_s": slurm.polls(),
            "source": f"measured on {len(slurm.nodes)} nodes of a test cluster"}  # fmt: skip


def site_file(slurm: Slurm, folder: Path, jobs: int) -> Path:
    """Partition file for `voxelmill run --site`: one core a job, as many jobs as asked for."""
    part = {"max_runtime": MINUTES, "max_mem_mb": slurm.memory_mb, "max_threads": slurm.cores,
            "max_nodes": 1}  # fmt: skip
    site = {"name": "test", "max_jobs": jobs, "cores": 1, "queue_minutes": 0}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump({"partitions": {slurm.partition: part}, "site": site}))
    return path


def run_plate(measured: Measured, slurm: Slurm, folder: Path) -> Iterator[Checked]:
    """The workflow on 1 … n nodes; as many jobs in flight as these have cores."""
    write_plate(folder / "plate.zarr", WELLS, seed=SEED)
    of = Plates(1, WELLS * FIELDS, SIZE * SIZE, images=BATCH)
    for count in range(1, len(slurm.nodes) + 1):
        scene = Scene(
            folder / f"on{count}", "../plate.zarr", PLATE | {"batches": {"images": BATCH}}
        )
        scene.prepare()
        jobs = count * slurm.cores
        line = ["run", "config.yaml", "--profile", str(slurm.profile), "--account", slurm.account]
        line += ["--site", str(site_file(slurm, scene.folder, jobs)), "--"]
        if extra := slurm.without(count):
            line += ["--set-resources", *(f"{rule}:slurm_extra='{extra}'" for rule in RULES)]
        took = timed(command(*line), scene.folder)
        found = plates.simulate(
            plate_jobs(measured, of),
            head(measured, plates.Cluster(count, slurm.cores, real_cores=slurm.real_cores,
                                          max_jobs=jobs)),
        )  # fmt: skip
        # At the end the run is judged, by a step that the main process starts itself.
        wall = found.wall_s + measured["plates"]["aggregate"]["start_s"]
        # The jobs are no children of the command: its clock cannot tell who disturbed them.
        row = checked(f"plate of {of.fields} fields, SLURM, {count} nodes", wall, took)
        yield replace(row, measured_s=row.elapsed_s)


def run_image(measured: Measured, slurm: Slurm, folder: Path) -> Iterator[Checked]:
    """One image on Dask workers, one job a node."""
    write_large(folder / "image.zarr", SIDE, seed=SEED)
    was = geometry(measured["image"])
    of = Geometry((1, SIDE, SIDE), was.block, was.halo, round(was.objects * SIDE**2 / was.voxels))
    settings = Settings.model_validate(PLANE)
    dask, latency = measured["dask"]["processes"], measured["slurm"]
    for count in range(1, len(slurm.nodes) + 1):
        scene = Scene(folder / f"dask{count}", "../image.zarr", PLANE)
        workers = {"jobs": count, "cores": 1, "memory_gib": GIB, "minutes": MINUTES,
                   "interface": "lo", "account": slurm.account, "partition": slurm.partition,
                   "extra": [slurm.without(count)] if slurm.without(count) else []}  # fmt: skip
        compute = {"kind": "slurm", "slurm": workers}
        scene.prepare({"blocks": {"size": EDGE}, "compute": compute})
        costs = by_processes(measured["image"], count)
        stages = image_stages(costs, was, of, settings)
        for step in ("segment", "measure"):
            run = middle if step == "measure" else timed
            took = run(command(*scene.step(step, "0000", 1)), scene.folder, Path.cwd())
            scene.check(step, "0000")
            crew = volume.Crew(
                count, nodes=count, real_cores=slurm.real_cores,
                head_s=costs[step]["start_s"] + dask["head_s"], submit_s=latency["sbatch_s"],
                dispatch_s=latency["dispatch_s"],
                startup_s=dask["worker_start_s"] + costs[step]["kernels_s"],
                chunk_s=dask["chunk_s"], task_s=dask["task_s"], worker_s=dask["worker_s"],
            )  # fmt: skip
            found = volume.simulate(stages[step], crew)
            row = checked(f"{step} of {SIDE}², SLURM workers, {count} nodes", found.wall_s, took)
            yield replace(row, measured_s=row.elapsed_s)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure latencies, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=Path, required=True, help="folder of the profile")
    parser.add_argument("--partition", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--real-cores", type=int, default=cpu_count() or 1)
    parser.add_argument("--must", type=float, default=MOST)
    parser.add_argument("--only", choices=("latencies", "plate", "image"))
    given = parser.parse_args(arguments)
    slurm = Slurm.of(given.profile, given.partition, given.account, given.real_cores)
    code = 0
    # Jobs see the folder by its path, on whatever node: where the user works, not in /tmp.
    with tempfile.TemporaryDirectory(prefix="scaling-", dir=Path.cwd()) as name:
        folder = Path(name)
        if given.only in (None, "latencies"):
            kept = load()
            found = from_cluster(slurm, folder)
            save(MEASURED, {**kept, "slurm": {**kept["slurm"], **found}})
            print(f"sbatch {found['sbatch_s']} s, start after {found['dispatch_s']} s", flush=True)
        measured = load()
        for part, run in (("plate", run_plate), ("image", run_image)):
            if given.only in (None, part):
                code |= report(run(measured, slurm, folder), given.must)
    sys.exit(code)


if __name__ == "__main__":
    main()
