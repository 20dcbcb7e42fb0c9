"""Objects as runs: the index that every feature kernel works on.

In: labels (z, y, x). Out: `Objects`, the foreground as horizontal runs grouped by object and,
within an object, in raster order. All that follows is O(foreground), sees one object at a time and
counts from the corner of the object's own bounding box, so no value depends on where an object lies
or what lies around it.

    labels  . 7 7 . 3          ids    3, 7            first  0, 1, 3
            . 7 . . .   ─►     runs   (0,0,4,5) | (0,0,1,3) (0,1,1,2)      (z, y, x0, x1)
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Index, Labels

Ints: TypeAlias = NDArray[np.int64]
Ids: TypeAlias = NDArray[np.int32]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

GRID = 2.0**26
DENSE = 8
"""Labels up to DENSE times as many as there are runs are looked up in a table, others sorted."""
BLOCK = 16
"""Voxels that are compared at once."""
LABEL = 4
"""Column of the label in runs that are not sorted yet."""

T = TypeVar("T")


@dataclass(frozen=True)
class Objects:
    """The foreground of a label array as runs, grouped by object in ascending label order."""

    shape: Index
    """Extent of the label array."""
    ids: Ids
    """(n,) labels, ascending."""
    first: Ints
    """(n + 1,) object i owns the runs first[i] … first[i + 1] - 1."""
    runs: Ints
    """(n_runs, 4) z, y, x0, x1 (half-open), in raster order within an object."""
    low: Ints
    """(n, 3) first voxel of the bounding box."""
    high: Ints
    """(n, 3) one past its last voxel."""
    sizes: Ints
    """(n,) voxels."""

    memo: dict[Callable[["Objects"], Any], Any] = field(default_factory=dict, repr=False)
    """What ``once`` has computed."""

    def once(self, function: Callable[["Objects"], T]) -> T:
        """``function(self)``, computed once however many families ask for it."""
        if function not in self.memo:
            self.memo[function] = function(self)
        found: T = self.memo[function]
        return found

    @property
    def planar(self) -> bool:
        """The array has one plane: two-dimensional definitions apply."""
        return self.shape[0] == 1

    @property
    def starts(self) -> Ints:
        """(n + 1,) offsets of the objects' voxels when they are listed one after the other."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes)])


_kept = threading.local()


@contextmanager
def indexed(labels: Labels) -> Iterator[Objects]:
    """Within it, and in this thread, ``index_objects`` of this very array is computed once.

    The array must not change meanwhile.
    """
    outer = getattr(_kept, "now", None)
    objects = index_objects(labels)
    _kept.now = (labels, objects)
    try:
        yield objects
    finally:
        _kept.now = outer


def index_objects(labels: Labels) -> Objects:
    """Index the objects of a label array.

    Parameters
    ----------
    labels : (z, y, x) int32 array
        Objects; ids above 0, not necessarily consecutive.

    Returns
    -------
    Objects
        Runs by object.
    """
    kept = getattr(_kept, "now", None)
    if kept is not None and kept[0] is labels:
        found: Objects = kept[1]
        return found
    return _index(np.ascontiguousarray(labels, dtype=np.int32))


def _index(dense: Ids) -> Objects:
    runs = _find_runs(dense)
    ids = np.empty(0, np.int64)
    top = int(runs[:, LABEL].max(initial=0))
    sparse = top > max(1024, DENSE * runs.shape[0])
    if sparse:
        ids, member = np.unique(runs[:, LABEL], return_inverse=True)
        runs[:, LABEL] = member + 1
        top = ids.size
    rows, first, runs, low, high, sizes = _group(runs, top)
    ids = ids[rows - 1] if sparse else rows
    z, y, x = dense.shape
    return Objects((z, y, x), ids.astype(np.int32), first, runs, low, high, sizes)


