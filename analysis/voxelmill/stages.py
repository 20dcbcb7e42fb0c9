"""What a worker does for one block or shard of one object set: the tasks of the engine.

Every function is idempotent: it reads the image and what earlier stages left in scratch, writes
its own file atomically, and returns a small JSON value for the ledger.

1. ``look``     slab of a large image → its part of the overview
   ``fit``      overview of a frame → the segmenter's data-dependent numbers
2. ``segment``  core + halo → ``<block>.block``: labels of the core, its nodes, and what it has
                labelled where its neighbours have read too
3. ``pair``     the same places as seen by later blocks → ``<block>.pairs``
4. (the driver numbers: see ``numbering`` → ``<block>.ids``)
5. ``write``    shard of the output ← cores with final ids
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.arrayends import as_labels
from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source, Target
from voxelmill.kernels.components import components
from voxelmill.kernels.objects import extents, present, renumber
from voxelmill.overview import assemble, overview, slabs_of, survey
from voxelmill.plugin import BadInput, Index, Labels
from voxelmill.scratch import load, save
from voxelmill.segmenters import Segmenter
from voxelmill.stitch import Ints, disputed, pair, touching

_SIDES = {-1: slice(0, 1), 0: slice(None), 1: slice(-1, None)}


@dataclass(frozen=True)
class Frame:
    """One time point of one image: where its pixels come from and where its labels go."""

    key: str
    source: Source
    target: Target
    t: int


@dataclass(frozen=True)
class Task:
    """One object set of one frame, with everything a worker needs to know."""

    frame: Frame
    name: str
    channel: int
    segmenter: Segmenter
    grid: Grid
    folder: str

    def file(self, index: Index, what: str) -> Path:
        """Scratch file of one block or shard."""
        return Path(self.folder) / f"{'_'.join(map(str, index))}.{what}"


def look(task: Task, number: int, slab: Box) -> None:
    """Stage 1a, for large images: pool one slab of the overview → ``<number>.overview``."""
    pooled = survey(task.frame.source, task.frame.t, task.channel, slab)
    save(task.file((0, 0, number), "overview"), pooled=pooled)


def fit(task: Task) -> dict[str, Any]:
    """Stage 1: the fitted segmenter as JSON."""
    frame = task.frame
    if (count := len(slabs_of(frame.source))) > 1:
        parts = [load(task.file((0, 0, i), "overview"), "pooled")[0] for i in range(count)]
        image, spacing = assemble(frame.source, parts)
    else:
        image, spacing = overview(frame.source, frame.t, task.channel)
    return task.segmenter.fit(image, spacing).model_dump(mode="json")


def segment(task: Task, block: Block) -> int:
    """Stage 2: local labels of one block; returns the number of objects in its core.

    ``nodes`` has a row a label 1…n: first voxel and bounding box of what the core holds of it, in
    voxels of the whole image, and whether the object reaches the end of what the block has read.
    """
    labels, flagged = _labels(task, block)
    inner = block.core.within(block.read).slices
    ids, table = extents(labels[inner])
    nodes = np.zeros((ids.size, 10), np.int64)
    nodes[:, :9] = table + np.tile(block.core.start, 3)
    if task.segmenter.keeps_ids:
        save(task.file(block.index, "block"), labels=labels[inner], nodes=nodes, ids=ids)
        return int(ids.size)
    if not task.segmenter.connected:
        cut = np.append(flagged, _cut(labels, block, task.grid))
        nodes[:, 9] = np.isin(ids, cut)
    dense = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    dense[ids] = np.arange(1, ids.size + 1)
    parts = {"labels": labels[inner]}
    for step, other in _neighbours(task.grid, block):
        if task.segmenter.connected:
            parts[_strip(step)] = labels[inner][tuple(_SIDES[s] for s in step)]
        else:
            parts[_strip(step)] = labels[block.read.clip(other.read).within(block.read).slices]
    if ids.size != dense.size - 1:
        parts = {name: _renumbered(part, dense) for name, part in parts.items()}
    save(task.file(block.index, "block"), **parts, nodes=nodes)
    return int(ids.size)


def _labels(task: Task, block: Block) -> tuple[Labels, Ints]:
    """Labels of all that a block reads, local and not too sparse; which the segmenter flagged."""
    frame, segmenter = task.frame, task.segmenter
    image = frame.source.read(frame.t, (task.channel,), block.read, task.grid.halo)
    seeds, flagged = None, np.zeros(0, np.int64)
    if segmenter.keeps_ids:
        seeds = frame.target.read(str(getattr(segmenter, "seeds", "")), frame.t, block.read)
    labels = segmenter.at(block.read.start)(image, frame.source.spacing_um, seeds)
    if labels.shape != block.read.shape or labels.dtype != np.int32:
        found = f"{labels.dtype} {labels.shape}; allowed: int32 {block.read.shape}"
        raise BadInput(f"{frame.key}: {segmenter} gave {found}. Mend the segmenter")
    if segmenter.keeps_ids:
        return labels, flagged
    if labels.min(initial=0) < 0:
        labels, flagged = np.abs(labels), present(-np.minimum(labels, 0))
    if segmenter.connected and block.read != block.core:
        # Farther out too little context was seen to say what touches what.
        inner = block.core.within(block.read).slices
        apart = np.zeros_like(labels)
        apart[inner], _ = components(np.ascontiguousarray(labels[inner]), True)
        return apart, flagged
    if labels.max(initial=0) > labels.size:
        old, at = np.unique(labels, return_inverse=True)
        labels = at.astype(np.int32).reshape(labels.shape)
        flagged = np.flatnonzero(np.isin(old, flagged))
    return labels, flagged


def _renumbered(labels: Labels, table: NDArray[np.int32]) -> Labels:
    made = np.empty(labels.shape, np.int32)
    renumber(labels, table, made)
    return made


def _cut(labels: Labels, block: Block, grid: Grid) -> Ints:
    """Labels that touch a face of the read box which is not a face of the image."""
    found = [np.zeros(0, np.int64)]
    for axis in range(3):
        for side, inside in ((0, block.read.start[axis] > 0),
                             (-1, block.read.stop[axis] < grid.shape[axis])):  # fmt: skip
            if inside:
                found.append(present(np.ascontiguousarray(labels.take(side, axis))[None]))
    return np.unique(np.concatenate(found))


def _neighbours(grid: Grid, block: Block) -> list[tuple[Index, Block]]:
    """All blocks around one, with the step that leads there."""
    found: list[tuple[Index, Block]] = []
    for dz, dy, dx in product((-1, 0, 1), repeat=3):
        z, y, x = (i + s for i, s in zip(block.index, (dz, dy, dx), strict=True))
        inside = all(0 <= i < n for i, n in zip((z, y, x), grid.counts, strict=True))
        if inside and (z, y, x) != block.index:
            found.append(((dz, dy, dx), grid.block((z, y, x))))
    return found


def _strip(step: Index) -> str:
    """Name of the array with what a block has labelled where the block at `step` has read too.

    Of connected objects that is the side of the core, one voxel thick, which faces that block.
    """
    return "towards {} {} {}".format(*step)


def pair_block(task: Task, index: Index) -> int:
    """Stage 3: which labels of later neighbours are one object with one of this block.

    ``pairs`` has rows (number of the other block, own label, its label); ``disputed`` has rows
    (number of a block, label) for labels that two blocks do not agree on.
    """
    grid = task.grid
    block = grid.block(index)
    rows, doubts = [np.zeros((0, 3), np.int64)], [np.zeros((0, 2), np.int64)]
    for step, other in _neighbours(grid, block):
        if step < (0, 0, 0):
            continue
        (own,) = load(task.file(index, "block"), _strip(step))
        z, y, x = step
        (theirs,) = load(task.file(other.index, "block"), _strip((-z, -y, -x)))
        pairs = touching(own, theirs) if task.segmenter.connected else pair(own, theirs)
        rows.append(np.insert(pairs, 0, _number(grid, other.index), axis=1))
        if not task.segmenter.exact:
            both = block.read.clip(other.read)
            doubts.append(_doubts(own, pairs[:, 0], other.core, both, _number(grid, index)))
            number = _number(grid, other.index)
            doubts.append(_doubts(theirs, pairs[:, 1], block.core, both, number))
    save(task.file(index, "pairs"), pairs=np.concatenate(rows), disputed=np.concatenate(doubts))
    return sum(map(len, rows))


def _doubts(labels: Labels, partners: Ints, core: Box, both: Box, block: int) -> Ints:
    found = disputed(labels, labels[core.clip(both).within(both).slices], partners)
    return np.column_stack([np.full_like(found, block), found])


def _number(grid: Grid, index: Index) -> int:
    return int(np.ravel_multi_index(index, grid.counts))


def write(task: Task, shard: Block) -> str:
    """Stage 5: one shard of the output, from the cores that touch it; returns its digest."""
    box = shard.core
    labels = np.zeros(box.shape, np.int32)
    for block in task.grid.touching(box):
        part = block.core.clip(box)
        (core,) = load(task.file(block.index, "block"), "labels")
        local, out = core[part.within(block.core).slices], labels[part.within(box).slices]
        if task.segmenter.keeps_ids:
            out[...] = local
        else:
            (ids,) = load(task.file(block.index, "ids"), "ids")
            renumber(local, np.append(0, ids).astype(np.int32), out)
    return task.frame.target.write(task.name, task.frame.t, box, labels)


def subtract(task: Task, shard: Block, minuend: str, subtrahend: str) -> str:
    """Write one shard of the set ``minuend - subtrahend``, with the ids of the first."""
    target, t, box = task.frame.target, task.frame.t, shard.core
    labels = np.where(target.read(subtrahend, t, box) > 0, 0, target.read(minuend, t, box))
    _note(task, shard.index, box, labels)
    return target.write(task.name, t, box, labels)


def copy(task: Task, block: Block, labels: Source) -> int:
    """Write given labels (t, 1, z, y, x) of one block, as if the engine had found them."""
    frame, box = task.frame, block.core
    found = as_labels(labels.read(frame.t, (0,), box)[0])
    frame.target.write(task.name, frame.t, box, found)
    return _note(task, block.index, box, found)


def _note(task: Task, index: Index, box: Box, labels: Labels) -> int:
    """Save ids and nodes of labels that carry final ids."""
    ids, table = extents(labels)
    nodes = np.zeros((ids.size, 10), np.int64)
    nodes[:, :9] = table + np.tile(box.start, 3)
    save(task.file(index, "block"), nodes=nodes, ids=ids)
    return int(ids.size)
