"""Holes in objects: enclosed background of limited size and extent goes to the one object around.

Only runs of background along x are looked at; of these, only the few in small holes twice.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import joined
from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs, runs
from voxelmill.plugin import Array, Index

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


def fill_holes(labels: Array, size: int, extent: Index) -> Array:
    """Give enclosed background to the one object around it, in place.

    Parameters
    ----------
    labels : (z, y, x) integer array
    size : int
        Largest hole in voxels.
    extent : tuple of int
        Largest extent of a hole along z, y, x in voxels.

    Returns
    -------
    (z, y, x) array
        `labels`. Holes that touch the edge of the array, or two objects, stay.
    """
    gaps = runs(labels, of_zero=True)
    ids, n = joined(gaps, labels.shape, False)
    small = _small(gaps, ids, n, labels.shape, np.array([size, *extent], np.int64))
    _fill(labels, gaps, ids, small)
    return labels


@kernel
def _small(gaps: Runs, ids: Int32, n: int, shape: Index, limits: Int64) -> Mask:
    """Sets of runs within the limits that do not touch the array's edge."""
    table, first = gaps.table, gaps.first
    nz, ny, nx = shape
    small = np.ones(n, np.bool_)
    sizes = np.zeros(n, np.int64)
    bounds = np.full((n, 6), -1, np.int64)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        outer = y in (0, ny - 1) or (nz > 1 and z in (0, nz - 1))
        for i in range(first[row], first[row + 1]):
            k, start, stop = ids[i], table[i, 0], table[i, 1]
            if outer or start == 0 or stop == nx:
                small[k] = False
            box = bounds[k]
            if sizes[k] == 0:
                box[0], box[1], box[2] = z, y, start
            sizes[k] += stop - start
            box[1], box[2] = min(box[1], y), min(box[2], start)
            box[3], box[4], box[5] = z, max(box[4], y), max(box[5], stop - 1)
    for k in range(n):
        small[k] = small[k] and sizes[k] <= limits[0]
        for axis in range(3):
            small[k] = small[k] and bounds[k, axis + 3] - bounds[k, axis] < limits[axis + 1]
    return small


@kernel
def _fill(labels: Array, gaps: Runs, ids: Int32, small: Mask) -> None:
    """Fill the `small` sets of runs with the one label beside them."""
    table, first = gaps.table, gaps.first
    nz, ny, _ = labels.shape
    owner = np.zeros(small.size, np.int32)
    for row in range(nz * ny):
        z, y = row // ny, row % ny
        for i in range(first[row], first[row + 1]):
            k, start, stop = ids[i], table[i, 0], table[i, 1]
            if not small[k]:
                continue
            line = labels[z, y]
            owner[k] = _shared(owner[k], line[start - 1 : start])
            owner[k] = _shared(owner[k], line[stop : stop + 1])
            owner[k] = _shared(owner[k], labels[z, y - 1, start:stop])
            owner[k] = _shared(owner[k], labels[z, y + 1, start:stop])
            if nz > 1:
                owner[k] = _shared(owner[k], labels[z - 1, y, start:stop])
                owner[k] = _shared(owner[k], labels[z + 1, y, start:stop])
    for row in range(nz * ny):
        for i in range(first[row], first[row + 1]):
            if small[ids[i]] and owner[ids[i]] > 0:
                labels[row // ny, row % ny, table[i, 0] : table[i, 1]] = owner[ids[i]]


@kernel
def _shared(owner: int, beside: Array) -> int:
    """The one label of `owner` (0 = none yet) and all voxels `beside`; -1 if there are several."""
    for label in beside:
        if label and owner != label:
            owner = label if owner == 0 else -1
    return owner
