"""A workbench for *prove*: a stored crop of the user's image, and its run in one block.

In: an image, settings, and how much to try. Out: the crop in a temporary folder, as large as can be
run in all necessary ways in the time given; the reference run; the variants to try.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from voxelmill.config import Settings
from voxelmill.crop import STORAGES, centre, read_crop, write_crop
from voxelmill.execution import Blocks
from voxelmill.layout import Layout
from voxelmill.objectsets import Segmented
from voxelmill.plugin import BadInput, Index
from voxelmill.proof import Tried
from voxelmill.steps.gather import read_record
from voxelmill.steps.trial import BATCH, attempt, workers
from voxelmill.store.read import Image
from voxelmill.variants import Variant, block_sizes, covering, every, read_share, whole

EDGE = 1024
MOST_VOXELS = 1 << 22
MOST_TIMES = 2
LEAST_EDGE = 96
START_S = 2.0
"""What a worker process takes to start, about."""


@dataclass(frozen=True)
class Effort:
    """How much to try."""

    edge: int | None = None
    """Of the crop along y and x; None: as large as time allows, `EDGE` at most."""
    minutes: float = 2.0
    workers: tuple[int, ...] = (1, 2, 4)
    blocks: tuple[int, ...] = ()
    """Block sizes; none given: chosen by the crop and the halo."""
    all: bool = False
    """Every combination, whatever the time."""


@dataclass(frozen=True)
class Bench:
    """A stored crop with its reference run."""

    folder: Path
    settings: Settings
    shape: Index
    reference: Layout
    first: Tried
    halo: Index

    def variants(self, effort: Effort) -> tuple[list[Variant], list[Variant]]:
        """Variants that are always run, and more."""
        depth = max(1, self.shape[0] // 2)
        sizes = [Blocks(size=n, depth=depth) for n in effort.blocks]
        sizes = [whole(self.shape), *(sizes or block_sizes(self.shape, self.halo))]
        found = every(sizes, list(STORAGES), effort.workers)
        return (found, []) if effort.all else covering(found)

    def seconds(self, variant: Variant) -> float:
        """Guess how long a variant takes, by what it reads and by the processes it starts."""
        share = read_share(self.shape, variant.blocks, self.halo)
        return share * self.first.seconds + variant.processes * variant.workers * START_S


def make_bench(folder: Path, image: Image, settings: Settings, effort: Effort) -> Bench:
    """Store a crop that can be run in all necessary ways in time, and run the reference.

    Raises
    ------
    BadInput
        The crop holds no object.
    StoreUnavailable, AccessDenied
        It cannot be read.
    """
    times = min(image.shape[0], MOST_TIMES)
    edge = effort.edge or min(EDGE, int((MOST_VOXELS / image.shape[2]) ** 0.5))
    for number in range(4):
        place = folder / str(number)
        box = centre(image.shape[2:], edge)
        pixels = read_crop(image, box, times, sparse=settings.sparse == "allow")
        write_crop(place, pixels, image)
        bench = _reference(place, "cold", image, box.shape, settings)
        limit = 0.6 * 60 * effort.minutes
        if _least(bench, effort) > limit:
            # The first run has compiled kernels, which the others will not do.
            bench = _reference(place, "warm", image, box.shape, settings)
        # A crop within the halo's reach would be read whole by every block, and prove little.
        smallest = max(LEAST_EDGE, 3 * max(bench.halo[1:]) // 2)
        if effort.edge or edge <= smallest or (least := _least(bench, effort)) <= limit:
            break
        edge = max(smallest, int(edge * min(0.7, (limit / least) ** 0.5)))
    if not bench.first.objects:
        raise BadInput(
            f"{image.place}: no objects in its middle {box.shape[1]} x {box.shape[2]} voxels, so "
            "nothing to compare. Name another image with --path, or give a larger --crop"
        )
    return bench


def _least(bench: Bench, effort: Effort) -> float:
    must, _ = bench.variants(replace(effort, all=False))
    return sum(map(bench.seconds, must))


def _reference(folder: Path, name: str, image: Image, shape: Index, settings: Settings) -> Bench:
    variant = Variant(whole(shape), next(iter(STORAGES)), 1, processes=False)
    start = time.monotonic()
    with workers(1, processes=False):
        layout = attempt(folder, name, variant, settings)
    first = Tried(variant, time.monotonic() - start, count_objects(layout), None)
    return Bench(folder, settings, shape, layout, first, _halo(layout, image, settings))


def count_objects(layout: Layout) -> int:
    """Objects of all sets together."""
    rows: dict[str, int] = read_record(layout.record("measure", BATCH))["rows"]
    return sum(rows.values())


def _halo(layout: Layout, image: Image, settings: Settings) -> Index:
    """Largest halo of all fitted segmenters, axis by axis."""
    record = read_record(layout.record("segment", BATCH))["images"][""]["objects"]
    halos = [
        type(spec.segmenter).model_validate(fitted).halo(image.spacing_um)
        for name, spec in settings.objects.items()
        if isinstance(spec, Segmented)
        for fitted in record[name]["fitted"]
    ]
    z, y, x = (max(axis) for axis in zip(*halos, strict=True))
    return z, y, x