def _find_runs(dense: Ids) -> Ints:
    """Runs in raster order (n_runs, 5): z, y, x0, x1, label."""
    nz, ny, nx = dense.shape
    runs = np.empty((nx + dense.size // 64, 5), np.int64)
    changes = np.empty(nx + 1, np.int64)
    line = count = 0
    while True:
        line, count = _scan(dense, line, runs, count, changes)
        if line == nz * ny:
            return runs[:count]
        runs = np.concatenate([runs[:count], np.empty((count + nx, 5), np.int64)])


def to_grid(position: Floats) -> Floats:
    """Round to 2**-26 px, so that adding an integer origin (below 2**26 px) is exact.

    Without it the last bit of a centroid would depend on the corner that it was counted from.
    """
    return np.round(position * GRID) / GRID


@kernel
def _scan(labels: Ids, line: int, runs: Ints, count: int, changes: Ints) -> tuple[int, int]:
    """Append the runs of the lines from `line` on, as long as there is room for them."""
    ny, nx = labels.shape[1], labels.shape[2]
    while line < labels.shape[0] * ny and count + nx <= runs.shape[0]:
        row = labels[line // ny, line % ny]
        many = _find_changes(row, changes)
        changes[many] = nx
        for k in range(many):
            label = row[changes[k]]
            if label > 0:
                runs[count, 0] = line // ny
                runs[count, 1] = line % ny
                runs[count, 2] = changes[k]
                runs[count, 3] = changes[k + 1]
                runs[count, LABEL] = label
                count += 1
        line += 1
    return line, count


@kernel
def _find_changes(row: Ids, changes: Ints) -> int:
    """List where the label changes along a row that follows background; return how often."""
    count = 0
    before = np.int32(0)
    for start in range(0, row.size, BLOCK):
        block = row[start : start + BLOCK]
        if block.size == BLOCK and not _differs(block, before):
            continue
        for k in range(block.size):
            # Without a branch: where labels change is not to be foreseen.
            changes[count] = start + k
            count += block[k] != before
            before = block[k]
    return count


@kernel
def _differs(block: Ids, label: np.int32) -> bool:
    """Whether a whole block has another label somewhere: a few wide instructions."""
    other = np.int32(0)
    for k in range(BLOCK):
        other |= block[k] ^ label
    return bool(other != 0)


@kernel
def _group(runs: Ints, top: int) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    """Sort the runs by label, keeping their order: labels, offsets, runs, boxes and sizes."""
    slot = np.zeros(top + 1, np.int64)
    n = 0
    for r in range(runs.shape[0]):
        n += slot[runs[r, LABEL]] == 0
        slot[runs[r, LABEL]] += 1
    ids = np.empty(n, np.int64)
    first = np.zeros(n + 1, np.int64)
    i = 0
    for label in range(top + 1):
        if slot[label] > 0:
            ids[i] = label
            first[i + 1] = first[i] + slot[label]
            slot[label] = first[i]
            i += 1
    grouped = np.empty((runs.shape[0], 4), np.int64)
    for r in range(runs.shape[0]):
        at = slot[runs[r, LABEL]]
        slot[runs[r, LABEL]] += 1
        for axis in range(4):
            grouped[at, axis] = runs[r, axis]
    low, high, sizes = _boxes(grouped, first)
    return ids, first, grouped, low, high, sizes


@kernel
def _boxes(runs: Ints, first: Ints) -> tuple[Ints, Ints, Ints]:
    n = first.size - 1
    low = np.empty((n, 3), np.int64)
    high = np.empty((n, 3), np.int64)
    sizes = np.zeros(n, np.int64)
    for i in range(n):
        for axis in range(3):
            low[i, axis] = runs[first[i], axis]
            high[i, axis] = 0
        for r in range(first[i], first[i + 1]):
            low[i, 1] = min(low[i, 1], runs[r, 1])
            low[i, 2] = min(low[i, 2], runs[r, 2])
            high[i, 0] = runs[r, 0] + 1
            high[i, 1] = max(high[i, 1], runs[r, 1] + 1)
            high[i, 2] = max(high[i, 2], runs[r, 3])
            sizes[i] += runs[r, 3] - runs[r, 2]
    return low, high, sizes
