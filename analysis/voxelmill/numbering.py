"""Stage 4 of the engine, on the driver: canonical ids of one frame, and the index of its objects.

In: what the stages *segment* and *pair* left in scratch. Out: ``<block>.ids`` with the final id of
each local label, and files with rows of `INDEX_COLUMNS`, sorted by id. The rows of a whole image
are never held at once: blocks are taken slab by slab, in the order in which ids rise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Block, Grid
from voxelmill.plugin import Index
from voxelmill.scratch import load, save
from voxelmill.stages import Task
from voxelmill.stitch import Ints, floors, in_order, number, offsets
from voxelmill.store.place import Place, place_at

INDEX_COLUMNS = ("id", "z", "y", "x", "z0", "y0", "x0", "z1", "y1", "x1", "seam")
"""Per object: id, first voxel in raster order, bounding box, whether a seam may have cut it."""


@dataclass(frozen=True)
class Objects:
    """The objects of one set in one frame; their rows lie in files until the ledger goes."""

    count: int
    seams: int
    """How many of them a seam may have cut."""
    longest: Index
    """Largest extent of these along z, y, x in voxels: a halo as wide would not cut them."""
    parts: tuple[Place, ...]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (load(part, "rows")[0] for part in self.parts)

    @property
    def index(self) -> NDArray[np.int64]:
        """All rows of `INDEX_COLUMNS`, (n, 11), ascending id."""
        return np.concatenate([np.zeros((0, len(INDEX_COLUMNS)), np.int64), *self])


def number_frame(task: Task) -> None:
    """Give the final ids of one frame: ``<block>.ids`` holds them and seam flags, by label."""
    blocks = list(task.grid)
    _, height, width = task.grid.shape
    first, cut = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    for block in blocks:
        (nodes,) = load(task.file(block.index, "block"), "nodes")
        first.append((nodes[:, 0] * height + nodes[:, 1]) * width + nodes[:, 2])
        cut.append(nodes[:, 9] > 0)
    offset = offsets([f.size for f in first[1:]])
    pairs, doubts = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for i, block in enumerate(blocks if len(blocks) > 1 else []):
        found, disputed = load(task.file(block.index, "pairs"), "pairs", "disputed")
        own, other = offset[i] + found[:, 1] - 1, offset[found[:, 0]] + found[:, 2] - 1
        pairs.append(np.stack([own, other], axis=1))
        doubts.append(offset[disputed[:, 0]] + disputed[:, 1] - 1)
    ids, n = number(np.concatenate(first), np.concatenate(pairs))
    flagged = np.concatenate(cut)
    flagged[np.concatenate(doubts)] = True
    seam = np.zeros(n + 1, bool)
    seam[ids[flagged]] = True
    for i, block in enumerate(blocks):
        mine = ids[offset[i] : offset[i + 1]]
        save(task.file(block.index, "ids"), ids=mine, seam=seam[mine])


def list_objects(task: Task, grid: Grid, *, numbered: bool) -> Objects:
    """Merge what blocks have noted about their parts of objects.

    Parameters
    ----------
    task : Task
    grid : Grid
        Its blocks, or its shards where they were written directly.
    numbered : bool
        Ids come from `number_frame`; otherwise blocks have noted final ones.
    """
    slabs = _slabs(grid)
    folder = place_at(task.folder)
    ids = [np.concatenate([_ids(task, b, numbered)[0] for b in slab]) for slab in slabs]
    least = floors(ids)
    del ids
    rows = ((_rows(task, slab, numbered)) for slab in slabs)
    count, seams, longest = 0, 0, np.zeros(3, np.int64)
    parts = []
    for i, found in enumerate(in_order(rows, least)):
        merged = merge_index(found)
        flagged = merged[merged[:, 10] > 0]
        count, seams = count + len(merged), seams + len(flagged)
        longest = np.maximum(longest, (flagged[:, 7:10] - flagged[:, 4:7]).max(axis=0, initial=0))
        parts.append(folder / f"{i}.index")
        save(parts[-1], rows=merged)
    z, y, x = (int(v) for v in longest)
    return Objects(count, seams, (z, y, x), tuple(parts))


def _slabs(grid: Grid) -> list[list[Block]]:
    """Blocks in groups such that, nearly, ids rise from group to group."""
    axis = 0 if grid.shape[0] > 1 else 1
    groups: dict[int, list[Block]] = {}
    for block in grid:
        groups.setdefault(block.index[axis], []).append(block)
    return list(groups.values())


def _ids(task: Task, block: Block, numbered: bool) -> tuple[Ints, Any]:
    if numbered:
        ids, seam = load(task.file(block.index, "ids"), "ids", "seam")
        return ids, seam
    return load(task.file(block.index, "block"), "ids")[0], 0


def _rows(task: Task, slab: Sequence[Block], numbered: bool) -> tuple[Ints, NDArray[np.int64]]:
    found, tables = [np.zeros(0, np.int64)], [np.zeros((0, 10), np.int64)]
    for block in slab:
        ids, seam = _ids(task, block, numbered)
        (nodes,) = load(task.file(block.index, "block"), "nodes")
        nodes[:, 9] = seam
        found.append(ids)
        tables.append(nodes)
    return np.concatenate(found), np.concatenate(tables)


def merge_index(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join rows of `INDEX_COLUMNS` about the same objects: earliest voxel, union of boxes.

    Returns
    -------
    (n, 11) int64 array
        One row an object, ascending id.
    """
    rows = rows[np.lexsort((rows[:, 3], rows[:, 2], rows[:, 1], rows[:, 0]))]
    ids, start = np.unique(rows[:, 0], return_index=True)
    merged = rows[start]
    if ids.size:
        merged[:, 4:7] = np.minimum.reduceat(rows[:, 4:7], start)
        merged[:, 7:] = np.maximum.reduceat(rows[:, 7:], start)
    return merged
