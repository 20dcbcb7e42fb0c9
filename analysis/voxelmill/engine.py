"""The block engine: all object sets of all frames, stage by stage, on a pool of workers.

One engine for everything: a 1 Mpx field is one block without neighbours, a slide is thousands.

    for each object set, those it needs first:
        1. fit      one task a frame
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
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from voxelmill import stages
from voxelmill.blocks import Block, Grid
from voxelmill.config import Blocks, ObjectSet, Subtracted
from voxelmill.ledger import Ledger
from voxelmill.plugin import Index
from voxelmill.run import Pool
from voxelmill.segmenters import Segmenter
from voxelmill.stages import Frame, Task
from voxelmill.stitch import number, offsets


@dataclass(frozen=True)
class Found:
    """One object set of one frame: the segmenter that made it, and its objects."""

    fitted: Mapping[str, Any]
    index: NDArray[np.int64]
    """(n, 11) rows of `stages.INDEX_COLUMNS`."""


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
    """

    def __init__(self, pool: Pool, ledger: Ledger, blocks: Blocks) -> None:
        self._pool = pool
        self._ledger = ledger
        self._blocks = blocks
        self._result = Result()

    def segment(
        self,
        frames: Sequence[Frame],
        objects: Mapping[str, ObjectSet],
        order: Iterable[str],
        channels: Mapping[str, Mapping[str, int]],
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
            Channel index by frame key and object set.

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
                self._subtract(alive, name, spec)
            else:
                picked = {f.key: channels[f.key][name] for f in alive}
                self._segment(alive, name, spec.segmenter, picked)
        return self._result

    def _segment(
        self, frames: Sequence[Frame], name: str, segmenter: Segmenter, channel: Mapping[str, int]
    ) -> None:
        tasks = [self._task(f, name, channel[f.key], segmenter) for f in frames]
        fitted = self._stage(f"{name}: fit", stages.fit, [(t, "", (t,)) for t in tasks])
        tasks = [
            replace(t, segmenter=type(segmenter).model_validate(fitted[t.frame.key][""]))
            for t in tasks
            if t.frame.key in fitted
        ]
        tasks = self._each_block(f"{name}: segment", stages.segment, tasks)
        if not segmenter.keeps_ids:
            self._each_block(f"{name}: pair", _pair, [t for t in tasks if len(t.grid) > 1])
            tasks = [t for t in tasks if t.frame.key not in self._result.refused]
            for task in tasks:
                number_frame(task)
        self._write(f"{name}: write", tasks, lambda t, shard: (t, shard), stages.write)

    def _subtract(self, frames: Sequence[Frame], name: str, spec: Subtracted) -> None:
        tasks = [self._task(f, name, 0, Segmenter()) for f in frames]
        self._write(
            f"{name}: write", tasks, lambda t, shard: (t, shard, *spec.subtract), stages.subtract
        )

    def _task(self, frame: Frame, name: str, channel: int, segmenter: Segmenter) -> Task:
        shape = _spatial(frame)
        halo = (0, 0, 0)
        if type(segmenter) is not Segmenter:
            halo = segmenter.halo(frame.source.spacing_um)
        size = (self._blocks.depth, self._blocks.size, self._blocks.size)
        folder = self._ledger.folder / name / quote(frame.key, safe="@")
        return Task(frame, name, channel, segmenter, Grid(shape, size, halo), str(folder))

    def _each_block(
        self, title: str, function: Callable[..., Any], tasks: Sequence[Task]
    ) -> list[Task]:
        work = [(t, _tag(b.index), (t, b)) for t in tasks for b in t.grid]
        done = self._stage(title, function, work)
        return [t for t in tasks if t.frame.key in done]

    def _write(
        self,
        title: str,
        tasks: Sequence[Task],
        arguments: Callable[[Task, Block], tuple[Any, ...]],
        function: Callable[..., Any],
    ) -> None:
        work = [(t, _tag(s.index), arguments(t, s)) for t in tasks for s in t.frame.target.shards]
        done = self._stage(title, function, work)
        tasks = [t for t in tasks if t.frame.key in done]
        self._stage(title.replace("write", "finish"), _finish, [(t, "", (t,)) for t in tasks])
        for t in (t for t in tasks if t.frame.key not in self._result.refused):
            parts = [np.load(t.file(s.index, "index")) for s in t.frame.target.shards]
            fitted = t.segmenter.model_dump(mode="json")
            self._result.found[t.frame.key, t.name] = Found(fitted, stages.merge_index(parts))

    def _stage(
        self,
        title: str,
        function: Callable[..., Any],
        work: Iterable[tuple[Task, str, tuple[Any, ...]]],
    ) -> dict[str, dict[str, Any]]:
        """Run one stage; return the values by frame key, for frames of which nothing failed."""
        keys = {
            f"{title} {task.frame.key} {tag}".strip(): (task.frame.key, tag, arguments)
            for task, tag, arguments in work
        }
        outcomes = self._pool.run(
            title, function, {key: k[2] for key, k in keys.items()}, self._ledger
        )
        values: dict[str, dict[str, Any]] = {}
        for key, outcome in outcomes.items():
            frame, tag, _ = keys[key]
            if outcome.reason is not None:
                self._result.refused.setdefault(frame, outcome.reason)
            values.setdefault(frame, {})[tag] = outcome.value
        return {f: v for f, v in values.items() if f not in self._result.refused}


def number_frame(task: Task) -> None:
    """Stage 4: final ids of one frame from the blocks' nodes and pairs.

    Leaves per block an array (labels, 2): final id, and whether a seam may have cut the object.
    """
    blocks = list(task.grid)
    nodes = [np.load(task.file(b.index, "nodes")) for b in blocks]
    offset = offsets([len(n) - 1 for n in nodes])
    pairs = [np.zeros((0, 2), np.int64)]
    for i, block in enumerate(blocks if len(blocks) > 1 else []):
        found = np.load(task.file(block.index, "pairs"))
        own, other = offset[i] + found[:, 1], offset[found[:, 0]] + found[:, 2]
        pairs.append(np.stack([own, other], axis=1))
    _, height, width = task.grid.shape
    table = np.concatenate(nodes)
    first = (table[:, 0] * height + table[:, 1]) * width + table[:, 2]
    ids, n = number(np.where(table[:, 0] < 0, -1, first), np.concatenate(pairs))
    seam = np.zeros(n + 1, np.int64)
    np.maximum.at(seam, ids, table[:, 3])
    final = np.stack([ids, np.where(ids > 0, seam[ids], 0)], axis=1)
    for i, block in enumerate(blocks):
        stages.save(task.file(block.index, "ids"), final[offset[i] : offset[i + 1]])


def _pair(task: Task, block: Block) -> int:
    return stages.pair_block(task, block.index)


def _finish(task: Task) -> None:
    task.frame.target.finish(task.name, task.frame.t)


def _spatial(frame: Frame) -> Index:
    _, _, z, y, x = frame.source.shape
    return z, y, x


def _tag(index: Index) -> str:
    return ",".join(map(str, index))
