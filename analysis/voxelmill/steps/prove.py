"""Command *prove*: run the same piece of the user's data in many ways and compare every byte.

In: a dataset and a configuration. Out: a table of variants, a verdict, and the exit code 0 (the
same) or 1 (different). Nothing is written but to a temporary folder.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from voxelmill.config import Settings
from voxelmill.crop import find_image
from voxelmill.plugin import BadConfig, VoxelmillError
from voxelmill.proof import HEAD, Tried, claims, judge, line, verdict
from voxelmill.steps.bench import Bench, Effort, count_objects, make_bench
from voxelmill.steps.trial import BATCH, attempt, workers
from voxelmill.steps.work import channel_index
from voxelmill.store.read import Image
from voxelmill.variants import Variant


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
    settings = settings.model_copy(update={"labels": "folder", "illumination": None})
    image = _usable(url, path, settings)
    with TemporaryDirectory(prefix="voxelmill-prove-") as folder:
        bench = make_bench(Path(folder), image, settings, effort)
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


def _try(bench: Bench, name: str, variant: Variant) -> Tried:
    start = time.monotonic()
    try:
        layout = attempt(bench.folder, name, variant, bench.settings)
    except VoxelmillError as error:
        where = variant.label(deep=bench.shape[0] > 1)
        raise type(error)(f"{where}: {error}. The reference ran: this is a fault") from error
    seconds = time.monotonic() - start
    judged = judge(bench.reference, layout, bench.settings, BATCH)
    return Tried(variant, seconds, count_objects(layout), judged)


def _head(image: Image, bench: Bench) -> str:
    _, y, x = bench.shape
    where = f"{image.place}: its middle {y} x {x} of {image.shape[3]} x {image.shape[4]} voxels"
    planes = f", {bench.shape[0]} planes" if bench.shape[0] > 1 else ""
    _, high, wide = bench.halo
    text = f"{where}{planes}; halo {high} x {wide}"
    if min(bench.halo[1:]) >= max(y, x) // 2:
        text += "\nevery block reads nearly all of it: a larger --crop is a harder test"
    return text
