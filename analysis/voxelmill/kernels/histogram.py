"""How often each integer occurs: what thresholds and scales are computed from.

In: integers of an overview. Out: the values that occur and their counts, and quantiles of them,
the same as of the sorted values.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array

Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

LARGEST = 2**18
"""Values lie between ``-LARGEST`` and ``LARGEST``: see `quantise`, less a surface."""


class Histogram(NamedTuple):
    """Values that occur, and how often."""

    values: Int64
    """(n,): ascending."""
    counts: Int64
    """(n,): at least 1 each."""

    def at(self, rank: Int64) -> Int64:
        """The values of `rank` (0 = the smallest) among all, sorted."""
        return np.asarray(self.values[np.searchsorted(np.cumsum(self.counts), rank, "right")])


def histogram(values: Array, mask: Mask | None = None) -> Histogram:
    """Count `values` (integers, any shape), only those in `mask` if one is given."""
    flat = np.ascontiguousarray(values).ravel()
    inside = np.empty(0, np.bool_) if mask is None else np.ascontiguousarray(mask).ravel()
    low, high = (int(flat.min()), int(flat.max())) if flat.size else (0, 0)
    counts = _count(flat, inside, low, high - low + 1)
    seen = np.flatnonzero(counts)
    return Histogram(seen + low, counts[seen])


@kernel
def _count(values: Array, mask: Mask, low: int, span: int) -> Int64:
    counts = np.zeros(span, np.int64)
    if mask.size == 0:
        for i in range(values.size):
            counts[np.int64(values[i]) - low] += 1
        return counts
    for i in range(values.size):
        counts[np.int64(values[i]) - low] += mask[i]
    return counts


def quantile(seen: Histogram, share: float) -> float:
    """Value below which a `share` of all lies; linear between two ranks, as `numpy.quantile`."""
    place = share * (int(seen.counts.sum()) - 1)
    rank = int(place)
    low, high = (int(v) for v in seen.at(np.array([rank, int(np.ceil(place))])))
    return low + (high - low) * (place - rank)


def median(seen: Histogram, first: int, count: int) -> float:
    """Median of the `count` values from rank `first` on."""
    middle = np.array([first + (count - 1) // 2, first + count // 2])
    return float(seen.at(middle).mean())
