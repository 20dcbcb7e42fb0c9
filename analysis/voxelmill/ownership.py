"""Who measures what: every object belongs to the block whose core holds its first voxel.

In: the index of objects (`INDEX_COLUMNS`) in portions. Out: `Owned`, the ids of one set that one
block measures, and the box that contains all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import Index
from voxelmill.stitch import Ints


@dataclass(frozen=True)
class Owned:
    """The objects of one set that one block owns."""

    name: str
    ids: Ints
    box: Box


def at_border(rows: NDArray[np.int64], shape: Index) -> NDArray[np.bool_]:
    """Which objects touch the end of an image of this extent along z, y, x.

    Parameters
    ----------
    rows : (n, 11) int64 array
        Rows of `INDEX_COLUMNS`.
    shape : tuple of int
        An axis of one voxel has no end.
    """
    axes = [axis for axis in range(3) if shape[axis] > 1]
    low, high = rows[:, 4:7][:, axes], rows[:, 7:10][:, axes]
    ends = np.asarray([shape[axis] for axis in axes])
    return np.asarray(((low <= 0) | (high >= ends)).any(axis=1))


class Owners:
    """Assigns every object to the block whose core holds its first voxel.

    Parameters
    ----------
    grid : Grid
        Blocks of the frame.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._ids: dict[tuple[Index, str], list[Ints]] = {}
        self._boxes: dict[tuple[Index, str], Box] = {}

    def add(self, name: str, rows: NDArray[np.int64]) -> None:
        """Take rows of `INDEX_COLUMNS`, (n, 11), of one object set; ids rise from call to call."""
        place = rows[:, 1:4] // np.asarray(self.grid.size)
        flat = np.ravel_multi_index(tuple(place.T), self.grid.counts)
        order = np.argsort(flat, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(flat[order])) + 1):
            if not mine.size:
                continue
            z, y, x = (int(v) for v in place[mine[0]])
            key, box = ((z, y, x), name), _around(rows[mine])
            self._ids.setdefault(key, []).append(rows[mine, 0].astype(np.int32))
            self._boxes[key] = union([self._boxes[key], box]) if key in self._boxes else box

    def blocks(self) -> dict[Index, list[Owned]]:
        """What each block owns, in raster order; blocks that own nothing are left out."""
        found: dict[Index, list[Owned]] = {}
        for (block, name), parts in self._ids.items():
            box = _thick(self._boxes[block, name], self.grid.shape[0])
            ids = np.concatenate(parts).astype(np.int64)
            found.setdefault(block, []).append(Owned(name, ids, box))
        return dict(sorted(found.items()))


def _around(rows: NDArray[np.int64]) -> Box:
    """Box around objects."""
    z0, y0, x0 = (int(v) for v in rows[:, 4:7].min(axis=0))
    z1, y1, x1 = (int(v) for v in rows[:, 7:10].max(axis=0))
    return Box((z0, y0, x0), (z1, y1, x1))


def _thick(box: Box, depth: int) -> Box:
    """Of a volume never a single plane, which features would take for 2-D."""
    (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
    if depth > 1 and z1 - z0 == 1:
        z0, z1 = (z0, z1 + 1) if z1 < depth else (z0 - 1, z1)
    return Box((z0, y0, x0), (z1, y1, x1))


def union(boxes: Sequence[Box]) -> Box:
    """Smallest box around boxes."""
    starts, stops = zip(*((b.start, b.stop) for b in boxes), strict=True)
    (z0, y0, x0), (z1, y1, x1) = (
        map(min, zip(*starts, strict=True)),
        map(max, zip(*stops, strict=True)),
    )
    return Box((z0, y0, x0), (z1, y1, x1))
