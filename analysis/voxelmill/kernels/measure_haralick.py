"""Haralick's thirteen features from counted pairs of grey levels.

In: how often each unordered pair of levels occurs among the voxels a step apart. Out: the features
of the symmetric co-occurrence matrix, which holds every pair both ways. Only pairs that occur are
visited. Sums are integers and the logarithms are those of counts, from a table: next to nothing is
rounded, and one level has entropies of exactly 0. The formulas are those of mahotas 1.4, which
CellProfiler calls.

    pairs (a, b)      single   how often each level occurs, twice the number of pairs in all
      3 3   5 4  ─►   added    how often each a + b occurs
      4 5   5 5       apart    how often each |a - b| occurs
"""

import math
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats

Counts: TypeAlias = NDArray[np.int32]

LEVELS = 256
DISTINCT = LEVELS * (LEVELS + 1) // 2
"""Most unordered pairs of levels that can occur."""
TABLED = 4096
SINGLE, ADDED, APART = range(3)

FEATURES = 13


class Scratch(NamedTuple):
    """What one object after the other is counted in; `cells` and `bins` are zero in between."""

    cells: Counts
    """(LEVELS**2,) how often each pair occurs."""
    pairs: NDArray[np.uint16]
    """(DISTINCT + 1,) pairs that occur: 256 times the lower level + the higher one."""
    counts: Counts
    """(DISTINCT,) how often each of them occurs."""
    bins: Counts
    """(3, 2 LEVELS) marginal counts."""
    logs: Floats
    """(TABLED + 1,) c log2 c of the counts c below TABLED."""


def scratch() -> Scratch:
    """Empty counters for any object."""
    return Scratch(
        np.zeros(LEVELS * LEVELS, np.int32),
        np.empty(DISTINCT + 1, np.uint16),
        np.empty(DISTINCT, np.int32),
        np.zeros((3, 2 * LEVELS), np.int32),
        _logs(),
    )


@cache
def _logs() -> Floats:
    """Zero for zero, and zero at the end for what is not in the table."""
    return np.array([0.0, *(c * math.log2(c) for c in range(1, TABLED)), 0.0])


@kernel
def describe(used: int, lowest: int, span: int, work: Scratch, out: Floats) -> None:
    """Fill `out` with the features and empty the counters.

    Parameters
    ----------
    used : int
        Distinct pairs in ``work.pairs``. Their levels count from 1; ``work.cells`` has the pair
        (a, b) at ``a * (span + 1) + b``.
    lowest : int
        The object's lowest level: what 1 stands for.
    span : int
        Its highest level is ``lowest + span - 1``.
    work : Scratch
        The counted pairs.
    out : (FEATURES,) float64 array
        Angular second moment, contrast, correlation, variance, inverse difference moment, sum
        average, sum variance, sum entropy, entropy, difference variance, difference entropy and
        the two information measures of correlation.
    """
    squares = _fold(used, span, work)
    single = work.bins[SINGLE, 1 : span + 1]
    added = work.bins[ADDED, 2 : 2 * span + 1]
    apart = work.bins[APART, :span]
    first, second = _sums(added)
    contrast, alike, close = _differences(apart)
    count = single.sum() // 2
    n = float(count)
    spread = n * (second + contrast) - float(first) * first
    covariance = n * (second - contrast) - float(first) * first
    whole = _term(count, work.logs)
    one = (_term(2 * count, work.logs) - _terms(single, 2 * count, work.logs)) / (2 * n)
    both = 1 + (whole - _terms(work.counts[:used], count, work.logs) - apart[0]) / n
    bins = float(lowest + span)  # mahotas counts the differences from 0 to the highest level
    out[0] = squares / (2 * n * n)
    out[1] = contrast / n
    out[2] = covariance / spread if spread > 0 else 1.0
    out[3] = spread / (4 * n * n)
    out[4] = close / n
    out[5] = first / n + 2 * lowest
    out[6] = (n * second - float(first) * first) / (n * n)
    out[7] = (whole - _terms(added, count, work.logs)) / n
    out[8] = both
    out[9] = (bins * alike - n * n) / (bins * n) / (bins * n)
    out[10] = (whole - _terms(apart, count, work.logs)) / n
    out[11] = (both - 2 * one) / one if one > 0 else 0.0
    out[12] = math.sqrt(max(0.0, 1 - math.exp(-2 * (2 * one - both))))
    single[:] = 0
    added[:] = 0
    apart[:] = 0


@kernel
def _fold(used: int, span: int, work: Scratch) -> int:
    """Move the counts from the cells to the bins; return half the sum of the matrix' squares."""
    stride = np.uint64(span + 1)  # unsigned: a signed index is checked for its sign
    squares = 0
    for k in range(used):
        low = np.uint64(work.pairs[k] >> 8)
        high = np.uint64(work.pairs[k] & 255)
        cell = low * stride + high
        count = work.cells[cell]
        work.cells[cell] = 0
        work.counts[k] = count
        work.bins[SINGLE, low] += count
        work.bins[SINGLE, high] += count
        work.bins[ADDED, low + high] += count
        work.bins[APART, high - low] += count
        squares += count * count * (1 + int(low == high))
    return squares


@kernel
def _sums(added: Counts) -> tuple[int, int]:
    """Sum and sum of squares of what the two levels add up to, above the least possible."""
    first = 0
    second = 0
    for k in range(added.size):
        first += added[k] * k
        second += added[k] * k * k
    return first, second


@kernel
def _differences(apart: Counts) -> tuple[int, int, float]:
    """Sums of the squared difference d, of its squared counts, and of 1 / (1 + d^2)."""
    contrast = 0
    alike = 0
    close = 0.0
    for k in range(apart.size):
        contrast += apart[k] * k * k
        alike += apart[k] * apart[k]
        close += apart[k] / (1 + k * k)
    return contrast, alike, close


@kernel
def _term(count: int, logs: Floats) -> float:
    return logs[count] if count < TABLED else count * math.log2(count)


@kernel
def _terms(counts: Counts, total: int, logs: Floats) -> float:
    """Sum of c log2 c.

    Four sums side by side: each addition would otherwise wait for the one before. Large counts are
    rare and come last, because a call inside a loop slows all of it.
    """
    a = b = c = d = 0.0
    last = counts.size - counts.size % 4
    for k in range(0, last, 4):
        a += logs[min(counts[k], TABLED)]
        b += logs[min(counts[k + 1], TABLED)]
        c += logs[min(counts[k + 2], TABLED)]
        d += logs[min(counts[k + 3], TABLED)]
    for k in range(last, counts.size):
        a += logs[min(counts[k], TABLED)]
    if total >= TABLED:
        for k in range(counts.size):
            if counts[k] >= TABLED:
                a += _term(counts[k], logs)
    return a + b + c + d
