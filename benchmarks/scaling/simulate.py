"""From 1 to 2 000 nodes: wall-clock and efficiency of a week's plates and of one 10 TB volume.

In: ``measured.json``. Out: `Curve` by scenario. Deterministic; nothing is run or timed here.
Efficiency is the core-seconds of the steps' own work over all core-seconds of the nodes meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks.scaling import plates, volume
from benchmarks.scaling.scenes import VOLUME
from benchmarks.scaling.workloads import (
    Geometry,
    Measured,
    Plates,
    image_stages,
    images_of,
    plate_jobs,
)
from voxelmill.config import Compute, Settings
from voxelmill.need import Need, need
from voxelmill.site import load_site

NODES = (1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000, 2000)
CORES = 384
"""Of a node of CSC's Roihu."""
NODE_BANDWIDTH, BANDWIDTH = 2.5e9, 20e9
"""Bytes a second of decoded pixels of a node, and of the store for all: assumed, not measured."""
WEEK_S = 7 * 24 * 3600
PLATES, FIELDS, EDGE = 600, 3666, 2160
"""A week's dump: 2.2 million fields in five channels, 103 TB."""
WIDE = 48
SHAPE, BLOCK = (4096, 35072, 35072), (256, 512, 512)
"""A volume of 10.1 TB (uint16), and its blocks."""
OBJECT_VOXELS = 50_000
"""Voxels of the volume for each object: nuclei of 20 voxels that fill a twelfth."""


@dataclass(frozen=True)
class Point:
    """One number of nodes."""

    nodes: int
    wall_s: float
    efficiency: float
    limit: str = ""
    """What most of the time goes by, other than work."""


@dataclass(frozen=True)
class Curve:
    """One scenario."""

    name: str
    cores: int
    """Of a node."""
    work_s: float
    """Core-seconds of the steps' own work."""
    points: tuple[Point, ...]

    def least(self, seconds: float) -> Point | None:
        """Fewest nodes that finish in so many seconds."""
        return next((p for p in self.points if p.wall_s <= seconds), None)

    def good(self, share: float = 0.8) -> Point | None:
        """Most nodes whose efficiency is at least `share`."""
        return next((p for p in reversed(self.points) if p.efficiency >= share), None)


def head(measured: Measured, cluster: plates.Cluster) -> plates.Cluster:
    """The cluster with what Snakemake and SLURM cost."""
    snake, slurm = measured["snakemake"], measured["slurm"]
    return replace(
        cluster,
        head_s=snake["head_s"],
        graph_s=snake["graph_s"],
        submit_s=slurm["submit_s"],
        dispatch_s=slurm["dispatch_s"],
        startup_s=slurm["snakemakes"] * snake["job_s"],
        poll=plates.Poll(*slurm["poll_s"]),
    )


def week(
    measured: Measured, name: str, *, measure: str = "measure", nodes: Sequence[int] = NODES,
    **changed: Any,  # noqa: ANN401 - fields of a cluster, and `job_cores`
) -> Curve:  # fmt: skip
    """A week's plates at Roihu: batches sized by the site's minutes, jobs by its cores."""
    site = load_site("roihu").site
    cores = changed.pop("job_cores", site.cores)
    images = images_of(measured, site.job_minutes, cores, EDGE * EDGE, measure)
    of = Plates(PLATES, FIELDS, EDGE * EDGE, cores=cores, images=images)
    jobs = plate_jobs(measured, of, measure=measure)
    given = {"cores": CORES, "node_bandwidth": NODE_BANDWIDTH, "bandwidth": BANDWIDTH,
             "max_jobs": site.max_jobs} | changed  # fmt: skip
    work = sum(job.core_s for job in jobs)

    def run(count: int) -> float:
        return plates.simulate(jobs, head(measured, plates.Cluster(count, **given))).wall_s

    return _curve(name, given["cores"], work, nodes, run)


def _curve(
    name: str, cores: int, work: float, nodes: Sequence[int], run: Callable[[int], float]
) -> Curve:
    walls = [(n, run(n)) for n in nodes]
    return Curve(name, cores, work,
                 tuple(Point(n, wall, work / (n * cores * wall)) for n, wall in walls))  # fmt: skip


