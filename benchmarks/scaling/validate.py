"""Run for real what the simulation can be compared with: one and two workers of this machine.

    python -m benchmarks.scaling.validate [--must 15]

Neither plate nor image is the one whose costs were measured. Rows: name, simulated and measured
seconds, their ratio; they are kept in ``measured.json``. Exit code 1 where one is off by more than
`must` percent. Measured seconds are those of undisturbed cores (see `clock`).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.large import write_large
from benchmarks.scaling import plates, volume
from benchmarks.scaling.clock import Took, timed
from benchmarks.scaling.measure import EDGE, MEASURED, PLANE, load
from benchmarks.scaling.noted import save
from benchmarks.scaling.scenes import FIELDS, PLATE, SIZE, Scene, command, write_plate
from benchmarks.scaling.simulate import geometry
from benchmarks.scaling.workloads import Geometry, Measured, Plates, image_stages, plate_jobs
from voxelmill.config import Settings

WELLS, IMAGES, SEED = 12, 12, 7
LARGE = 12288
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
    """Costs of one busy core, or of several."""
    return "alone" if workers == 1 else "beside"


def local_plate(measured: Measured, of: Plates, cores: int) -> plates.Run:
    """Simulate `voxelmill run --cores N` on this machine."""
    jobs = plate_jobs(measured, of, busy(cores))
    light = measured["plates"]["aggregate"]["start_s"]
    last = [i for i, job in enumerate(jobs) if not job.work_s][::2]
    jobs.append(plates.Job(light, needs=tuple(last)))
    snake = measured["snakemake"]
    cluster = plates.Cluster(
        1, cores, real_cores=2, head_s=snake["head_s"], graph_s=snake["graph_s"],
        submit_s=snake["local_s"],
    )  # fmt: skip
    return plates.simulate(jobs, cluster)


def validate_plates(measured: Measured, folder: Path) -> Iterator[Checked]:
    """Compare the whole workflow on a plate with one and two cores."""
    write_plate(folder / "plate.zarr", WELLS, seed=SEED)
    of = Plates(1, WELLS * FIELDS, SIZE * SIZE, images=IMAGES)
    for cores in (1, 2):
        scene = Scene(
            folder / f"on{cores}", "../plate.zarr", PLATE | {"batches": {"images": IMAGES}}
        )
        scene.prepare()
        took = timed(command("run", "config.yaml", "--cores", str(cores)), scene.folder)
        found = local_plate(measured, of, cores)
        yield checked(f"plate of {of.fields} fields, {cores} cores", found.wall_s, took)


def local_image(
    measured: Measured, of: Geometry, step: str, workers: int, processes: bool
) -> volume.Run:
    """Simulate one step on one image by workers of this machine."""
    found = measured["image"]
    costs = found[busy(workers)]
    settings = Settings.model_validate(PLANE)
    stages = image_stages(costs, geometry(found), of, settings)[step]
    kind = measured["dask"]["processes" if processes else "threads"]
    start, kernels = costs[step]["start_s"], costs[step]["kernels_s"]
    crew = volume.Crew(
        workers, real_cores=2, chunk_s=kind["chunk_s"], task_s=kind["task_s"],
        worker_s=kind["worker_s"], head_s=start + (kind["head_s"] if processes else kernels),
        startup_s=kind["worker_start_s"] + kernels if processes else 0.0,
    )  # fmt: skip
    return volume.simulate(stages, crew)


def validate_image(measured: Measured, folder: Path) -> Iterator[Checked]:
    """Compare both steps on a plane with one and two workers, threads and processes."""
    write_large(folder / "image.zarr", LARGE, seed=SEED)
    was = geometry(measured["image"])
    objects = round(was.objects * LARGE**2 / was.voxels)
    of = Geometry((1, LARGE, LARGE), was.block, was.halo, objects)
    for processes in (False, True):
        for workers in (1, 2):
            scene = Scene(folder / "run", "../image.zarr", PLANE)
            scene.prepare({"blocks": {"size": EDGE}, "compute": {"processes": processes}})
            what = f"{workers} {NAMES[processes][workers > 1]}"
            for step in ("segment", "measure"):
                took = timed(command(*scene.step(step, "0000", workers)), scene.folder)
                found = local_image(measured, of, step, workers, processes)
                yield checked(f"{step} of {LARGE}², {what}", found.wall_s, took)
            shutil.rmtree(scene.folder)


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
    parser.add_argument("--only", choices=("plates", "image"))
    given = parser.parse_args()
    measured = load()
    code = 0
    for name, validator in (("plates", validate_plates), ("image", validate_image)):
        if given.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="voxelmill-scaling-") as folder:
                code |= report(validator(measured, Path(folder)), given.must)
    sys.exit(code)


if __name__ == "__main__":
    main()
