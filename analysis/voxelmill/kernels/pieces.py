"""The largest piece of each object.

In: (z, y, x) labels. Out: the same, numbered anew, without what is small or in pieces.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import joined
from voxelmill.kernels.runs import Runs, paint, runs, runs_within

Int32: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]


def largest_pieces(
    labels: Int32,
    least: int,
    wanted: Mask | None = None,
    within: Runs | None = None,
    out: Int32 | None = None,
) -> tuple[Int32, int]:
    """Keep each label's largest face-connected piece of at least `least` voxels.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    least : int
        Smallest object in voxels.
    wanted : (label + 1,) bool array, optional
        Labels to keep; without it all.
    within : Runs, optional
        Where labels are above 0, at most.
    out : (z, y, x) int32 array, optional
        Memory to use, not that of `labels`.

    Returns
    -------
    ids : (z, y, x) int32 array
        1…n in raster order of first voxels; of equal pieces the first counts.
    n : int
    """
    found = runs(labels) if within is None else runs_within(labels, within)
    pieces, n = joined(found, labels.shape, False)
    table = found.table
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
    paint(found, ids[pieces], out)
    return out, int(np.count_nonzero(keep))
