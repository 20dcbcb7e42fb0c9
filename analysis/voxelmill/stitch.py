"""From local labels of overlapping blocks to canonical ids: pure functions of small tables.

1. *pair*: labels of two blocks that are one object, by what they share where both blocks have read;
2. *number*: one connected-components call over the pairs; ids 1…n by the raster position of each
   object's first voxel, so they depend on the image alone, never on the blocks;
3. *in order*: rows that several blocks have about the same objects, joined and sorted by id in a
   streaming fashion.

A node is (block, local label), given as one integer: ``offset[block] + label - 1``.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.overlaps import meetings, sizes
from voxelmill.kernels.runs import Runs
from voxelmill.plugin import Array, BadInput, Labels

MAX_OBJECTS = 2**31 - 1
Ints = NDArray[np.int64]

DISPUTED = 0.1
"""A label without partner of which the other block's core holds a larger share is in conflict."""


def pair(a: Runs, b: Runs) -> Ints:
    """Find the labels of two blocks that are one object, by their overlap.

    Parameters
    ----------
    a, b : Runs
        Local labels of the two blocks in the box that both have read. Only labels with voxels in
        their block's core: no other can need a merge, or is trustworthy.

    Returns
    -------
    (n, 2) int64 array
        Pairs (label of a, label of b) that share more than half of their union in the box, so
        that each label has one partner at most.
    """
    label_a, label_b, count = meetings(a, b)
    top = int(max(a.table[:, 2].max(initial=0), b.table[:, 2].max(initial=0)))
    codes, at = np.unique(label_a * (top + 1) + label_b, return_inverse=True)
    shared = np.bincount(at, count, codes.size).astype(np.int64)
    label_a, label_b = np.divmod(codes, top + 1)
    keep = 2 * shared > sizes(a, top)[label_a] + sizes(b, top)[label_b] - shared
    return np.stack([label_a[keep], label_b[keep]], axis=1)


def touching(a: Labels, b: Labels) -> Ints:
    """Find the labels of two blocks that touch, for objects that are connected components.

    Parameters
    ----------
    a, b : (z, y, x) int32 arrays
        The sides, one voxel thick, with which two cores face each other; at an edge or a corner of
        the cores they are lines or single voxels.

    Returns
    -------
    (n, 2) int64 array
        Pairs (label of a, label of b) with voxels that share a face, an edge or a corner.
    """
    found = [np.zeros((2, 0), np.int64)]
    for shift in product(*[(-1, 0, 1) if n > 1 else (0,) for n in a.shape]):
        ends = list(zip(shift, a.shape, strict=True))
        one = a[tuple(slice(max(0, s), n + min(0, s)) for s, n in ends)]
        two = b[tuple(slice(max(0, -s), n - max(0, s)) for s, n in ends)]
        both = (one > 0) & (two > 0)
        found.append(np.stack([one[both], two[both]]).astype(np.int64))
    codes = np.unique((np.concatenate(found, axis=1) << np.array([[32], [0]])).sum(axis=0))
    return np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1)


def disputed(labels: Runs, inside: Runs, partners: Ints) -> Ints:
    """Labels that reach into the other block's core, which knows no such object.

    Parameters
    ----------
    labels : Runs
        Labels of one block in the box that both have read.
    inside : Runs
        The part of it that is the other block's core.
    partners : (n,) int64 array
        Labels that have a partner there.

    Returns
    -------
    (n,) int64 array
    """
    top = int(labels.table[:, 2].max(initial=0))
    found = sizes(inside, top) > DISPUTED * sizes(labels, top)
    found[partners] = False
    return np.flatnonzero(found)


def number(first: Ints, pairs: Ints) -> tuple[Ints, int]:
    """Give canonical ids.

    Parameters
    ----------
    first : (n,) int64 array
        Per node the raster index, in the whole image, of its first core voxel.
    pairs : (m, 2) int64 array
        Nodes that are one object.

    Returns
    -------
    ids : (n,) int64 array
        Canonical id of each node, 1…n_objects.
    n_objects : int

    Raises
    ------
    BadInput
        There are more objects than int32 labels can tell apart.
    """
    n = first.size
    if not n:
        return np.zeros(0, np.int64), 0
    count, group = groups(pairs, n)
    if count > MAX_OBJECTS:
        raise BadInput(f"{count} objects in one image; allowed: {MAX_OBJECTS} (int32 labels)")
    earliest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(earliest, group, first)
    rank = np.empty(count, np.int64)
    rank[np.argsort(earliest, kind="stable")] = np.arange(1, count + 1)
    return rank[group], count


def groups(pairs: Ints, n: int) -> tuple[int, Ints]:
    """Count the groups that `pairs` (m, 2) make of `n` nodes; also give the group of each node."""
    if not len(pairs):
        return n, np.arange(n)
    from scipy.sparse import coo_array  # images of one block do without
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (n, n))
    count, group = connected_components(graph, directed=False)
    return int(count), np.asarray(group)


def offsets(counts: Sequence[int]) -> Ints:
    """First node of each block, given how many labels each has; last the number of nodes."""
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)


def in_order(parts: Iterable[tuple[Ints, Array]], floors: Sequence[int]) -> Iterator[Array]:
    """Sort rows by id, holding only those whose place is not certain yet.

    Parameters
    ----------
    parts : iterable of ((n,) int64 ids, (n, k) rows)
        In any order within a part; an id may recur, in any part.
    floors : sequence of int
        For each part a number that no id of any later part is below.

    Yields
    ------
    (m, 1 + k) arrays of the rows' dtype
        Id and row in ascending order of ids, complete: an id never recurs in a later one.
    """
    waiting: Array | None = None
    for (ids, rows), floor in zip(parts, floors, strict=True):
        part = np.column_stack([ids.astype(rows.dtype), rows])
        waiting = part if waiting is None else np.concatenate([waiting, part])
        waiting = waiting[np.argsort(waiting[:, 0], kind="stable")]
        ready = int(np.searchsorted(waiting[:, 0], floor))
        if ready:
            yield waiting[:ready]
            waiting = waiting[ready:].copy()
    if waiting is not None and len(waiting):
        yield waiting


def floors(parts: Iterable[Ints]) -> list[int]:
    """Smallest id of all later parts, for each part: what `in_order` needs."""
    least = [int(ids.min(initial=MAX_OBJECTS + 1)) for ids in parts]
    after = np.minimum.accumulate([MAX_OBJECTS + 1, *reversed(least[1:])])
    return [int(v) for v in after[::-1]][: len(least)]
