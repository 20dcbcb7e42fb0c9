"""Thresholds from the histogram of a whole image.

In: histogram of an overview's integers (see `quantise`). Out: one number; foreground is above it.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.histogram import Histogram, median, quantile

Float64: TypeAlias = NDArray[np.float64]

BINS = 256


def otsu(seen: Histogram) -> float:
    """Threshold of largest between-class variance over 256 bins (Otsu 1979)."""
    return _otsu(*_binned(seen.values.astype(np.float64), seen))


def log_otsu(seen: Histogram, base: float = 0.0) -> float:
    """Otsu on a logarithmic scale that starts at `base`: fit for dim beside bright objects.

    The scale's unit is 1/64 of the range from `base` to the 99.5th percentile, so the result does
    not depend on the camera's offset (if `base` follows it) or gain.
    """
    unit = max((quantile(seen, 0.995) - base) / 64, 1e-9)
    logs = np.log1p(np.maximum(seen.values.astype(np.float64) - base, 0.0) / unit)
    return float(np.expm1(_otsu(*_binned(logs, seen))) * unit + base)


def li(seen: Histogram) -> float:
    """Minimum cross-entropy threshold, by fixed-point iteration (Li and Tam 1998)."""
    counts, centres = _binned(seen.values.astype(np.float64), seen)
    shifted = centres - centres[0] + 1.0
    level = float((counts * shifted).sum() / counts.sum())
    for _ in range(100):
        above = shifted > level
        if not (counts[above].sum() and counts[~above].sum()):
            break
        fore = (counts * shifted)[above].sum() / counts[above].sum()
        back = (counts * shifted)[~above].sum() / counts[~above].sum()
        new = float((fore - back) / (np.log(fore) - np.log(back)))
        if abs(new - level) < 1e-6:
            break
        level = new
    return level + float(centres[0]) - 1.0


def background(seen: Histogram) -> tuple[float, float]:
    """Centre and standard deviation of the background.

    The background is what varies least: the centre lies in the shortest interval that holds a tenth
    of all values (a half-sample mode: Robertson and Cryer 1974), the noise is the spread of the
    values below it, so objects above do not count.
    """
    total = int(seen.counts.sum())
    size = max(1, total // 10)
    ranks = np.cumsum(seen.counts) - seen.counts
    ranks = ranks[ranks <= total - size]
    width = seen.at(ranks + size - 1) - seen.values[: ranks.size]
    centre = median(seen, int(ranks[int(np.argmin(width))]), size)
    below = int(seen.counts[seen.values <= centre].sum())
    return centre, 1.4826 * (centre - median(seen, 0, below))


def _binned(places: Float64, seen: Histogram) -> tuple[Float64, Float64]:
    """Counts in 256 bins over the range of `places` (one for each value), and their centres."""
    counts, edges = np.histogram(places, BINS, weights=seen.counts.astype(np.float64))
    return counts.astype(np.float64), (edges[1:] + edges[:-1]) / 2


def _otsu(counts: Float64, centres: Float64) -> float:
    below = np.cumsum(counts)
    above = below[-1] - below
    mass = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = mass / below - (mass[-1] - mass) / above
        between = below * above * gap**2
    between[~np.isfinite(between)] = 0.0
    return float(centres[int(np.argmax(between))])
