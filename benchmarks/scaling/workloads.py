"""Jobs and tasks to simulate: durations drawn from what was measured, by a seed.

In: ``measured.json`` and what is to be processed. Out: `plates.Job` and `volume.Stage` lists. The
same seed draws the same durations for any number of nodes, so curves differ by the nodes alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from benchmarks.scaling.plates import Floats, Job, spread
from benchmarks.scaling.volume import Stage
from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.engine import PAIRS
from voxelmill.execution import Blocks
from voxelmill.extent import Extent
from voxelmill.need import tasks as engine_tasks
from voxelmill.plugin import Index
from voxelmill.store.label_layout import label_levels

Measured = Mapping[str, Any]
SAMPLE = 2
"""Bytes of a pixel."""
MOST = 80_000
"""Tasks of a stage that are simulated one by one; of more, several at once."""
READS = {"qc": 1.0, "segment": 0.4, "measure": 1.0}
"""Share of a field's channels that a step reads: nuclei and cells are found in two of five."""


@dataclass(frozen=True)
class Plates:
    """Plates, and how they are cut into jobs."""

    plates: int
    fields: int
    """Of a plate."""
    pixels: int
    """Of a field and channel."""
    channels: int = 5
    cores: int = 1
    """Of a job."""
    images: int = 48
    """Most fields in one batch."""

    @property
    def size(self) -> float:
        """Bytes of all pixels."""
        return float(self.plates * self.fields * self.pixels * self.channels * SAMPLE)


def images_of(measured: Measured, minutes: float, cores: int, pixels: int, measure: str) -> int:
    """Fields that the longest step takes `minutes` for."""
    plates = measured["plates"]
    scale = pixels / plates["field_px"]
    steps = [plates["beside"][name]["images_s"] for name in ("qc", "segment", measure)]
    return max(1, int(minutes * 60 * cores / (scale * max(float(np.mean(s)) for s in steps))))


def plate_jobs(
    measured: Measured, of: Plates, busy: str = "beside", measure: str = "measure", seed: int = 0
) -> list[Job]:
    """All jobs of the workflow: three a batch, two a plate. Costs grow with the pixels.

    Parameters
    ----------
    measured : mapping
    of : Plates
    busy : str
        ``alone`` or ``beside``: whose costs are drawn.
    measure : str
        Step that measures, by its features.
    seed : int
    """
    costs, rng = measured["plates"], np.random.default_rng(seed)
    scale = of.pixels * of.channels / (costs["field_px"] * costs["channels"])
    jobs: list[Job] = []
    for _ in range(of.plates):
        ends: list[int] = []
        for start in range(0, of.fields, of.images):
            images = min(of.images, of.fields - start)
            at = len(jobs)
            for step, needs in (("qc", ()), ("segment", ()), ("measure", (at + 1,))):
                found = costs[busy][measure if step == "measure" else step]
                drawn = scale * rng.choice(np.asarray(found["images_s"]), images)
                size = READS[step] * images * of.pixels * of.channels * SAMPLE
                serial = scale * found["serial_s"] * images
                alone = found["start_s"] + serial
                slow = crowding(costs, busy, step) if of.cores > 1 else 1.0
                work, wide = slow * float(drawn.sum()), slow * spread(drawn, of.cores)
                jobs.append(Job(alone, work, wide, of.cores, size, needs))
            ends += [at, at + 2]
        for step in ("aggregate", "report"):
            alone = costs[step]["start_s"] + scale * costs[step]["image_s"] * of.fields
            jobs.append(Job(alone, needs=tuple(ends)))
            ends = [len(jobs) - 1]
    return jobs


def crowding(costs: Measured, busy: str, step: str) -> float:
    """How much longer tasks take on threads of one process than what was measured as `busy`.

    Threads share the interpreter's lock besides the memory. Their factor was measured against one
    core alone; of costs beside another process it holds a part already.
    """
    alone, found = (float(np.sum(_tasks(costs[kind][step]))) for kind in ("alone", busy))
    counts = [len(_tasks(costs[kind][step])) for kind in ("alone", busy)]
    return max(1.0, float(costs["crowded"][step]) * alone / found * counts[1] / counts[0])


