"""Before a run: does it fit into memory, and which block size would; how many tasks and files.

In: extents of images, what runs on them (`Load`), a `Limit`. Out: counts, or a refusal
(`BadConfig`) that names what would do. Pure: no files, no pixels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.execution import Blocks, Compute
from voxelmill.extent import Extent
from voxelmill.machine import Limit
from voxelmill.need import STEPS, Need, need
from voxelmill.plugin import BadConfig
from voxelmill.store.label_layout import label_levels

GIB = 2**30
SMALLEST = 64
"""No smaller block is proposed: its halo would be read many times over."""


@dataclass(frozen=True)
class Load:
    """What runs at the same time: `jobs` of a step, with `workers` tasks each."""

    settings: Settings
    blocks: Blocks
    compute: Compute
    workers: int = 1
    jobs: int = 1
    steps: tuple[str, ...] = tuple(STEPS)

    def need(self, extent: Extent, step: str) -> Need:
        """Need of one job of `step`."""
        return need(extent, self.settings, self.blocks, self.compute, self.workers, step)

    def worst(self, extents: Mapping[str, Extent]) -> tuple[str, str, Need]:
        """Image and step that need most, and how much."""
        found = [(n, s, self.need(e, s)) for n, e in extents.items() for s in self.steps]
        return max(found, key=lambda each: each[2].total)

    def total(self, extents: Mapping[str, Extent]) -> int:
        """Peak of all jobs together, in bytes."""
        return self.jobs * self.worst(extents)[2].total


def bound(compute: Compute, machine: Limit | None) -> Limit | None:
    """Limit that counts: ``compute.memory_gib`` if given, else what the machine allows.

    Workers of a scheduler elsewhere have their own memory, which is not known here.
    """
    if compute.memory_gib is not None:
        return Limit(int(compute.memory_gib * GIB), "compute.memory_gib")
    return machine if compute.kind == "local" else None


def check(extents: Mapping[str, Extent], load: Load, limit: Limit | None) -> None:
    """Refuse what cannot fit.

    Parameters
    ----------
    extents : mapping of str to Extent
        Images by their name in messages.
    load : Load
    limit : Limit or None
        From `bound`; None: nothing is refused.

    Raises
    ------
    BadConfig
        The predicted peak is above `limit`; the text says which block size, or how many workers,
        would fit.
    """
    if not extents or limit is None or load.total(extents) <= limit.size:
        return
    name, step, found = load.worst(extents)
    at_once = _several(load.workers, "worker")
    if load.jobs > 1:
        at_once += f" in each of {load.jobs} jobs"
    raise BadConfig(
        f"{name}: {_size(load.blocks, extents[name])} with {at_once} need "
        f"{_gib(load.total(extents))} ({step}; most of it for {found.largest}); there are "
        f"{_gib(limit.size)} ({limit.source}). {advise(extents, load, limit)}"
    )


def fit_blocks(extents: Mapping[str, Extent], load: Load, limit: Limit) -> Blocks | None:
    """Largest blocks, smaller than those of `load`, that fit; None if none does."""
    smaller = (replace(load, blocks=b) for b in _smaller(load.blocks, _deep(extents)))
    return next((less.blocks for less in smaller if less.total(extents) <= limit.size), None)


def fit_fewer(extents: Mapping[str, Extent], load: Load, limit: Limit) -> Load | None:
    """Return `load` with the most jobs, then the most workers, that fit; None if none do."""
    loads = (
        *(replace(load, jobs=n) for n in range(load.jobs - 1, 0, -1)),
        *(replace(load, jobs=1, workers=n) for n in range(load.workers - 1, 0, -1)),
    )
    return next((fewer for fewer in loads if fewer.total(extents) <= limit.size), None)


def _deep(extents: Mapping[str, Extent]) -> bool:
    return any(extent.space[0] > 1 for extent in extents.values())


def _smaller(blocks: Blocks, deep: bool) -> Iterator[Blocks]:
    """Blocks 2^n and 3·2^n wide, largest first; for volumes then thinner and thinner ones."""
    sizes = {s for n in range(20) for s in (2**n, 3 * 2**n) if SMALLEST <= s < blocks.size}
    for size in sorted(sizes, reverse=True):
        yield Blocks(size=size, depth=blocks.depth)
    depth = blocks.depth // 2
    while deep and depth:
        for size in (blocks.size, *sorted(sizes, reverse=True)):
            yield Blocks(size=size, depth=depth)
        depth //= 2


def advise(extents: Mapping[str, Extent], load: Load, limit: Limit) -> str:
    """Say which smaller blocks, or how many fewer cores, would fit."""
    ways = []
    if (blocks := fit_blocks(extents, load, limit)) is not None:
        ways.append(_setting(extents, replace(load, blocks=blocks), load.blocks))
    if (fewer := fit_fewer(extents, load, limit)) is not None:
        ways.append(f"use {_several(fewer.jobs * fewer.workers, 'core')}")
    alone = replace(load, workers=1, jobs=1)
    if not ways and (blocks := fit_blocks(extents, alone, limit)) is not None:
        setting = _setting(extents, replace(alone, blocks=blocks), load.blocks)
        ways.append(f"use 1 core and {setting}")
    if not ways:
        all_blocks = (load.blocks, *_smaller(load.blocks, _deep(extents)))
        least = min(replace(alone, blocks=blocks).total(extents) for blocks in all_blocks)
        return f"No block size would do: at least {_gib(least)} are needed"
    text = ", or ".join(ways)
    return text[0].upper() + text[1:]


def _setting(extents: Mapping[str, Extent], load: Load, now: Blocks) -> str:
    blocks = load.blocks
    depth = f", depth: {blocks.depth}" if blocks.depth != now.depth else ""
    return f"set blocks: {{size: {blocks.size}{depth}}} (needs {_gib(load.total(extents))})"


def advice(extents: Mapping[str, Extent], load: Load) -> str:
    """What to change where memory did not suffice although the plan said that it would."""
    if not extents:
        return ""
    name, step, found = load.worst(extents)
    half = load.blocks.model_copy(update={"size": max(16, load.blocks.size // 2)})
    less = replace(load, blocks=half).total(extents)
    return (
        f"{name}: {_size(load.blocks, extents[name])} with {_several(load.workers, 'worker')} "
        f"should need {_gib(found.total)} ({step}). If that is too much here, set "
        f"blocks: {{size: {half.size}}} (needs {_gib(less)}), or use fewer cores"
    )


def _size(blocks: Blocks, extent: Extent) -> str:
    depth = f"{min(blocks.depth, extent.space[0])} x " if extent.space[0] > 1 else ""
    return f"blocks of {depth}{blocks.size} x {blocks.size}"


def _several(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"


def _gib(size: float) -> str:
    return f"{size / GIB:.2f} GiB"


def label_files(extent: Extent, settings: Settings, images: int = 1) -> int:
    """Files of the labels of `images` such images: shards of all levels, metadata; or archives."""
    if settings.labels == "zip":
        return -(-images // extent.batch)
    levels = label_levels(extent.space)
    shards = sum(len(Grid(level.shape, level.shard)) for level in levels)
    # Two for the groups around all sets.
    each = len(settings.objects) * (extent.shape[0] * shards + len(levels) + 1) + 2
    return images * each
