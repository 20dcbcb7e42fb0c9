"""The largest piece of each object.

In: (z, y, x) labels. Out: the same, numbered anew, without what is small or in pieces.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import joined, runs
from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


def largest_pieces(
    labels: Int32, least: int, wanted: Mask | None = None, out: Int32 | None = None
) -> tuple[Int32, int]:
    """Keep each label's largest face-connected piece of at least `least` voxels.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    least : int
        Smallest object in voxels.
    wanted : (label + 1,) bool array, optional
        Labels to keep; without it all.
    out : (z, y, x) int32 array, optional
        Memory to use, not that of `labels`.

    Returns
    -------
    ids : (z, y, x) int32 array
        1…n in raster order of first voxels; of equal pieces the first counts.
    n : int
    """
    table, first = runs(labels, False)
    pieces, n = joined(table, first, labels.shape)
    sizes = np.zeros(n, np.int64)
    np.add.at(sizes, pieces, table[:, 1] - table[:, 0])
    label = np.zeros(n, np.int64)
    label[pieces] = table[:, 2]
    order = np.lexsort((np.arange(n), -sizes, label))
    keep = np.zeros(n, bool)
    keep[order[np.diff(label[order], prepend=0) > 0]] = True
    keep &= sizes >= least
    if wanted is not None:
        keep &= wanted[label]
    ids = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    out = np.empty(labels.shape, np.int32) if out is None else out
    _paint(table, first, ids[pieces], out)
    return out, int(np.count_nonzero(keep))


@kernel
def _paint(table: Int32, first: Int64, ids: Int32, out: Array) -> None:
    """Write the id of each run."""
    ny = out.shape[1]
    for row in range(first.size - 1):
        line = out[row // ny, row % ny]
        line[:] = 0
        for i in range(first[row], first[row + 1]):
            line[table[i, 0] : table[i, 1]] = ids[i]
