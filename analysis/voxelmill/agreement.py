"""How well two labellings of the same voxels agree: pure functions of arrays and small tables.

1. *overlap*: which labels share voxels in a box, and how many; background is a label too, so that
   the sizes of objects follow;
2. *Overlaps*: the sum over boxes, whatever the boxes;
3. *agreement*: one-to-one matches, splits and merges.

There is a row for two labels that meet, never for two that do not: memory depends on the number of
objects, not on its square.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array

Ints = NDArray[np.int64]

PERCENT = tuple(range(50, 100, 5))
"""Intersection over union from which objects match: 50, 55 … 95 %."""
SLIVER_PERCENT = 10
"""A part no larger than this of the other object makes no split or merge."""
FEW = 1 << 16
"""Rows that may wait: below it, summing after every box would take longer than it saves."""


@dataclass(frozen=True)
class Counts:
    """How the objects of one image, or of several, agree with the true ones."""

    truth: int
    found: int
    matched: tuple[int, ...]
    """One-to-one matches at each of `PERCENT`."""
    splits: int
    """True objects that hold the greater part of two or more found ones."""
    merges: int
    """Found objects that hold the greater part of two or more true ones."""

    def f1(self, at: int = 0) -> float:
        """F1 at the threshold of index `at`; 1 where there is nothing to find and nothing found."""
        total = self.truth + self.found
        return 2 * self.matched[at] / total if total else 1.0

    def average_precision(self) -> float:
        """Mean over the thresholds of TP / (TP + FP + FN); 1 where there are no objects at all."""
        total = self.truth + self.found
        shares = [m / (total - m) if total else 1.0 for m in self.matched]
        return float(np.mean(shares))

    def count_error(self) -> float:
        """Found over true objects, less one; 1 where objects are found and there are none."""
        return self.found / self.truth - 1 if self.truth else float(self.found > 0)


def pool(counts: Sequence[Counts]) -> Counts:
    """Sum over images, at least one."""
    return Counts(
        truth=sum(c.truth for c in counts),
        found=sum(c.found for c in counts),
        matched=tuple(sum(m) for m in zip(*(c.matched for c in counts), strict=True)),
        splits=sum(c.splits for c in counts),
        merges=sum(c.merges for c in counts),
    )


class Overlaps:
    """Voxels that labels share, summed over boxes in any order."""

    def __init__(self) -> None:
        self._sum = np.zeros((0, 3), np.int64)
        self._waiting: list[Ints] = []

    def add(self, truth: Array, found: Array) -> None:
        """Count the voxels of one box; see `overlap`."""
        self._waiting.append(overlap(truth, found))
        if sum(map(len, self._waiting)) > max(FEW, len(self._sum)):
            self.table()

    def table(self) -> Ints:
        """Give the rows of `overlap` of all boxes together."""
        self._sum = _summed(np.concatenate([self._sum, *self._waiting]))
        self._waiting = []
        return self._sum


def overlap(truth: Array, found: Array) -> Ints:
    """Count the voxels that labels share.

    Parameters
    ----------
    truth, found : integer arrays of one shape
        Labels of the same voxels: ids from 1 to 2**63 - 1, 0 = background.

    Returns
    -------
    (n, 3) int64 array
        Label of `truth`, label of `found`, and the voxels that have both. Ascending by labels; a
        pair stands there once, that of background and background does not.
    """
    a, b = truth.ravel(), found.ravel()
    changes = np.ones(a.size, bool)
    changes[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    first = np.flatnonzero(changes)
    length = np.diff(first, append=a.size)
    rows = np.column_stack([a[first].astype(np.int64), b[first].astype(np.int64), length])
    return _summed(rows[(rows[:, :2] > 0).any(axis=1)])


def agreement(table: Ints) -> Counts:
    """Match objects by what they share.

    Parameters
    ----------
    table : (n, 3) int64 array
        Rows of `overlap`, of the whole image.

    Returns
    -------
    Counts
        An object has one match at most; there are as many matches as can be.
    """
    n_truth, a, of_a = _objects(table[:, 0], table[:, 2])
    n_found, b, of_b = _objects(table[:, 1], table[:, 2])
    both = (table[:, :2] > 0).all(axis=1)
    a, b, of_a, of_b, shared = a[both], b[both], of_a[both], of_b[both], table[both, 2]
    union = of_a + of_b - shared
    good = [100 * shared >= percent * union for percent in PERCENT]
    inside = (2 * shared > of_b) & (100 * shared > SLIVER_PERCENT * of_a)
    around = (2 * shared > of_a) & (100 * shared > SLIVER_PERCENT * of_b)
    return Counts(
        truth=n_truth,
        found=n_found,
        matched=tuple(_matches(a[g], b[g]) for g in good),
        splits=_at_least(2, a[inside]),
        merges=_at_least(2, b[around]),
    )


def least_iou(table: Ints) -> float:
    """Smallest intersection over union of any object, on either side, with what it shares most.

    Parameters
    ----------
    table : (n, 3) int64 array
        Rows of `overlap`, of the whole image.

    Returns
    -------
    float
        0 where an object meets none; 1 where there are no objects. Above 0.5 each has one
        counterpart.
    """
    if not len(table):
        return 1.0
    _, a, of_a = _objects(table[:, 0], table[:, 2])
    _, b, of_b = _objects(table[:, 1], table[:, 2])
    both = (table[:, :2] > 0).all(axis=1)
    shares = np.where(both, table[:, 2] / (of_a + of_b - table[:, 2]), 0.0)
    found = 1.0
    for labels, at in ((table[:, 0], a), (table[:, 1], b)):
        most = np.zeros(int(at.max()) + 1)
        np.maximum.at(most, at, shares)
        found = min(found, most[at[labels > 0]].min(initial=1.0))
    return float(found)


def _summed(rows: Ints) -> Ints:
    """Sum the rows of each pair of labels; ascending by labels."""
    if not len(rows):
        return rows
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    new = np.flatnonzero((np.diff(rows[:, :2], axis=0, prepend=-1) != 0).any(axis=1))
    return np.column_stack([rows[new, :2], np.add.reduceat(rows[:, 2], new)])


def _objects(labels: Ints, voxels: Ints) -> tuple[int, Ints, Ints]:
    """Count the objects; also give for each row the number and the size of its object."""
    ids, at = np.unique(labels, return_inverse=True)
    sizes = np.bincount(at, voxels, ids.size).astype(np.int64)
    return int(np.count_nonzero(ids)), at, sizes[at]


def _matches(a: Ints, b: Ints) -> int:
    """Size of the largest one-to-one matching of the pairs (a[i], b[i]), which share half or more.

    An object has two such partners only if they are its exact halves, and then they have no other:
    pairs that compete are the edges of a star, of which one counts. Nodes less edges counts stars.
    """
    return _at_least(1, a) + _at_least(1, b) - a.size


def _at_least(times: int, numbers: Ints) -> int:
    """How many numbers occur so many times."""
    return int(np.count_nonzero(np.bincount(numbers) >= times))
