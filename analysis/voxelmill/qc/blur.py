"""Blur: the width of the edges, in pixels and in micrometres.

In: one channel; volumes are judged on their middle plane. Out: standard deviation of the Gaussian
that would blur ideal edges as much as those of the image are.

Between pixels k apart the variogram of a straight edge under a Gaussian of standard deviation s is
known (`_edge`), so the exponent with which it grows from lag to lag says s / k, whatever contrast,
length and number of the edges, offset, gain and white noise. The smallest lags of which that is
accurate are taken: larger ones see how large objects are. Out of focus, an edge's profile is no
Gaussian; the number is then the standard deviation of what spreads it, half the radius of a disc.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure import Floats
from voxelmill.kernels.measure_quality import Plane, middle_plane, variogram
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

BLUR = "ImageQuality_BlurSigma"
BLUR_UM = "ImageQuality_BlurSigmaMicrometers"

LAGS = (1, 2, 4, 8)
"""Smallest of three lags k, 2 k and 4 k between which the variogram's growth is compared."""
GROWTH = (1.3, 1.9)
"""Exponents that say the blur: from 0.8 to 2.6 lags. Below, it is too small for the lag; above, so
large that an error of 0.02 in the exponent is one of a fifth in the blur."""
DETECTABLE = 20
"""Standard errors by which the finest structure must exceed noise: the exponent's is then 0.07."""
SMALLEST, LARGEST = 0.5, 32.0
"""Pixels: a pixel's own width hides less, and beyond the exponent is 2 within its error."""
ANGLES = 8


class Blur(Metric):
    """Width of the edges of one channel; flags blurred images if a limit is given."""

    kind: Literal["blur"] = "blur"
    source: ClassVar[str] = (
        "Blur of step edges from how fast differences grow with scale: the ratio that Zhuo & Sim "
        "2011, doi:10.1016/j.patcog.2011.03.009, take of gradients, here of the variogram's lags"
    )
    faults: ClassVar[Mapping[str, str]] = {"Blurred": "blur above `max_px` or `max_um`"}
    max_px: float | None = Field(
        None, gt=0, description="most blur in pixels; default: any, since `OutOfFocus` judges focus"
    )
    max_um: float | None = Field(None, gt=0, description="the same in µm")
    steps_per_octave: int = Field(
        1,
        ge=1,
        le=100,
        description="steps from a blur to its double on the scale that values are rounded to; 1, "
        "since estimates of one blur differ by a factor of 1.2 to 1.6 with what is in the image",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {BLUR: "px", BLUR_UM: "µm"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        sigma = "standard deviation of the Gaussian that blurs the image's edges"
        return {BLUR: f"{sigma}, 0.5 to 32, to a power of 2", BLUR_UM: "the same"}

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel; the middle plane counts.
        spacing_um : tuple of float
            Voxel size along z, y, x in micrometres; of y and x the geometric mean counts.

        Returns
        -------
        dict of str to float
            NaN where noise hides all structure or the plane is 4 px or smaller.
        """
        sigma = self._rounded(_sigma(middle_plane(image)))
        return {BLUR: sigma, BLUR_UM: sigma * math.sqrt(spacing_um[1] * spacing_um[2])}

    def combine(self, tiles: Mapping[str, Array], voxels: Array) -> dict[str, float]:
        """Median of the tiles, thin remainders left out; of two the larger, on the scale."""
        full = voxels * 2 > voxels.max()
        kept = {column: values[full & ~np.isnan(values)] for column, values in tiles.items()}
        return {
            column: float(np.sort(values)[values.size // 2]) if values.size else math.nan
            for column, values in kept.items()
        }

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`Blurred`: blur above `max_px` or `max_um`, where one is set."""
        limits = {BLUR: self.max_px, BLUR_UM: self.max_um}
        over = [
            np.asarray(values[column], dtype=np.float64) > limit
            for column, limit in limits.items()
            if limit is not None
        ]
        return {"Blurred": np.any(over, axis=0)} if over else {}

    def _rounded(self, sigma: float) -> float:
        """Nearest step of the scale, to two decimals: the same on every processor."""
        if math.isnan(sigma):
            return math.nan
        limited = min(max(sigma, SMALLEST), LARGEST)
        step = round(self.steps_per_octave * math.log2(limited))
        return round(math.pow(2, step / self.steps_per_octave), 2)


def _sigma(plane: Plane) -> float:
    """Blur in pixels, from the smallest lags at which it shows."""
    at: dict[int, float] = {}
    found = math.nan
    for lag in LAGS:
        if 4 * lag >= min(plane.shape):
            break
        for needed in (lag, 2 * lag, 4 * lag):
            if needed not in at:
                at[needed] = variogram(plane, needed)
        fine, coarse = at[2 * lag] - at[lag], at[4 * lag] - at[2 * lag]
        error = at[1] * math.sqrt(4 / plane.size)
        if not (fine > 0 and coarse > 0 and fine >= DETECTABLE * error):
            continue
        exponent = math.log2(coarse / fine)
        # Noise hides smaller lags, where a small blur would show.
        if math.isnan(found) and lag > 1 and exponent < GROWTH[0]:
            break
        found = lag * _blur_of(exponent)
        if exponent <= GROWTH[1]:
            break
    return found


def _blur_of(exponent: float) -> float:
    """Blur over lag of edges whose variogram grows with this exponent."""
    blurs, exponents = _model()
    return float(np.interp(exponent, exponents, blurs))


@cache
def _model() -> tuple[Floats, Floats]:
    """Blurs over lag, ascending, and the exponents that edges of all directions then show."""
    blurs = np.geomspace(0.1, LARGEST, 256)
    angles = (np.arange(ANGLES) + 0.5) * (math.pi / 2 / ANGLES)
    steps = [
        [sum(_edge(lag * math.cos(angle) / blur) for angle in angles) for lag in (1, 2, 4)]
        for blur in blurs
    ]
    found = np.array([math.log2((far - mid) / (mid - near)) for near, mid, far in steps])
    return blurs, found


def _edge(lag: float) -> float:
    """Mean squared difference across a unit edge of blur 1, of points `lag` apart, integrated."""
    lost = 2 / math.sqrt(math.pi) * math.expm1(-lag * lag / 4)
    return lag * math.erf(lag / 2) + lost
