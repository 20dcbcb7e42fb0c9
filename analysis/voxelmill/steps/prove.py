"""Command *prove*: run the same piece of the user's data in many ways and compare every byte.

In: a dataset and a configuration. Out: a table of variants, a verdict, and the exit code 0 (the
same) or 1 (different). Nothing is written but to a temporary folder.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from voxelmill.config import Blocks, Segmented, Settings
from voxelmill.crop import STORAGES, centre, find_image, read_crop, write_crop
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig, BadInput, Index, VoxelmillError
from voxelmill.proof import HEAD, Tried, claims, judge, line, verdict
from voxelmill.steps.gather import read_record
from voxelmill.steps.trial import BATCH, attempt, workers
from voxelmill.steps.work import channel_index
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


def prove(
    url: str, path: str | None, settings: Settings, effort: Effort, say: Callable[[str], None]
) -> int:
    """Run a crop of one image in many ways and compare the results.

    Parameters
    ----------
    url : str
        Dataset.
    path : str or None
        Image in it; None: the first that can be opened.
    settings : Settings
        What to compute.
    effort : Effort
        How much to try.
    say : callable
        Takes the lines of the table and of the verdict, as they come.

    Returns
    -------
    int
        0: identical; 1: different.

    Raises
    ------
    BadInput
        The image cannot be used, or the crop holds no object.
    BadConfig
        The settings name no objects, or none that claim exactness.
    """
    end = time.monotonic() + 60 * effort.minutes
    image = _usable(url, path, settings)
    with TemporaryDirectory(prefix="voxelmill-prove-") as folder:
        bench = _bench(Path(folder), image, settings, effort)
        deep = bench.shape[0] > 1
        for text in (_head(image, bench), HEAD, line(bench.first, deep)):
            say(text)
        must, more = bench.variants(effort)
        rows = [bench.first]
        for variant in _in_time(bench, must, more, end):
            rows.append(_try(bench, f"variant-{len(rows):03}", variant))
            say(line(rows[-1], deep))
    left = len(must) + len(more) + 1 - len(rows)
    text, kept = verdict(rows, claims(settings), max(bench.halo[1:]), left)
    say(text)
    return 0 if kept else 1


def numbers(option: str, text: str, least: int) -> tuple[int, ...]:
    """Read the comma-separated whole numbers of an option, each once.

    Raises
    ------
    BadConfig
        One is no number, or below `least`.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and int(word) >= least for word in words):
        raise BadConfig(f"{option} {text}: allowed: whole numbers from {least}, with commas")
    return tuple(dict.fromkeys(map(int, words)))


def _usable(url: str, path: str | None, settings: Settings) -> Image:
    if not settings.objects:
        raise BadConfig("objects: none; prove needs some. Name what to segment")
    if not claims(settings):
        raise BadConfig("objects: no segmenter claims exactness; there is nothing to prove")
    image = find_image(url, path)
    for channel in settings.channels():
        channel_index(image, channel)
    return image


def _in_time(
    bench: Bench, must: Sequence[Variant], more: Sequence[Variant], end: float
) -> Iterator[Variant]:
    """Yield variants, each while its workers run; those of `more` only if done before `end`."""

    def fits(variant: Variant) -> bool:
        return variant in must or time.monotonic() + bench.seconds(variant) < end

    for part in (must, more):
        for (number, processes), group in groupby(part, lambda v: (v.workers, v.processes)):
            waiting = [v for v in group if fits(v)]
            if waiting:
                with workers(number, processes=processes):
                    yield from filter(fits, waiting)


def _bench(folder: Path, image: Image, settings: Settings, effort: Effort) -> Bench:
    """Store a crop that can be run in all necessary ways in time, and run the reference."""
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
        if effort.edge or edge <= LEAST_EDGE or (least := _least(bench, effort)) <= limit:
            break
        edge = max(LEAST_EDGE, int(edge * min(0.7, (limit / least) ** 0.5)))
    if not bench.first.objects:
        raise BadInput(
            f"{image.place}: no objects in its middle {box.shape[1]} x {box.shape[2]} voxels, so "
            "nothing to compare. Name another image with --path, or give a larger --crop"
        )
    return bench


def _least(bench: Bench, effort: Effort) -> float:
    must, _ = bench.variants(effort)
    return sum(map(bench.seconds, must))


def _reference(folder: Path, name: str, image: Image, shape: Index, settings: Settings) -> Bench:
    variant = Variant(whole(shape), next(iter(STORAGES)), 1, processes=False)
    start = time.monotonic()
    with workers(1, processes=False):
        layout = attempt(folder, name, variant, settings)
    first = Tried(variant, time.monotonic() - start, _objects(layout), None)
    return Bench(folder, settings, shape, layout, first, _halo(layout, image, settings))


def _try(bench: Bench, name: str, variant: Variant) -> Tried:
    start = time.monotonic()
    try:
        layout = attempt(bench.folder, name, variant, bench.settings)
    except VoxelmillError as error:
        where = variant.label(deep=bench.shape[0] > 1)
        raise type(error)(f"{where}: {error}. The reference ran: this is a fault") from error
    seconds = time.monotonic() - start
    judged = judge(bench.reference, layout, bench.settings, BATCH)
    return Tried(variant, seconds, _objects(layout), judged)


def _objects(layout: Layout) -> int:
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


def _head(image: Image, bench: Bench) -> str:
    _, y, x = bench.shape
    where = f"{image.place}: its middle {y} x {x} of {image.shape[3]} x {image.shape[4]} voxels"
    planes = f", {bench.shape[0]} planes" if bench.shape[0] > 1 else ""
    _, high, wide = bench.halo
    text = f"{where}{planes}; halo {high} x {wide}"
    if min(bench.halo[1:]) >= max(y, x) // 2:
        text += "\nevery block reads nearly all of it: a larger --crop is a harder test"
    return text
