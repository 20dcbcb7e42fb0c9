"""What a worker does for one block or shard of one object set: the tasks of the engine.

Every function is idempotent: it reads the image and what earlier stages left in scratch, writes
its own file atomically, and returns a small JSON value for the ledger.

1. ``look``     slab of a large image → its part of the overview
   ``fit``      overview of a frame → the segmenter's data-dependent numbers
2. ``segment``  core + halo → ``<block>.block``: labels of the core, its nodes, and what it has
                labelled where its neighbours have read too, all as runs along x
3. ``pair``     the same places as seen by later blocks → ``<block>.pairs``
4. (the driver numbers: see ``numbering`` → ``<block>.ids``)
5. ``write``    shard of the output ← cores with final ids
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from voxelmill.arrayends import as_labels
from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source, Target
from voxelmill.kernels.components import joined
from voxelmill.kernels.objects import extents
from voxelmill.kernels.overlaps import clipped, reaching, renumbered
from voxelmill.kernels.runs import Runs, paint, runs
from voxelmill.overview import assemble, overview, slabs_of, survey
from voxelmill.painter import Tile, Tiles
from voxelmill.plugin import Array, BadInput, Index, Labels
from voxelmill.scratch import load, save
from voxelmill.segmenters import Segmenter
from voxelmill.slots import reads_first
from voxelmill.stitch import Ints, disputed, pair, touching
from voxelmill.store.place import Place, place_at


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
    channels: tuple[int, ...]
    segmenter: Segmenter
    grid: Grid
    folder: str

    def file(self, index: Index, what: str) -> Place:
        """Scratch file of one block or shard."""
        return place_at(self.folder) / f"{'_'.join(map(str, index))}.{what}"


@reads_first
def look(task: Task, number: int, slab: Box) -> None:
    """Stage 1a, for large images: pool one slab of the overview → ``<number>.overview``."""
    pooled = survey(task.frame.source, task.frame.t, task.channels, slab)
    save(task.file((0, 0, number), "overview"), pooled=pooled)


@reads_first
def fit(task: Task) -> dict[str, Any]:
    """Stage 1: the fitted segmenter as JSON."""
    frame = task.frame
    if (count := len(slabs_of(frame.source))) > 1:
        parts = [load(task.file((0, 0, i), "overview"), "pooled")[0] for i in range(count)]
        image, spacing = assemble(frame.source, parts)
    else:
        image, spacing = overview(frame.source, frame.t, task.channels)
    segmenter = task.segmenter.sized(frame.source.spacing_um)
    return segmenter.fit(image, spacing).model_dump(mode="json")


@reads_first
def segment(task: Task, block: Block) -> int:
    """Stage 2: local labels of one block, as runs; returns the number of objects in its core.

    ``nodes`` has a row a label 1…n: first voxel and bounding box of what the core holds of it, in
    voxels of the whole image, and whether the object reaches the end of what the block has read.
    """
    box = _labelled(task, block)
    found, flagged = _labels(task, block)
    core = _part(found, box, block.core)
    ids, table = extents(core, block.core.shape[1])
    nodes = np.zeros((ids.size, 10), np.int64)
    nodes[:, :9] = table + np.tile(block.core.start, 3)
    if task.segmenter.keeps_ids:
        save(task.file(block.index, "block"), nodes=nodes, ids=ids, **_named("core", core))
        return int(ids.size)
    top = int(found.table[:, 2].max(initial=0))
    if not task.segmenter.connected:
        nodes[:, 9] = np.isin(ids, np.append(flagged, _cut(found, box, task.grid, top)))
    if ids.size < top:
        dense = np.zeros(top + 1, np.int32)
        dense[ids] = np.arange(1, ids.size + 1)
        found, core = renumbered(found, dense), renumbered(core, dense)
    parts = _named("core", core)
    for step, other in _neighbours(task.grid, block):
        shared = _side(box, step) if task.segmenter.connected else box.clip(other.read)
        parts |= _named(_strip(step), _part(found, box, shared))
    save(task.file(block.index, "block"), **parts, nodes=nodes)
    return int(ids.size)


def _labelled(task: Task, block: Block) -> Box:
    """Box of which a block's labels are of use."""
    whole = not (task.segmenter.connected or task.segmenter.keeps_ids)
    return block.read if whole else block.core


def _labels(task: Task, block: Block) -> tuple[Runs, Ints]:
    """Labels of that box, local and not too sparse; which of them the segmenter flagged."""
    frame, segmenter = task.frame, task.segmenter
    image = frame.source.read(frame.t, task.channels, block.read, task.grid.halo)
    seeds, flagged = None, np.zeros(0, np.int64)
    if segmenter.keeps_ids:
        seeds = frame.target.read(str(getattr(segmenter, "seeds", "")), frame.t, block.read)
    here = segmenter.at(block.read.start, task.grid.shape)
    labels = here(image, frame.source.spacing_um, seeds)
    if labels.shape != block.read.shape or labels.dtype != np.int32:
        given = f"{labels.dtype} {labels.shape}; allowed: int32 {block.read.shape}"
        raise BadInput(f"{frame.key}: {segmenter} gave {given}. Mend the segmenter")
    box = _labelled(task, block)
    table, first = found = runs(labels[box.within(block.read).slices])
    if segmenter.keeps_ids:
        return found, flagged
    ids = table[:, 2]
    if ids.min(initial=0) < 0:
        flagged = -np.unique(ids[ids < 0]).astype(np.int64)
        np.abs(ids, out=ids)
    if segmenter.connected and box != block.read:
        # Farther out too little context was seen to say what touches what.
        ids[:] = joined(found, box.shape, True)[0] + 1
    elif ids.max(initial=0) > labels.size:
        old, at = np.unique(ids, return_inverse=True)
        ids[:] = at + 1
        flagged = np.flatnonzero(np.isin(old, flagged)) + 1
    return Runs(table, first), flagged


