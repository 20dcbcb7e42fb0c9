"""How the values of two channels go together within each object: correlation, overlap, ranks.

In: `Objects`, channels and the pairs of them that are asked for. Out: nine numbers an object and
pair. Sums run in raster order within an object, so nothing depends on where it lies; what belongs
to one channel (mean, spread, threshold, ranks) is computed once for all its pairs.
"""

import math
from collections.abc import Sequence

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Flags, Floats, Ints, Objects
from voxelmill.kernels.measure_ranks import Ranks, rank, rank_scratch
from voxelmill.kernels.measure_sort import longest
from voxelmill.kernels.measure_values import (
    MAX,
    MEAN,
    MIN,
    SUM,
    batch_voxels,
    batches,
    flattened,
    read,
)
from voxelmill.plugin import Pixels

CORRELATION, SLOPE, OVERLAP, K, MANDERS, RWC, COLUMNS = 0, 1, 2, 3, 5, 7, 9
"""Columns; from K on two each, for the first and for the second channel of the pair."""
CENTRE, SQUARES, LIMIT, ABOVE, LEVELS = range(5)
"""What is kept of a channel: mean, sum of squares about it, threshold, sum from it on, ranks."""


def colocalization(
    objects: Objects, images: Sequence[Pixels], pairs: Ints, wanted: Flags, threshold: float
) -> Floats:
    """Measure pairs of channels in all objects.

    Parameters
    ----------
    objects : Objects
        The objects.
    images : sequence of (z, y, x) arrays
        Channels, of any real type.
    pairs : (n_pairs, 2) int64 array
        Channels of each pair.
    wanted : (n_pairs, 9) bool array
        Columns that are asked for: what none of them needs is not computed.
    threshold : float
        Share of a channel's largest value in the object from which on a voxel is bright.

    Returns
    -------
    (n, n_pairs, 9) float64 array
        Pearson's correlation, slope, overlap, K (2), Manders (2), RWC (2); NaN throughout where an
        object has a NaN in one of the two channels, and where nothing was asked for.
    """
    out = np.full((objects.ids.size, len(pairs), COLUMNS), np.nan)
    flats = [flattened(image) for image in images]
    whole = np.array([flat.dtype.kind in "iu" for flat in flats], np.bool_)
    ranked = np.zeros(len(flats), np.bool_)
    ranked[pairs[wanted[:, RWC:].any(axis=1)]] = True
    passes = np.column_stack([wanted[:, :OVERLAP].any(axis=1), wanted[:, OVERLAP:].any(axis=1)])
    values = np.empty((len(flats), batch_voxels(objects)))
    for rows, starts in batches(objects):
        known = [read(flat, objects, rows, row)[1] for flat, row in zip(flats, values, strict=True)]
        _measure(
            values, starts, np.array(known), (whole, ranked), pairs, passes, threshold, out[rows]
        )
    return out


@kernel
def _measure(
    values: Floats,
    starts: Ints,
    known: Floats,
    channels: tuple[Flags, Flags],
    pairs: Ints,
    passes: Flags,
    threshold: float,
    out: Floats,
) -> None:
    whole, ranked = channels
    room = rank_scratch(starts)
    ranks = np.empty((values.shape[0], longest(starts)), np.int32)
    lit = np.empty((2, longest(starts)))
    kept = np.full((values.shape[0], 5), np.nan)
    for i in range(starts.size - 1):
        begin = starts[i]
        end = starts[i + 1]
        for c in range(values.shape[0]):
            mine = values[c][begin:end]
            if np.isnan(known[c, i, SUM]):
                continue
            _spread(mine, known[c, i], threshold, kept[c])
            if ranked[c]:
                kept[c, LEVELS] = rank(mine, known[c, i], whole[c], room, ranks[c])
        for p in range(pairs.shape[0]):
            a, b = pairs[p]
            if np.isnan(known[a, i, SUM]) or np.isnan(known[b, i, SUM]):
                continue
            of_a = values[a][begin:end]
            of_b = values[b][begin:end]
            if passes[p, 0]:
                _correlate(of_a, of_b, kept[a], kept[b], out[i, p])
            if passes[p, 1]:
                lit_a = lit[0][: of_a.size]
                lit_b = lit[1][: of_a.size]
                if _dim(of_a, of_b, kept[a, LIMIT], kept[b, LIMIT], lit_a, lit_b):
                    _overlap(lit_a, lit_b, kept[a], kept[b], ranks[a], ranks[b], out[i, p])
                else:
                    out[i, p, OVERLAP:] = 0.0


@kernel
def _spread(mine: Floats, known: Floats, threshold: float, kept: Floats) -> None:
    """Fill in what all pairs of a channel need."""
    # The mean of equal numbers may be off in its last bit; their spread must be 0.
    centre = known[MEAN] if known[MIN] < known[MAX] else known[MIN]
    limit = threshold * known[MAX]
    squares = 0.0
    above = 0.0
    for v in mine:
        squares += (v - centre) * (v - centre)
        above += v if v >= limit else 0.0
    kept[CENTRE] = centre
    kept[SQUARES] = squares
    kept[LIMIT] = limit
    kept[ABOVE] = above


@kernel
def _correlate(a: Floats, b: Floats, of_a: Floats, of_b: Floats, out: Floats) -> None:
    centre_a = of_a[CENTRE]
    centre_b = of_b[CENTRE]
    products = 0.0
    for i in range(a.size):
        products += (a[i] - centre_a) * (b[i] - centre_b)
    spread = math.sqrt(of_a[SQUARES]) * math.sqrt(of_b[SQUARES])
    out[CORRELATION] = min(max(_ratio(products, spread), -1.0), 1.0)
    out[SLOPE] = _ratio(products, of_a[SQUARES])


@kernel
def _dim(a: Floats, b: Floats, limit_a: float, limit_b: float, lit_a: Floats, lit_b: Floats) -> int:
    """Copy the values of both channels, 0 where one is not bright; count where both are.

    In a loop of its own, which has no branch and becomes wide instructions: which voxels are bright
    is not to be foreseen.
    """
    bright = 0
    for i in range(a.size):
        both = (a[i] >= limit_a) & (b[i] >= limit_b)
        lit_a[i] = a[i] if both else 0.0
        lit_b[i] = b[i] if both else 0.0
        bright += both
    return bright


@kernel
def _overlap(
    lit_a: Floats,
    lit_b: Floats,
    of_a: Floats,
    of_b: Floats,
    rank_a: Ranks,
    rank_b: Ranks,
    out: Floats,
) -> None:
    levels = max(of_a[LEVELS], of_b[LEVELS])
    sum_a = sum_b = square_a = square_b = products = weighted_a = weighted_b = 0.0
    for i in range(lit_a.size):
        a = lit_a[i]
        b = lit_b[i]
        weight = levels - abs(rank_a[i] - rank_b[i])
        sum_a += a
        sum_b += b
        square_a += a * a
        square_b += b * b
        products += a * b
        weighted_a += a * weight
        weighted_b += b * weight
    out[OVERLAP] = _ratio(products, math.sqrt(square_a) * math.sqrt(square_b))
    out[K] = _ratio(products, square_a)
    out[K + 1] = _ratio(products, square_b)
    out[MANDERS] = _ratio(sum_a, of_a[ABOVE])
    out[MANDERS + 1] = _ratio(sum_b, of_b[ABOVE])
    out[RWC] = _ratio(weighted_a, levels * of_a[ABOVE])
    out[RWC + 1] = _ratio(weighted_b, levels * of_b[ABOVE])


@kernel
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole != 0 else np.nan
