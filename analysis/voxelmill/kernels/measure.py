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
    found, runs = _find_runs(dense, _count_runs(dense))
    ids, member = np.unique(found, return_inverse=True)
    member = member.astype(np.int64).reshape(-1)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(member))])
    runs = _group_runs(member, runs, first)
    low, high, sizes = _boxes(runs, first)
    z, y, x = dense.shape
    return Objects((z, y, x), ids, first, runs, low, high, sizes)


def to_grid(position: Floats) -> Floats:
    """Round to 2**-26 px, so that adding an integer origin (below 2**26 px) is exact.

    Without it the last bit of a centroid would depend on the corner that it was counted from.
    """
    return np.round(position * GRID) / GRID


@kernel
def _count_runs(labels: Ids) -> int:
    count = 0
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = labels[z, y]
            before = np.int32(0)
            for x in range(row.size):
                count += row[x] != before and row[x] > 0
                before = row[x]
    return count


@kernel
def _find_runs(labels: Ids, count: int) -> tuple[Ids, Ints]:
    ids = np.empty(count, np.int32)
    runs = np.empty((count, 4), np.int64)
    at = -1
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            row = labels[z, y]
            before = np.int32(0)
            for x in range(row.size):
                if row[x] == before:
                    continue
                if before > 0:
                    runs[at, 3] = x
                before = row[x]
                if before > 0:
                    at += 1
                    ids[at] = before
                    runs[at, 0] = z
                    runs[at, 1] = y
                    runs[at, 2] = x
            if before > 0:
                runs[at, 3] = row.size
    return ids, runs


@kernel
def _group_runs(member: Ints, runs: Ints, first: Ints) -> Ints:
    grouped = np.empty_like(runs)
    at = first.copy()
    for r in range(member.size):
        for axis in range(4):
            grouped[at[member[r]], axis] = runs[r, axis]
        at[member[r]] += 1
    return grouped


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
