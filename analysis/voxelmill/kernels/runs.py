"""Runs of equal label along x, and which of them touch: what works on runs never visits voxels.

In: (z, y, x) labels. Out: a table of runs, the first run of every row, and the sets they form.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array, Index

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]

SHORT = 128
"""Lines up to this long are looked at voxel by voxel, longer ones by eight."""
BEFORE = ((0, -1), (-1, 0))
"""Steps (z, y) to the earlier rows with which a row shares faces."""


class Runs(NamedTuple):
    """Runs along x of voxels that belong together."""

    table: Int32
    """(n, 3): start, stop and label, in raster order."""
    first: Int64
    """(nz * ny + 1,): first run of every row."""


def runs(labels: Array, of_zero: bool = False) -> Runs:
    """Runs of each label of (z, y, x) `labels`, or with `of_zero` those of 0 alone."""
    nz, ny, nx = labels.shape
    rows = np.zeros((nz * ny, 3), np.int32)
    rows[:, 1] = nx
    return runs_within(labels, Runs(rows, np.arange(nz * ny + 1)), of_zero)


def runs_within(labels: Array, within: Runs, of_zero: bool = False) -> Runs:
    """The same, only where a run of `within` is."""
    return Runs(*_runs(labels, within, of_zero))


@kernel
def _runs(labels: Array, within: Runs, of_zero: bool) -> tuple[Int32, Int64]:
    _, ny, nx = labels.shape
    table = np.empty((max(1024, labels.size // 64), 3), np.int32)
    first = np.zeros(within.first.size, np.int64)
    change = np.zeros(nx + 8 - nx % 8, np.uint8)
    n = 0
    for row in range(first.size - 1):
        line = labels[row // ny, row % ny]
        for i in range(within.first[row], within.first[row + 1]):
            x, end = within.table[i, 0], within.table[i, 1]
            if n + end - x > table.shape[0]:
                table = np.concatenate((table, np.empty((table.shape[0] + end - x, 3), np.int32)))
            if end - x > SHORT:
                n = _split(line[x:end], x, of_zero, change, table, n)
                continue
            while x < end:
                label, start = line[x], x
                x += 1
                while x < end and line[x] == label:
                    x += 1
                if (label == 0) == of_zero:
                    table[n, 0], table[n, 1], table[n, 2] = start, x, label
                    n += 1
        first[row + 1] = n
    return table[:n], first


@kernel
def _split(
    line: Array, start: int, of_zero: bool, change: NDArray[np.uint8], table: Int32, n: int
) -> int:
    """Add the runs of a line that begins at `start`; the new count of runs."""
    last = line.size - 1
    before, after = line[:last], line[1:]
    for k in range(last):
        change[k] = before[k] != after[k]
    stop = (last + 7) // 8 * 8
    change[last:stop] = 0
    words = change.view(np.uint64)
    x = 0
    for word in range(stop // 8 + 1):
        final = word == stop // 8
        if not final and words[word] == 0:  # eight voxels at a time
            continue
        for k in range(last if final else 8 * word, last + 1 if final else 8 * word + 8):
            if final or change[k]:
                if (line[x] == 0) == of_zero:
                    table[n, 0], table[n, 1], table[n, 2] = start + x, start + k + 1, line[x]
                    n += 1
                x = k + 1
    return n


@kernel
def joined(runs: Runs, shape: Index) -> tuple[Int32, int]:
    """Number the sets of runs of equal label that share faces.

    Returns
    -------
    ids : (n,) int32 array
        Set of each run, 0… in raster order of the sets' first runs.
    count : int
        How many sets there are.
    """
    table, first = runs.table, runs.first
    nz, ny, _ = shape
    parent = np.arange(table.shape[0]).astype(np.int32)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for dz, dy in BEFORE:
            if z + dz < 0 or y + dy < 0:
                continue
            other = row + dz * ny + dy
            i, j = first[other], first[row]
            while i < first[other + 1] and j < first[row + 1]:
                if (
                    table[i, 2] == table[j, 2]
                    and table[i, 0] < table[j, 1]
                    and table[j, 0] < table[i, 1]
                ):
                    _unite(parent, i, j)
                if table[i, 1] < table[j, 1]:
                    i += 1
                else:
                    j += 1
    return _numbered(parent)


@kernel
def _root(parent: Int32, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _unite(parent: Int32, i: int, j: int) -> None:
    a, b = _root(parent, i), _root(parent, j)
    parent[max(a, b)] = min(a, b)


@kernel
def _numbered(parent: Int32) -> tuple[Int32, int]:
    """The smallest run of a set is its first in raster order."""
    ids = np.empty(parent.size, np.int32)
    n = 0
    for i in range(parent.size):
        root = _root(parent, i)
        if root == i:
            ids[i] = n
            n += 1
        else:
            ids[i] = ids[root]
    return ids, n