def geometry(found: Measured) -> Geometry:
    """What the costs of `found` were measured on."""
    (z, y, x), (d, h, w) = found["shape"], found["block"]
    a, b, c = found["halo"]
    return Geometry((z, y, x), (d, h, w), (a, b, c), found["objects"])


def large(measured: Measured) -> Geometry:
    """The 10 TB volume, with a pyramid halved along all axes."""
    was = geometry(measured["volume"])
    shapes = [SHAPE]
    while max(shapes[-1]) > 256:
        z, y, x = shapes[-1]
        shapes.append((-(-z // 2), -(-y // 2), -(-x // 2)))
    voxels = SHAPE[0] * SHAPE[1] * SHAPE[2]
    return Geometry(SHAPE, BLOCK, was.halo, voxels // OBJECT_VOXELS, tuple(shapes))


def memory(of: Geometry, settings: Settings) -> Need:
    """What one worker process needs for a block."""
    return need(of.extent, settings, of.blocks, Compute(processes=True), 1, "segment")


def workers_of(of: Geometry, settings: Settings) -> int:
    """Workers that fit a node of Roihu: by its cores, and by its memory."""
    part = load_site("roihu").partitions["small"]
    room = (part.max_mem_mb or 0) * 2**20
    return max(1, min(CORES, room // memory(of, settings).worker))


def one_volume(
    measured: Measured, name: str, *, spread_finish: bool = False, nodes: Sequence[int] = NODES,
    **changed: Any,  # noqa: ANN401 - fields of a crew
) -> Curve:  # fmt: skip
    """One 10 TB volume, segmented and measured by worker processes on SLURM nodes."""
    settings, of = Settings.model_validate(VOLUME), large(measured)
    steps = image_stages(measured["volume"]["alone"], geometry(measured["volume"]), of, settings)
    if spread_finish:
        steps["segment"] = [_split(s) if s.name == "finish" else s for s in steps["segment"]]
    each = workers_of(of, settings)
    work = sum(float(sum(s.costs)) + s.serial_s for stages in steps.values() for s in stages)
    dask, slurm = measured["dask"]["processes"], measured["slurm"]
    engine = measured["volume"]["alone"]
    given = {"node_bandwidth": NODE_BANDWIDTH, "bandwidth": BANDWIDTH} | changed
    crew = volume.Crew(
        1, submit_s=slurm["submit_s"], dispatch_s=slurm["dispatch_s"], chunk_s=dask["chunk_s"],
        task_s=dask["task_s"], worker_s=dask["worker_s"], **given,
    )  # fmt: skip

    def run(count: int) -> float:
        crews = {
            step: replace(
                crew, workers=each * count, nodes=count, head_s=engine[step]["start_s"],
                startup_s=dask["worker_start_s"] + engine[step]["kernels_s"],
            )
            for step in steps
        }  # fmt: skip
        return sum(volume.simulate(steps[step], crews[step]).wall_s for step in steps)

    return _curve(name, CORES, work, nodes, run)


def _split(stage: volume.Stage, parts: int = 5000) -> volume.Stage:
    """One task cut into equal ones."""
    return replace(stage, costs=[sum(stage.costs) / parts] * parts)


WEEKS: Mapping[str, Callable[[Measured], Curve]] = {
    "8 cores a job": partial(week, name="8 cores a job"),
    "8 cores a job, all families": partial(
        week, name="8 cores a job, all families", measure="measure, all families"
    ),
    f"{WIDE} cores a job": partial(week, name=f"{WIDE} cores a job", job_cores=WIDE),
    f"{WIDE} cores a job, store without limit": partial(
        week, name=f"{WIDE} cores a job, store without limit", job_cores=WIDE,
        bandwidth=float("inf"), node_bandwidth=float("inf"),
    ),
}  # fmt: skip
VOLUMES: Mapping[str, Callable[[Measured], Curve]] = {
    "as it is": partial(one_volume, name="as it is"),
    "coarse levels by tasks": partial(
        one_volume, name="coarse levels by tasks", spread_finish=True
    ),
}