def _part(found: Runs, box: Box, part: Box) -> Runs:
    """Runs of a part of the box that runs were found in."""
    if part == box:
        return found
    inside = part.within(box)
    return clipped(found, box.shape[1], inside.start, inside.stop)


def _named(name: str, found: Runs) -> dict[str, Array]:
    """Arrays for a scratch file; `_runs` reads them."""
    return {f"{name} runs": found.table, f"{name} rows": found.first}


def _runs(task: Task, index: Index, *names: str) -> list[Runs]:
    arrays = load(
        task.file(index, "block"), *(f"{n} {part}" for n in names for part in ("runs", "rows"))
    )
    return [Runs(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=True)]


def _cut(found: Runs, box: Box, grid: Grid, top: int) -> Ints:
    """Labels that touch a face of `box` which is not a face of the image."""
    low = np.array(box.start) > 0
    high = np.array(box.stop) < np.array(grid.shape)
    return np.flatnonzero(reaching(found, box.shape, low, high, top))


def _side(box: Box, step: Index) -> Box:
    """The voxels of a core that face the neighbour at `step`."""
    ends = list(zip(step, box.start, box.stop, strict=True))
    z0, y0, x0 = (b - 1 if s > 0 else a for s, a, b in ends)
    z1, y1, x1 = (a + 1 if s < 0 else b for s, a, b in ends)
    return Box((z0, y0, x0), (z1, y1, x1))


def _neighbours(grid: Grid, block: Block) -> list[tuple[Index, Block]]:
    """All blocks around one, with the step that leads there."""
    found: list[tuple[Index, Block]] = []
    for dz, dy, dx in product(*[(-1, 0, 1) if n > 1 else (0,) for n in grid.counts]):
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
    grid, connected = task.grid, task.segmenter.connected
    block = grid.block(index)
    rows, doubts = [np.zeros((0, 3), np.int64)], [np.zeros((0, 2), np.int64)]
    later = [(step, other) for step, other in _neighbours(grid, block) if step > (0, 0, 0)]
    mine = _runs(task, index, *(_strip(step) for step, _ in later))
    for (step, other), own in zip(later, mine, strict=True):
        back = (-step[0], -step[1], -step[2])
        (theirs,) = _runs(task, other.index, _strip(back))
        if connected:
            near, far = _side(block.core, step), _side(other.core, back)
            pairs = touching(_painted(own, near), _painted(theirs, far))
        else:
            pairs = pair(own, theirs)
        rows.append(np.insert(pairs, 0, _number(grid, other.index), axis=1))
        if not task.segmenter.exact:
            both = block.read.clip(other.read)
            doubts += [
                _doubts(own, pairs[:, 0], other.core, both, _number(grid, index)),
                _doubts(theirs, pairs[:, 1], block.core, both, _number(grid, other.index)),
            ]
    save(task.file(index, "pairs"), pairs=np.concatenate(rows), disputed=np.concatenate(doubts))
    return sum(map(len, rows))


def _doubts(labels: Runs, partners: Ints, core: Box, both: Box, block: int) -> Ints:
    found = disputed(labels, _part(labels, both, core.clip(both)), partners)
    return np.column_stack([np.full_like(found, block), found])


def _painted(found: Runs, box: Box) -> Labels:
    labels = np.empty(box.shape, np.int32)
    paint(found, np.ascontiguousarray(found.table[:, 2]), labels)
    return labels


def _number(grid: Grid, index: Index) -> int:
    return int(np.ravel_multi_index(index, grid.counts))


def write(task: Task, shard: Block) -> str:
    """Stage 5: one shard of the output, from the cores that touch it; returns its digest."""
    tiles = {}
    for block in task.grid.touching(shard.core):
        (found,) = _runs(task, block.index, "core")
        values = np.ascontiguousarray(found.table[:, 2])
        if not task.segmenter.keeps_ids:
            (ids,) = load(task.file(block.index, "ids"), "ids")
            values = ids.astype(np.int32)[values - 1]
        tiles[block.index] = Tile(found, values)
    labels = Tiles(task.grid, tiles)
    return task.frame.target.write(task.name, task.frame.t, shard.core, labels)


def subtract(task: Task, shard: Block, minuend: str, subtrahend: str) -> str:
    """Write one shard of the set ``minuend - subtrahend``, with the ids of the first."""
    target, t, box = task.frame.target, task.frame.t, shard.core
    labels = np.where(target.read(subtrahend, t, box) > 0, 0, target.read(minuend, t, box))
    return _put(task, shard, labels)


@reads_first
def copy(task: Task, shard: Block, labels: Source) -> str:
    """Write one shard of given labels (t, 1, z, y, x), as if the engine had found them."""
    return _put(task, shard, as_labels(labels.read(task.frame.t, (0,), shard.core)[0]))


def _put(task: Task, shard: Block, labels: Labels) -> str:
    """Write labels that carry final ids, and save their ids and nodes; returns the digest."""
    box = shard.core
    ids, table = extents(runs(labels), box.shape[1])
    nodes = np.zeros((ids.size, 10), np.int64)
    nodes[:, :9] = table + np.tile(box.start, 3)
    save(task.file(shard.index, "block"), nodes=nodes, ids=ids)
    return task.frame.target.write(task.name, task.frame.t, box, labels)
