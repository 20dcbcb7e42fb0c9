"""Parent of each object in another label array: the one that it shares most voxels with.

In: labels of the children and of the possible parents, same box. Out: one parent id a child.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ids, Ints, index_objects
from voxelmill.plugin import Labels


def parents_of(labels: Labels, parents: Labels) -> Ints:
    """Find each object's parent, as CellProfiler's RelateObjects does.

    Parameters
    ----------
    labels, parents : (z, y, x) int32 array

    Returns
    -------
    (n_objects,) int64 array
        In ascending label order: the id in `parents` that covers most of the object, the lowest
        of several that do; 0 where none covers a voxel.
    """
    objects = index_objects(labels)
    longest = int(objects.sizes.max(initial=0))
    return _parents_of(
        objects.runs, objects.first, np.ascontiguousarray(parents, np.int32), longest
    )


@kernel
def _parents_of(runs: Ints, first: Ints, parents: Ids, longest: int) -> Ints:
    found = np.zeros(first.size - 1, np.int64)
    covering = np.empty(longest, np.int32)
    for i in range(first.size - 1):
        count = 0
        for r in range(first[i], first[i + 1]):
            row = parents[runs[r, 0], runs[r, 1]]
            for x in range(runs[r, 2], runs[r, 3]):
                if row[x] > 0:
                    covering[count] = row[x]
                    count += 1
        found[i] = _most_common(covering[:count])
    return found


@kernel
def _most_common(ids: Ids) -> int:
    """Most frequent of `ids`, the lowest of several; 0 of none. Orders `ids`."""
    if ids.size == 0:
        return 0
    if ids.min() == ids.max():
        return int(ids[0])
    ids.sort()
    best, most, start = 0, 0, 0
    for k in range(1, ids.size + 1):
        if k == ids.size or ids[k] != ids[start]:
            if k - start > most:
                best, most = int(ids[start]), k - start
            start = k
    return best
