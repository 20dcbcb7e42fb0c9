"""What a worker does for one block or shard of one object set: the tasks of the engine.

Every function is idempotent: it reads the image and what earlier stages left in scratch, writes
its own file atomically, and returns a small JSON value for the ledger.

1. ``fit``      overview of a frame → the segmenter's data-dependent numbers
2. ``segment``  core + halo → ``<block>.labels.npy`` and ``<block>.nodes.npy``
3. ``pair``     overlaps with later blocks → ``<block>.pairs.npy``
4. (the driver numbers: ``engine.number`` → ``<block>.ids.npy``)
5. ``write``    shard of the output ← cores with final ids; ``<shard>.index.npy``
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Block, Grid
from voxelmill.ends import Source, Target
from voxelmill.kernels.objects import extents, present
from voxelmill.overview import overview
from voxelmill.plugin import BadInput, Index, Labels
from voxelmill.segmenters import Segmenter
from voxelmill.stitch import Ints, pair

INDEX_COLUMNS = ("id", "z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1", "seam")
"""Per object: id, first voxel in raster order, bounding box, whether a seam may have cut it."""


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
        return Path(self.folder) / f"{'_'.join(map(str, index))}.{what}.npy"


def save(path: Path, array: NDArray[Any]) -> None:
    """Write an array atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.save(file, array)
    part.replace(path)


def fit(task: Task) -> dict[str, Any]:
    """Stage 1: the fitted segmenter as JSON."""
    frame = task.frame
    image, spacing = overview(frame.source, frame.t, task.channel)
    return task.segmenter.fit(image, spacing).model_dump(mode="json")


def segment(task: Task, block: Block) -> int:
    """Stage 2: local labels of one block and, per label, its first voxel in the core.

    Rows of ``nodes`` are local labels 0…n: z, y, x of the first core voxel in the whole image (-1
    if the core holds none), and whether the object reaches the end of what the block has read.
    """
    frame = task.frame
    source, spacing = frame.source, frame.source.spacing_um
    image = source.read(frame.t, (task.channel,), block.read)
    seeds = None
    if task.segmenter.keeps_ids:
        seeds = frame.target.read(str(getattr(task.segmenter, "seeds", "")), frame.t, block.read)
    labels = task.segmenter.at(block.read.start)(image, spacing, seeds)
    if labels.shape != block.read.shape:
        raise BadInput(f"{frame.key}: {task.segmenter} gave {labels.shape} for {block.read.shape}")
    save(task.file(block.index, "labels"), labels)
    ids, table = extents(labels[block.core.within(block.read).slices])
    if task.segmenter.keeps_ids:
        return int(ids.size)
    nodes = np.full((int(labels.max(initial=0)) + 1, 4), -1, np.int64)
    nodes[:, 3] = 0
    nodes[ids, :3] = table[:, :3] + np.asarray(block.core.start)
    nodes[_cut(labels, block, task.grid), 3] = 1
    save(task.file(block.index, "nodes"), nodes)
    return int(ids.size)


def _cut(labels: Labels, block: Block, grid: Grid) -> Ints:
    """Labels that touch a face of the read box which is not a face of the image."""
    found = [np.zeros(0, np.int64)]
    for axis in range(3):
        for side, inside in ((0, block.read.start[axis] > 0),
                             (-1, block.read.stop[axis] < grid.shape[axis])):  # fmt: skip
            if inside:
                found.append(present(np.ascontiguousarray(labels.take(side, axis))[None]))
    return np.unique(np.concatenate(found))


def pair_block(task: Task, index: Index) -> int:
    """Stage 3: rows (number of the other block, own label, its label) that are one object."""
    block = task.grid.block(index)
    own = np.load(task.file(index, "labels"), mmap_mode="r")
    rows = []
    for place in task.grid.neighbours(index):
        other, number = task.grid.block(place), np.ravel_multi_index(place, task.grid.counts)
        theirs = np.load(task.file(other.index, "labels"), mmap_mode="r")
        both = block.read.clip(other.read)
        pairs = pair(
            np.array(own[both.within(block.read).slices]),
            np.array(theirs[both.within(other.read).slices]),
            _core_labels(task, index),
            _core_labels(task, other.index),
        )
        rows.append(np.insert(pairs, 0, number, axis=1))
    table = np.concatenate([np.zeros((0, 3), np.int64), *rows])
    save(task.file(index, "pairs"), table)
    return len(table)


def _core_labels(task: Task, index: Index) -> Ints:
    found: Ints = np.flatnonzero(np.load(task.file(index, "nodes"))[:, 0] >= 0)
    return found


def write(task: Task, shard: Block) -> int:
    """Stage 5: one shard of the output, from the cores that touch it."""
    box = shard.core
    labels = np.zeros(box.shape, np.int32)
    rows = []
    for block in task.grid.touching(box):
        part = block.core.clip(box)
        piece = np.load(task.file(block.index, "labels"), mmap_mode="r")
        local = np.array(piece[part.within(block.read).slices])
        ids, table = extents(local)
        seam = np.zeros(len(ids), np.int64)
        if not task.segmenter.keeps_ids:
            final = np.load(task.file(block.index, "ids"))
            local, seam = final[:, 0][local], final[ids, 1]
            ids = final[ids, 0]
        labels[part.within(box).slices] = local
        table += np.tile(part.start, 3)
        rows.append(np.column_stack([ids, table, seam]))
    task.frame.target.write(task.name, task.frame.t, box, labels)
    return _save_index(task, shard, rows)


def subtract(task: Task, shard: Block, minuend: str, subtrahend: str) -> int:
    """Write one shard of the set ``minuend - subtrahend``, with the ids of the first."""
    target, t, box = task.frame.target, task.frame.t, shard.core
    labels = np.where(target.read(subtrahend, t, box) > 0, 0, target.read(minuend, t, box))
    target.write(task.name, t, box, labels)
    ids, table = extents(labels)
    table += np.tile(box.start, 3)
    return _save_index(task, shard, [np.column_stack([ids, table, np.zeros_like(ids)])])


def _save_index(task: Task, shard: Block, rows: list[NDArray[np.int64]]) -> int:
    empty = np.zeros((0, len(INDEX_COLUMNS)), np.int64)
    save(task.file(shard.index, "index"), np.concatenate([empty, *rows]))
    return sum(len(r) for r in rows)


def merge_index(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Join rows of `INDEX_COLUMNS` about the same objects: earliest voxel, union of boxes.

    Returns
    -------
    (n, 11) int64 array
        One row an object, ascending id.
    """
    rows = np.concatenate([np.zeros((0, len(INDEX_COLUMNS)), np.int64), *parts])
    rows = rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 1], rows[:, 0]))]
    ids, start = np.unique(rows[:, 0], return_index=True)
    merged = rows[start]
    if ids.size:
        merged[:, 4:7] = np.minimum.reduceat(rows[:, 4:7], start)
        merged[:, 7:] = np.maximum.reduceat(rows[:, 7:], start)
    return merged
