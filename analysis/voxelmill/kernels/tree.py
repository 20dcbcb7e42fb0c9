"""The tree of basin merges, and the choice of objects in it.

Basins that touch are merged pair by pair, the clearest belonging first; each merge is a node with
two children. Objects are the nodes chosen so that no two overlap: bottom-up, a node replaces what
was chosen below it if its two halves look like one object.

A node is a connected set of basins joined by edges at or above some weight; a node whose box is
larger than a limit is *dead*: it, and all that would contain it, is no object. So what happens at
a voxel depends on nothing farther away than that limit, in whatever block it is computed. All sums
are integers; the decision is one floating-point expression of sums, evaluated alike everywhere.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import find
from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@kernel
def merge_tree(
    first: Int64, second: Int64, bounds: Int64, limit: Int64
) -> tuple[Int32, Int32, Int64]:
    """Join the basins along their edges, in the order given.

    Parameters
    ----------
    first, second : (e,) int64 array
        Basins of each edge, the strongest edge first.
    bounds : (n + 1, 6) int64 array
        Boxes of the basins.
    limit : (3,) int64 array
        Largest extent of a node along z, y, x in voxels.

    Returns
    -------
    parent : (m,) int32 array
        Node above each node, -1 at roots; nodes 1…n are basins, later ones merges.
    children : (m, 2) int32 array
        Nodes merged; 0, 0 for basins.
    edge : (m,) int64 array
        Edge that made each merge.
    """
    n = bounds.shape[0] - 1
    parent = np.full(2 * n + 1, -1, np.int32)
    children = np.zeros((2 * n + 1, 2), np.int32)
    edge = np.zeros(2 * n + 1, np.int64)
    group = np.arange(n + 1).astype(np.int32)
    node = np.arange(n + 1).astype(np.int32)
    box = bounds.copy()
    m = n
    for e in range(first.size):
        a, b = find(group, first[e]), find(group, second[e])
        if a == b:
            continue
        group[b] = a
        alive = node[a] > 0 and node[b] > 0
        for k in range(3):
            box[a, k] = min(box[a, k], box[b, k])
            box[a, k + 3] = max(box[a, k + 3], box[b, k + 3])
            alive = alive and box[a, k + 3] - box[a, k] < limit[k]
        if not alive:
            node[a] = 0
            continue
        m += 1
        children[m, 0], children[m, 1], edge[m] = node[a], node[b], e
        parent[node[a]] = parent[node[b]] = m
        node[a] = m
    return parent[: m + 1], children[: m + 1], edge[: m + 1]


@kernel
def lift(first: Int64, second: Int64, values: Int64, parent: Int32) -> Int64:
    """Sum the edges' `values` (e, k) at the merge that joined their two basins: (m, k)."""
    out = np.zeros((parent.size, values.shape[1]), np.int64)
    for e in range(first.size):
        a, b = first[e], second[e]
        while a != b and a > 0 and b > 0:
            if a < b:
                a = parent[a]
            else:
                b = parent[b]
        if a > 0 and b > 0:
            out[a] += values[e]
    return out


@kernel
def gather(sums: Int64, children: Int32) -> Int64:
    """Sums of all nodes from those of the basins, (n + 1, k) to (m, k)."""
    out = np.zeros((children.shape[0], sums.shape[1]), np.int64)
    out[: sums.shape[0]] = sums
    for i in range(sums.shape[0], out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = out[children[i, 0], k] + out[children[i, 1], k]
    return out


@kernel
def highest(top: Int64, children: Int32) -> Int64:
    """Highest peak of all nodes from those of the basins, (n + 1,) to (m,)."""
    out = np.zeros(children.shape[0], np.int64)
    out[: top.size] = top
    for i in range(top.size, out.size):
        out[i] = max(out[children[i, 0]], out[children[i, 1]])
    return out


@kernel
def select(parent: Int32, belong: Mask, basins: int) -> Int32:
    """Choose objects: from the roots down, the first node whose halves belong together.

    Parameters
    ----------
    parent : (m,) int32 array
        Node above each node, -1 at roots.
    belong : (m,) bool array
        The node is one object; basins always are.
    basins : int
        Number of basins.

    Returns
    -------
    (basins + 1,) int32 array
        The chosen node (an id above 0) of each basin.
    """
    chosen = np.zeros(parent.size, np.int32)
    for i in range(parent.size - 1, 0, -1):
        if parent[i] > 0 and chosen[parent[i]] > 0:
            chosen[i] = chosen[parent[i]]
        elif belong[i] or i <= basins:
            chosen[i] = i
    return chosen[: basins + 1]