def by_processes(image: Measured, workers: int) -> dict[str, Any]:
    """Costs of the tasks on an image where each of `workers` is a process of its own.

    Neighbouring blocks share decoded chunks within a process. Which process has done a block's
    neighbour is chance: with n of them, one block in n is as cheap as on one core, the others cost
    what those *apart* from each other do.
    """
    found = {}
    for step in ("segment", "measure"):
        apart = image["apart"][step]
        near, far = (sum(image[kind][step]["stages_s"][step]) for kind in ("alone", "apart"))
        factor = (near / workers + far * (1 - 1 / workers)) / far
        stages = {**apart["stages_s"], step: [factor * c for c in apart["stages_s"][step]]}
        found[step] = {**apart, "stages_s": stages}
    return found


def _tasks(step: Measured) -> list[float]:
    """Costs of the images of a step, or of the blocks that it is about."""
    if "images_s" in step:
        return list(step["images_s"])
    return list(max(step["stages_s"].values(), key=sum))


@dataclass(frozen=True)
class Geometry:
    """One image and its blocks."""

    shape: Index
    block: Index
    halo: Index
    objects: int
    levels: tuple[Index, ...] | None = None
    """Shapes of the image's pyramid; None: it has none."""

    @property
    def voxels(self) -> int:
        """Of the whole image."""
        return prod(self.shape)

    @property
    def blocks(self) -> Blocks:
        """As the configuration says it."""
        return Blocks(size=self.block[1], depth=self.block[0])

    @property
    def extent(self) -> Extent:
        """As the memory model wants it."""
        return Extent((1, 1, *self.shape), "uint16", (1.0, 1.0, 1.0))

    def tasks(self, settings: Settings) -> dict[str, int]:
        """Number of tasks by stage."""
        return engine_tasks(self.extent, settings, self.blocks)

    def read(self) -> Floats:
        """Voxels that each block reads."""
        grid = Grid(self.shape, self.block, self.halo)
        edges = [
            [grid.block(_at(axis, i)).read.shape[axis] for i in range(n)]
            for axis, n in enumerate(grid.counts)
        ]
        z, y, x = (np.asarray(e, np.float64) for e in edges)
        return np.asarray(np.einsum("i,j,k->ijk", z, y, x).ravel())

    def coarse(self) -> int:
        """Voxels of the levels that one task writes at the end."""
        levels = label_levels(self.shape, self.levels)
        return sum(prod(level.shape) for level in levels if level.coarse)


def listed(values: Floats) -> list[float]:
    """As a list, which is what loops in Python are fast on."""
    found: list[float] = values.tolist()
    return found


def _at(axis: int, number: int) -> Index:
    found = [0, 0, 0]
    found[axis] = number
    z, y, x = found
    return z, y, x


def image_stages(
    found: Measured, was: Geometry, of: Geometry, settings: Settings, seed: int = 0
) -> dict[str, list[Stage]]:
    """Stages of *segment* and *measure* on one image.

    Parameters
    ----------
    found : mapping
        Costs by step, measured on `was`.
    was, of : Geometry
        What was measured, and what is simulated: costs of a block grow with the voxels it reads,
        those of other tasks with the voxels of all, the driver's own with the objects.
    settings : Settings
    seed : int
    """
    rng, counts = np.random.default_rng(seed), of.tasks(settings)
    weights = {name: max(1, count // MOST) for name, count in counts.items()}
    volume = of.voxels / was.voxels
    known = {**found["segment"]["stages_s"], **found["measure"]["stages_s"]}

    def drawn(name: str) -> list[float]:
        costs = np.asarray(known.get(name) or [0.0])
        tasks = counts[name] // weights[name]
        # Where tasks are larger or fewer than they were, the sum is kept in proportion.
        per_task = volume * len(costs) / max(1, tasks)
        return listed(rng.choice(costs, tasks) * per_task)

    read = of.read()
    rate = np.asarray(known["segment"]) / was.read()
    segment = [
        Stage("look", look := drawn("look"), SAMPLE * of.voxels / max(1, len(look)),
              weight=weights["look"]),
        Stage("fit", known["fit"][:1]),
        Stage("segment", listed(rng.choice(rate, len(read)) * read), listed(SAMPLE * read)),
        Stage("pair", drawn("pair"), least=PAIRS, weight=weights["pair"],
              serial_s=of.objects * found["segment"]["objects_s"]),
        Stage("write", written := drawn("write"), SAMPLE * of.voxels / len(written),
              weight=weights["write"]),
        Stage("finish", [sum(known["finish"]) * of.coarse() / max(1, was.coarse())]),
    ]  # fmt: skip
    measure = [
        Stage("measure", blocks := drawn("measure"), 2 * SAMPLE * of.voxels / len(blocks),
              serial_s=of.objects * found["measure"]["objects_s"], weight=weights["measure"]),
    ]  # fmt: skip
    return {"segment": segment, "measure": measure}
