"""Runs of equal label along x: what works on runs never visits voxels.

In: (z, y, x) labels. Out: a table of runs and the first run of every row; and back to voxels.
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
def paint(runs: Runs, values: Int32, out: Array) -> None:
    """Write one value a run into `out` (z, y, x), and 0 elsewhere."""
    paint_part(runs, values, out.shape[1], (0, 0, 0), out)


@kernel
def paint_part(runs: Runs, values: Int32, height: int, start: Index, out: Array) -> None:
    """Write one value a run into a part of the array that the runs were found in, 0 elsewhere.

    The array is `height` voxels along y; its part `out` (z, y, x) begins at `start`.
    """
    table, first = runs
    nz, ny, nx = out.shape
    for z in range(nz):
        for y in range(ny):
            row = (start[0] + z) * height + start[1] + y
            line = out[z, y]
            line[:] = 0
            low, high = first[row], first[row + 1]
            while low < high:  # the first run that ends beyond the start
                middle = (low + high) // 2
                if table[middle, 1] <= start[2]:
                    low = middle + 1
                else:
                    high = middle
            for i in range(low, first[row + 1]):
                a, b = max(0, table[i, 0] - start[2]), min(nx, table[i, 1] - start[2])
                if a >= nx:
                    break
                line[a:b] = values[i]
