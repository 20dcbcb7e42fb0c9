"""Dense ranks of an object's values: equal values share a rank, and no rank is left out.

In: the values of one object. Out: a rank for each. Values that are cheap to count are looked up in
the counts; others are sorted together with their places. The sort moves words of 64 bits, so it
sorts twice by half a key (lower half first), each beside the place that it came from.

    key  31 … 0 | place   ─sort─►   key  63 … 32 | place   ─sort─►   places in the order of the keys
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_sort import (
    Counts,
    Keys,
    count,
    countable,
    longest,
    radix_sort,
    sort_keys,
)
from voxelmill.kernels.measure_values import MAX, MIN

Ranks: TypeAlias = NDArray[np.int32]
RankScratch: TypeAlias = tuple[Counts, Keys, Keys, Keys]

HALF = np.uint64(32)
LOWER = np.uint64(0xFFFFFFFF)


@kernel
def rank_scratch(starts: Ints) -> RankScratch:
    """Memory for ``rank`` of any of the objects with these offsets."""
    size = longest(starts)
    counts = np.zeros(countable(size), np.int32)
    return counts, np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)


@kernel
def rank(mine: Floats, known: Floats, whole: bool, room: RankScratch, out: Ranks) -> int:
    """Rank the values of one object from 0 on.

    Parameters
    ----------
    mine : (n,) float64 array
        Values, none of them NaN.
    known : (5,) float64 array
        What ``read`` made of them.
    whole : bool
        Whether they are known to be whole numbers.
    room : RankScratch
        What ``rank_scratch`` made.
    out : (n,) int32 array
        Takes the ranks.

    Returns
    -------
    int
        How many ranks there are.
    """
    counts, keys, words, spare = room
    size = mine.size
    least = known[MIN]
    if not count(mine, least, known[MAX], whole, counts):
        _, used = sort_keys(mine, least, known[MAX], keys[:size])
        return _number(mine, _order(keys[:size], words[:size], spare[:size], used), out)
    used_counts = counts[: np.int64(known[MAX] - least) + 1]
    ranks = 0
    for key in range(used_counts.size):
        present = used_counts[key] > 0
        used_counts[key] = ranks
        ranks += present
    for i in range(size):
        out[i] = counts[np.uint64(np.int64(mine[i] - least))]
    used_counts[:] = 0
    return ranks


@kernel
def _order(keys: Keys, words: Keys, spare: Keys, used: np.uint64) -> Keys:
    """Places of the keys in ascending order, in the lower halves of the words."""
    for i in range(keys.size):
        words[i] = keys[i] << HALF | np.uint64(i)
    words, spare = radix_sort(words, spare, used << HALF)
    for i in range(keys.size):
        place = words[i] & LOWER
        words[i] = keys[place] & ~LOWER | place
    return radix_sort(words, spare, used & ~LOWER)[0]


@kernel
def _number(mine: Floats, order: Keys, out: Ranks) -> int:
    """Count up along the order wherever the value changes."""
    ranks = 0
    before = np.nan
    for word in order:
        place = word & LOWER
        ranks += mine[place] != before
        before = mine[place]
        out[place] = ranks - 1
    return ranks
