"""From 1 to 2 000 nodes: wall-clock and efficiency of a week's plates and of one 10 TB volume.

In: ``measured.json``. Out: `Curve` by scenario. Deterministic; nothing is run or timed here.
Efficiency is how many times faster than one node, over the number of nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
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
from voxelmill.config import Settings
from voxelmill.execution import Compute
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
SHAPE, BLOCK = (4096, 35072, 35072), (256, 512, 512)
"""A volume of 10.1 TB (uint16), and its blocks."""
OBJECT_VOXELS = 50_000
"""Voxels of the volume for each object: nuclei of 20 voxels that fill a twelfth."""


@dataclass(frozen=True)
class Point:
    """One number of nodes."""

    nodes: int
    wall_s: float


@dataclass(frozen=True)
class Curve:
    """One scenario."""

    name: str
    cores: int
    """Of a node."""
    work_s: float
    """Core-seconds of the steps' own work."""
    points: tuple[Point, ...]
    lifted: Mapping[str, float] = field(default_factory=dict)
    """With most nodes: of plates, seconds if one limit were not there; of the volume, seconds of
    each stage."""

    def efficiency(self, point: Point) -> float:
        """How many times faster than with the first number of nodes, over how many times those."""
        first = self.points[0]
        return first.wall_s * first.nodes / (point.wall_s * point.nodes)

    @property
    def busy(self) -> float:
        """Share of the cores that work, with the first number of nodes."""
        first = self.points[0]
        return self.work_s / (first.nodes * self.cores * first.wall_s)

    def least(self, seconds: float) -> Point | None:
        """Fewest nodes that finish in so many seconds."""
        return next((p for p in self.points if p.wall_s <= seconds), None)

    def good(self, share: float = 0.8) -> Point:
        """Most nodes up to which the efficiency is at least `share`."""
        kept = self.points[0]
        for point in self.points:
            if self.efficiency(point) < share:
                break
            kept = point
        return kept

    def soon(self, near: float = 1.02) -> Point:
        """Fewest nodes that are as fast as any, nearly."""
        best = min(p.wall_s for p in self.points)
        return next(p for p in self.points if p.wall_s <= near * best)


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

    cluster = head(measured, plates.Cluster(1, **given))
    lifts: dict[str, dict[str, Any]] = {
        "jobs in flight": {"max_jobs": 10**9},
        "bytes a second": {"bandwidth": inf, "node_bandwidth": inf},
        "submission of jobs": {"submit_s": 0.0},
        "start of jobs, asking for them": {"startup_s": 0.0, "poll": None},
    }

    def run(count: int, **lifted: Any) -> float:  # noqa: ANN401 - fields of a cluster
        return plates.simulate(jobs, replace(cluster, nodes=count, **lifted)).wall_s

    points = tuple(Point(n, run(n)) for n in nodes)
    without = {what: run(nodes[-1], **lifted) for what, lifted in lifts.items()}
    without["longest chain of jobs"] = chain(jobs)
    return Curve(name, given["cores"], work, points, without)


def chain(jobs: Sequence[plates.Job]) -> float:
    """Seconds of the longest chain of jobs, each needing the one before."""
    ends: list[float] = []
    for job in jobs:
        start = max((ends[n] for n in job.needs), default=0.0)
        ends.append(start + job.alone_s + job.wide_s)
    return max(ends)


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
    measured: Measured, nodes: Sequence[int] = NODES, **changed: float
) -> tuple[Curve, Curve]:
    """One 10 TB volume, segmented and measured by worker processes on SLURM nodes.

    Returns
    -------
    tuple of Curve
        As it is, and with the coarse levels written by many tasks.
    """
    settings, of = Settings.model_validate(VOLUME), large(measured)
    engine = measured["volume"]["apart"]
    steps = image_stages(engine, geometry(measured["volume"]), of, settings)
    each = workers_of(of, settings)
    work = sum(float(sum(s.costs)) + s.serial_s for stages in steps.values() for s in stages)
    crew = _crew(measured, NODE_BANDWIDTH, BANDWIDTH)
    (finish,) = (s for s in steps["segment"] if s.name == "finish")
    now: list[dict[str, float]] = []
    then: list[dict[str, float]] = []
    for count in nodes:
        parts: dict[str, float] = {}
        at = replace(crew, workers=each * count, nodes=count, **changed)
        for step, stages in steps.items():
            found = volume.simulate(stages, replace(
                at, head_s=engine[step]["start_s"] + measured["dask"]["processes"]["head_s"],
                startup_s=crew.startup_s + engine[step]["kernels_s"],
            ))  # fmt: skip
            parts |= found.stages
            parts[f"start of {step}"] = found.wall_s - sum(found.stages.values())
        now.append(parts)
        spread = volume.simulate([_split(finish)], replace(at, startup_s=0.0, submit_s=0.0))
        then.append(parts | {"finish": spread.wall_s})
    return (_stacked("as it is", work, nodes, now),
            _stacked("coarse levels by tasks", work, nodes, then))  # fmt: skip


def _crew(measured: Measured, node_bandwidth: float, bandwidth: float) -> volume.Crew:
    dask, slurm = measured["dask"]["processes"], measured["slurm"]
    return volume.Crew(
        1, node_bandwidth=node_bandwidth, bandwidth=bandwidth, submit_s=slurm["sbatch_s"],
        dispatch_s=slurm["dispatch_s"], startup_s=dask["worker_start_s"], chunk_s=dask["chunk_s"],
        task_s=dask["task_s"], worker_s=dask["worker_s"],
    )  # fmt: skip


def _stacked(
    name: str, work: float, nodes: Sequence[int], parts: Sequence[Mapping[str, float]]
) -> Curve:
    points = tuple(Point(n, sum(p.values())) for n, p in zip(nodes, parts, strict=True))
    return Curve(name, CORES, work, points, parts[-1])


def _split(stage: volume.Stage, parts: int = 5000) -> volume.Stage:
    """One task cut into equal ones."""
    return replace(stage, costs=[sum(stage.costs) / parts] * parts)


WEEKS: Mapping[str, Callable[[Measured], Curve]] = {
    "2 cores a job": partial(week, name="2 cores a job", job_cores=2),
    "4 cores a job": partial(week, name="4 cores a job"),
    "4 cores a job, all families": partial(
        week, name="4 cores a job, all families", measure="measure, all families"
    ),
    "4 cores a job, no limit of bytes or jobs": partial(
        week, name="4 cores a job, no limit of bytes or jobs",
        bandwidth=inf, node_bandwidth=inf, max_jobs=10**9,
    ),
}  # fmt: skip
SMALL: Mapping[str, Callable[[Measured], Curve]] = {
    "8 cores": partial(week, name="one job a node", cores=8, nodes=tuple(range(1, 13))),
}
"""On the smallest nodes that hold a job: how few cores do."""
