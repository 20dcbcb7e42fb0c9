"""From local labels of overlapping blocks to canonical ids: pure functions of small tables.

1. *pair*: labels of two blocks whose overlap IoU exceeds 1/2 are one object;
2. *number*: one connected-components call over the pairs; ids 1…n by the raster position of each
   object's first voxel, so they depend on the image alone, never on the blocks.

A node is (block, local label), given as one integer: ``offset[block] + label``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from voxelmill.plugin import BadInput, Labels

MAX_OBJECTS = 2**31 - 1
Ints = NDArray[np.int64]


def pair(a: Labels, b: Labels, in_core_a: Ints, in_core_b: Ints) -> Ints:
    """Find the labels of two blocks that are one object.

    Parameters
    ----------
    a, b : (z, y, x) int32 arrays
        Local labels of the two blocks in the box that both have read.
    in_core_a, in_core_b : (n,) int arrays
        Labels that own voxels of their block's core: only an object with voxels in both cores
        can need a merge, and only those labels are trustworthy.

    Returns
    -------
    (n, 2) int64 array
        Pairs (label of a, label of b) with intersection over union > 1/2 in the overlap. Each
        label is in one pair at most.
    """
    size_a, size_b = np.bincount(a.ravel()), np.bincount(b.ravel())
    both = (a > 0) & (b > 0)
    codes = a[both].astype(np.int64) * size_b.size + b[both]
    pairs, shared = np.unique(codes, return_counts=True)
    label_a, label_b = np.divmod(pairs, size_b.size)
    union = size_a[label_a] + size_b[label_b] - shared
    keep = 2 * shared > union
    keep &= np.isin(label_a, in_core_a) & np.isin(label_b, in_core_b)
    return np.stack([label_a[keep], label_b[keep]], axis=1)


def number(first: Ints, pairs: Ints) -> tuple[Ints, int]:
    """Give canonical ids.

    Parameters
    ----------
    first : (n,) int64 array
        Per node the raster index, in the whole image, of its first core voxel; -1 if it has none
        (such a node gets id 0: another block owns the object).
    pairs : (m, 2) int64 array
        Nodes that are one object.

    Returns
    -------
    ids : (n,) int64 array
        Canonical id of each node, 1…n_objects, 0 for nodes without core voxels.
    n_objects : int

    Raises
    ------
    BadInput
        There are more objects than int32 labels can tell apart.
    """
    n = first.size
    if not n:
        return np.zeros(0, np.int64), 0
    ones = np.ones(len(pairs), np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    owned = first >= 0
    earliest = np.full(int(group.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(earliest, group[owned], first[owned])
    real = np.flatnonzero(earliest < np.iinfo(np.int64).max)
    if real.size > MAX_OBJECTS:
        raise BadInput(f"{real.size} objects in one image; allowed: {MAX_OBJECTS} (int32 labels)")
    rank = np.zeros(earliest.size, np.int64)
    rank[real[np.argsort(earliest[real], kind="stable")]] = np.arange(1, real.size + 1)
    return np.where(owned, rank[group], 0), int(real.size)


def offsets(counts: Sequence[int]) -> Ints:
    """First node of each block, given how many labels each has (label 0 takes a node too)."""
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64) + 1)])
