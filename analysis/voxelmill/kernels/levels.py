"""Thresholds from the histogram of a whole image.

In: values of an overview, int32 (see `quantise`). Out: one integer; foreground is above it.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int32: TypeAlias = NDArray[np.int32]
Float64: TypeAlias = NDArray[np.float64]

BINS = 256


def otsu(values: Int32) -> float:
    """Threshold of largest between-class variance over 256 bins (Otsu 1979)."""
    counts, centres = _histogram(values.astype(np.float64))
    return _otsu(counts, centres)


def log_otsu(values: Int32, base: float = 0.0) -> float:
    """Otsu on a logarithmic scale that starts at `base`: fit for dim beside bright objects.

    The scale's unit is 1/64 of the range from `base` to the 99.5th percentile, so the result does
    not depend on the camera's offset (if `base` follows it) or gain.
    """
    unit = max((float(np.percentile(values, 99.5)) - base) / 64, 1e-9)
    logs = np.log1p(np.maximum(values.astype(np.float64) - base, 0.0) / unit)
    counts, centres = _histogram(logs)
    return float(np.expm1(_otsu(counts, centres)) * unit + base)


def li(values: Int32) -> float:
    """Minimum cross-entropy threshold, by fixed-point iteration (Li and Tam 1998)."""
    counts, centres = _histogram(values.astype(np.float64))
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


def background(values: Int32) -> tuple[float, float]:
    """Centre and standard deviation of the background.

    The background is what varies least: the centre lies in the shortest interval that holds a tenth
    of all values (a half-sample mode: Robertson and Cryer 1974), the noise is the spread of the
    values below it, so objects above do not count.
    """
    ranked = np.sort(values.ravel()[:: max(1, values.size // 2**20)])
    size = max(1, ranked.size // 10)
    start = int(np.argmin(ranked[size - 1 :] - ranked[: ranked.size - size + 1]))
    centre = float(np.median(ranked[start : start + size]))
    below = centre - ranked[ranked <= centre]
    return centre, 1.4826 * float(np.median(below))


def _histogram(values: Float64) -> tuple[Float64, Float64]:
    counts, edges = np.histogram(values, BINS)
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
