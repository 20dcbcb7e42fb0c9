"""The block engine: all object sets of all frames, stage by stage, on a pool of workers.

One engine for everything: a 1 Mpx field is one block without neighbours, a slide is thousands.

    for each object set, those it needs first:
        1. look     one task a slab of a large image ┐ for segmenters that fit numbers
           fit      one task a frame                 ┘
        2. segment  one task a block          ┐
        3. pair     one task a block that has neighbours   ├ only the first two for segmenters
        4. number   here, on small tables     ┘ that keep the ids of their seeds
        5. write    one task a shard
        6. finish   one task a frame: coarse pyramid levels, index of objects

A frame whose data cannot be read drops out with its reason; all others go on. What a stage has
finished is in the ledger and is not done again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil
from typing import Any
from urllib.parse import quote

from voxelmill import stages
from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source
from voxelmill.execution import Blocks
from voxelmill.ledger import Ledger
from voxelmill.numbering import Objects, list_objects, number_frame
from voxelmill.objectsets import ObjectSet, Segmented, Subtracted
from voxelmill.overview import slabs_of
from voxelmill.plugin import Index
from voxelmill.run import Pool
from voxelmill.segmenters import Segmenter
from voxelmill.stages import Frame, Task

PAIRS = 16
"""Blocks to pair with their neighbours sent to a worker at once: each takes milliseconds."""


@dataclass(frozen=True)
class Found:
    """One object set of one frame: the segmenter that made it, its objects, what was written."""

    fitted: Mapping[str, Any]
    objects: Objects
    halo: Index
    """Voxels along z, y, x that blocks have read around their cores."""
    digest: str
    """SHA-256 over the digests of the shards in raster order."""


@dataclass
class Result:
    """What the engine found, and which frames it could not use."""

    found: dict[tuple[str, str], Found] = field(default_factory=dict)
    """By (frame key, object set)."""
    refused: dict[str, str] = field(default_factory=dict)
    """Reason by frame key."""


class Engine:
    """Segments frames; see the module's docstring.

    Parameters
    ----------
    pool : Pool
        Workers.
    ledger : Ledger
        Finished tasks, and the folder for scratch.
    blocks : Blocks
        Block size; bounds memory, never changes a result.
    advice : str
        What to change where memory did not suffice.
    """

    def __init__(self, pool: Pool, ledger: Ledger, blocks: Blocks, advice: str = "") -> None:
        self._advice = advice
        self._pool = pool
        self._ledger = ledger
        self._blocks = blocks
        self._result = Result()

    def segment(
        self,
        frames: Sequence[Frame],
        objects: Mapping[str, ObjectSet],
        order: Iterable[str],
        channels: Mapping[str, Mapping[str, Sequence[int]]],
    ) -> Result:
        """Segment every object set of every frame.

        Parameters
        ----------
        frames : sequence of Frame
        objects : mapping
            Configuration by object set.
        order : iterable of str
            Object sets, each after those it needs.
        channels : mapping
            Channel indices by frame key and object set.

        Returns
        -------
        Result

        Raises
        ------
        BlocksFailed
            Tasks failed for another reason than their data.
        """
        for name in order:
            spec = objects[name]
            alive = [f for f in frames if f.key not in self._result.refused]
            if isinstance(spec, Subtracted):
                self._derive(alive, name, stages.subtract, *spec.subtract)
            else:
                picked = {f.key: channels[f.key][name] for f in alive}
                self._segment(alive, name, spec, picked)
        return self._result

    def _segment(
        self,
        frames: Sequence[Frame],
        name: str,
        spec: Segmented,
        channels: Mapping[str, Sequence[int]],
    ) -> None:
        tasks = [self._task(f, name, channels[f.key], spec.segmenter) for f in frames]
        kind = type(spec.segmenter)
        tasks = [self._with_halo(t, spec.halo_px) for t in self._fit(f"{name}: fit", tasks, kind)]
        tasks = self._each_block(f"{name}: segment", stages.segment, tasks)
        if not kind.keeps_ids:
            several = [t for t in tasks if len(t.grid) > 1]
            self._each_block(f"{name}: pair", _pair, several, PAIRS)
            tasks = [t for t in tasks if t.frame.key not in self._result.refused]
            for task in tasks:
                number_frame(task)
        for task, digest in self._write(name, tasks, stages.write):
            objects = list_objects(task, task.grid, numbered=not kind.keeps_ids)
            self._found(task, objects, digest)

    def _fit(self, title: str, tasks: list[Task], kind: type[Segmenter]) -> list[Task]:
        if kind.fit is Segmenter.fit:
            return tasks
        found = {t.frame.key: list(enumerate(slabs_of(t.frame.source))) for t in tasks}
        work = [
            (t, str(i), (t, i, slab))
            for t in tasks
            if len(found[t.frame.key]) > 1
            for i, slab in _spread(found[t.frame.key], self._pool.threads)
        ]
        self._stage(title.replace("fit", "look"), stages.look, work)
        tasks = [t for t in tasks if t.frame.key not in self._result.refused]
        fitted = self._stage(title, stages.fit, [(t, "", (t,)) for t in tasks])
        return [
            replace(t, segmenter=kind.model_validate(fitted[t.frame.key][""]))
            for t in tasks
            if t.frame.key in fitted
        ]

    def _derive(
        self, frames: Sequence[Frame], name: str, function: Callable[..., str], *more: object
    ) -> None:
        """Make an object set of labels that have their ids, shard by shard."""
        tasks = [self._task(f, name, (), Segmenter()) for f in frames]
        for task, digest in self._write(name, tasks, function, *more):
            objects = list_objects(task, task.frame.target.shards, numbered=False)
            self._found(task, objects, digest)

    def adopt(self, frames: Sequence[Frame], name: str, labels: Source) -> Result:
        """Take labels (t, 1, z, y, x) that somebody else has made as an object set.

        Raises
        ------
        BlocksFailed
            Tasks failed for another reason than their data.
        """
        self._derive(frames, name, stages.copy, labels)
        return self._result

    def _found(self, task: Task, objects: Objects, digest: str) -> None:
        fitted = task.segmenter.model_dump(mode="json")
        self._result.found[task.frame.key, task.name] = Found(
            fitted, objects, task.grid.halo, digest
        )

    def _task(self, frame: Frame, name: str, channels: Sequence[int], segmenter: Segmenter) -> Task:
        size = (self._blocks.depth, self._blocks.size, self._blocks.size)
        folder = self._ledger.scratch / name / quote(frame.key, safe="@")
        grid = Grid(_spatial(frame), size)
        return Task(frame, name, tuple(channels), segmenter, grid, str(folder))

    def _with_halo(self, task: Task, least: int) -> Task:
        """Same task with the halo of its segmenter, which may follow from what was fitted."""
        spacing = task.frame.source.spacing_um
        z, y, x = task.segmenter.halo(spacing)
        deep = min(task.grid.shape[0] - 1, ceil(least * spacing[2] / spacing[0]))
        halo = max(z, deep), max(y, least), max(x, least)
        return replace(task, grid=replace(task.grid, halo=halo))

    def _each_block(
        self, title: str, function: Callable[..., Any], tasks: Sequence[Task], least: int = 1
    ) -> list[Task]:
        work = [(t, _tag(b.index), (t, b)) for t in tasks for b in t.frame.source.order(t.grid)]
        done = self._stage(title, function, work, least)
        return [t for t in tasks if t.frame.key in done]

    def _write(
        self, name: str, tasks: Sequence[Task], function: Callable[..., str], *more: object
    ) -> list[tuple[Task, str]]:
        """Write all shards and the coarse levels; return the frames that are whole, with digest."""
        work = [(t, _tag(s.index), (t, s, *more)) for t in tasks for s in t.frame.target.shards]
        done = self._stage(f"{name}: write", function, work)
        tasks = [t for t in tasks if t.frame.key in done]
        self._stage(f"{name}: finish", _finish, [(t, "", (t,)) for t in tasks])
        return [
            (t, sha256("".join(done[t.frame.key].values()).encode()).hexdigest())
            for t in tasks
            if t.frame.key not in self._result.refused
        ]

    def _stage(
        self,
        title: str,
        function: Callable[..., Any],
        work: Iterable[tuple[Task, str, tuple[Any, ...]]],
        least: int = 1,
    ) -> dict[str, dict[str, Any]]:
        """Run one stage; return the values by frame key, for frames of which nothing failed."""
        keys = {
            f"{title} {task.frame.key} {tag}".strip(): (task.frame.key, tag, arguments)
            for task, tag, arguments in work
        }
        calls = {key: arguments for key, (_, _, arguments) in keys.items()}
        outcomes = self._pool.run(title, function, calls, self._ledger, self._advice, least)
        values: dict[str, dict[str, Any]] = {}
        for key, outcome in outcomes.items():
            frame, tag, _ = keys[key]
            if outcome.reason is not None:
                self._result.refused.setdefault(frame, outcome.reason)
            values.setdefault(frame, {})[tag] = outcome.value
        return {f: v for f, v in values.items() if f not in self._result.refused}


def _spread(slabs: Sequence[tuple[int, Box]], threads: int) -> list[tuple[int, Box]]:
    """One slab of each of `threads` stretches in turn, so that each thread works along its own.

    Consecutive slabs share chunks: side by side they would wait for each other's decoding.
    """
    size = -(-len(slabs) // threads)
    return [slab for start in range(size) for slab in slabs[start::size]]


def _pair(task: Task, block: Block) -> int:
    return stages.pair_block(task, block.index)


def _finish(task: Task) -> None:
    task.frame.target.finish(task.name, task.frame.t)


def _spatial(frame: Frame) -> Index:
    _, _, z, y, x = frame.source.shape
    return z, y, x


def _tag(index: Index) -> str:
    return ",".join(map(str, index))
