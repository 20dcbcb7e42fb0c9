"""Run for real what the simulation can be compared with: one and two workers of this machine.

    python -m benchmarks.scaling.validate [--must 15]

Neither plate nor image is the one whose costs were measured. Rows: name, simulated and measured
seconds, their ratio; they are kept in ``measured.json``. Exit code 1 where one is off by more than
`must` percent. Measured seconds are those of undisturbed cores (see `clock`).
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.large import write_large
from benchmarks.scaling import plates, volume
from benchmarks.scaling.clock import Took, middle, timed
from benchmarks.scaling.inputs import EDGE, MEASURED, PLANE, load
from benchmarks.scaling.noted import save
from benchmarks.scaling.scenes import FIELDS, PLATE, SIZE, Scene, command, write_plate
from benchmarks.scaling.simulate import geometry
from benchmarks.scaling.workloads import (
    Geometry,
    Measured,
    Plates,
    by_processes,
    crowding,
    image_stages,
    plate_jobs,
)
from voxelmill.config import Settings

WELLS, IMAGES, SEED = 6, 12, 7
LARGE = 10240
NAMES = ("thread", "threads"), ("process", "processes")
MOST = 15
"""Percent that simulated and measured time may differ by."""


@dataclass(frozen=True)
class Checked:
    """One run, simulated and measured."""

    name: str
    simulated_s: float
    measured_s: float
    """With the cores to itself."""
    elapsed_s: float
    """As the clock on the wall has it."""

    @property
    def ratio(self) -> float:
        """Simulated over measured."""
        return self.simulated_s / self.measured_s

    def __str__(self) -> str:
        numbers = f"{self.simulated_s:8.1f} s {self.measured_s:8.1f} s {self.ratio:6.2f}"
        return f"{self.name:<48}{numbers}   (elapsed {self.elapsed_s:.1f} s)"


def checked(name: str, simulated: float, took: Took) -> Checked:
    """Row of one run."""
    return Checked(name, round(simulated, 2), round(took.own_s, 2), round(took.wall_s, 2))


def busy(workers: int) -> str:
    """Whose costs are drawn: of one busy core, or of several."""
    return "alone" if workers == 1 else "beside"


@dataclass(frozen=True)
class Case:
    """What is simulated, and what is run for it."""

    name: str
    simulate: Callable[[Measured], float]
    run: Callable[[Path], Took]


def cases() -> Iterator[Case]:
    """Everything that this machine can be asked to do, in groups that share their data."""
    of = Plates(1, WELLS * FIELDS, SIZE * SIZE, images=IMAGES)
    for cores in (1, 2):
        name = f"plate of {of.fields} fields, {cores} core{'s' * (cores > 1)}"
        simulate = partial(local_plate, of=of, cores=cores)
        yield Case(name, simulate, partial(run_plate, cores=cores))
    for processes, workers, step in product((False, True), (1, 2), ("segment", "measure")):
        name = f"{step} of {LARGE}², {workers} {NAMES[processes][workers > 1]}"
        yield Case(
            name,
            partial(local_image, step=step, workers=workers, processes=processes),
            partial(run_image, step=step, workers=workers, processes=processes),
        )


def local_plate(measured: Measured, of: Plates, cores: int) -> float:
    """Simulate `voxelmill run --cores N` on this machine."""
    jobs = plate_jobs(measured, of, busy(cores))
    light = measured["plates"]["aggregate"]["start_s"]
    jobs.append(plates.Job(light, needs=(len(jobs) - 2,)))
    snake = measured["snakemake"]
    cluster = plates.Cluster(
        1, cores, real_cores=2, head_s=snake["head_s"], graph_s=snake["graph_s"],
        submit_s=snake["local_s"],
    )  # fmt: skip
    return plates.simulate(jobs, cluster).wall_s


def run_plate(folder: Path, cores: int) -> Took:
    """The whole workflow on a plate."""
    if not (folder / "plate.zarr").exists():
        write_plate(folder / "plate.zarr", WELLS, seed=SEED)
    scene = Scene(folder / f"on{cores}", "../plate.zarr", PLATE | {"batches": {"images": IMAGES}})
    scene.prepare()
    return timed(command("run", "config.yaml", "--cores", str(cores)), scene.folder)


def local_image(measured: Measured, step: str, workers: int, processes: bool) -> float:
    """Simulate one step on a plane by workers of this machine."""
    found = measured["image"]
    was = geometry(found)
    costs = by_processes(found, workers) if processes else found[busy(workers)]
    objects = round(was.objects * LARGE**2 / was.voxels)
    of = Geometry((1, LARGE, LARGE), was.block, was.halo, objects)
    stages = image_stages(costs, was, of, Settings.model_validate(PLANE))[step]
    if workers > 1 and not processes:
        slow = crowding(found, busy(workers), step)
        stages = [replace(stage, costs=[slow * c for c in stage.costs]) for stage in stages]
    kind = measured["dask"]["processes" if processes else "threads"]
    start, kernels = costs[step]["start_s"], costs[step]["kernels_s"]
    crew = volume.Crew(
        workers, real_cores=2, chunk_s=kind["chunk_s"], task_s=kind["task_s"],
        worker_s=kind["worker_s"], head_s=start + (kind["head_s"] if processes else kernels),
        startup_s=kind["worker_start_s"] + kernels if processes else 0.0,
    )  # fmt: skip
    return volume.simulate(stages, crew).wall_s


def run_image(folder: Path, step: str, workers: int, processes: bool) -> Took:
    """One step on a plane; *measure* after *segment*."""
    if not (folder / "image.zarr").exists():
        write_large(folder / "image.zarr", LARGE, seed=SEED)
    scene = Scene(folder / f"run{workers}{processes}", "../image.zarr", PLANE)
    scene.prepare({"blocks": {"size": EDGE}, "compute": {"processes": processes}})
    # Batches name the image as seen from where they were made.
    run = middle if step == "measure" else timed
    took = run(command(*scene.step(step, "0000", workers)), scene.folder, Path.cwd())
    scene.check(step, "0000")
    return took


def again(measured: Measured) -> Iterator[Checked]:
    """Simulate anew what has been run before."""
    known = {row["name"]: row for row in measured.get("validated", [])}
    for case in cases():
        if row := known.get(case.name):
            yield replace(Checked(**row), simulated_s=round(case.simulate(measured), 2))


def validate(measured: Measured, folder: Path, only: str) -> Iterator[Checked]:
    """Simulate and run all cases whose names hold `only`."""
    for case in cases():
        if only in case.name:
            yield checked(case.name, case.simulate(measured), case.run(folder))


def keep(rows: list[Checked]) -> None:
    """Put rows among the kept ones, new ones in place of old ones of their name."""
    kept: dict[str, Any] = load()
    found = {row["name"]: row for row in kept.get("validated", [])}
    found |= {row.name: asdict(row) for row in rows}
    save(MEASURED, {**kept, "validated": list(found.values())})


def report(rows: Iterator[Checked], must: float) -> int:
    """Print rows as they come, keep them; exit code 1 where one is off by more than allowed."""
    done = []
    for row in rows:
        print(row, flush=True)
        done.append(row)
        keep(done)
    return int(any(abs(row.ratio - 1) > must / 100 for row in done))


def main() -> None:
    """Validate on this machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--must", type=float, default=MOST)
    parser.add_argument("--only", default="", help="cases whose names hold this")
    parser.add_argument("--again", action="store_true", help="run nothing: only simulate anew")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="voxelmill-scaling-") as folder:
        rows = again(load()) if given.again else validate(load(), Path(folder), given.only)
        sys.exit(report(rows, given.must))


if __name__ == "__main__":
    main()
