"""Focus: detail at the scale of single pixels against detail at the scale of objects.

In: one channel; volumes are judged on their middle plane. Out: two numbers that depend neither on
gain, offset and white noise nor on how many cells there are.

`ImageQuality_Sharpness` compares how fast pixels grow different over 1 → 2 and over 4 → 8 pixels.
Half the mean squared difference of pixels k apart (the variogram, which autofocus knows as
Vollath's F4 when two lags are subtracted) grows like k across sharp edges and like k² in a blurred
image; with its exponent a the sharpness is 2 - a: about 0.3 … 1 in focus, 0 blurred.

`ImageQuality_PowerLogLogSlope` is CellProfiler's: the slope of log power against log frequency.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure_quality import Plane, middle_plane, variogram
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

SLOPE = "ImageQuality_PowerLogLogSlope"
SHARPNESS = "ImageQuality_Sharpness"

DETECTABLE = 50
"""Standard errors by which structure must exceed noise: a blurred image's finest difference, 1/16
of the coarse one, is then still 3 standard errors above 0."""

STRIP = 64
"""Rows transformed at a time: their transform stays in the cache."""


class Focus(Metric):
    """Sharpness of one channel; flags images that are blurred outright or against their plate."""

    kind: Literal["focus"] = "focus"
    source: ClassVar[str] = (
        "Sharpness: autocorrelation differences of Vollath 1987 (J. Microsc. 147:279), taken at "
        "two scales. Slope: Bray et al. 2012, doi:10.1177/1087057111420292"
    )
    fails: ClassVar[frozenset[str]] = frozenset({"OutOfFocus"})
    faults: ClassVar[Mapping[str, str]] = {
        "OutOfFocus": "sharpness below `min_sharpness`; or, on a plate of `min_images` and more, "
        "below its median by more than `max_deviations` and `min_drop`"
    }
    min_sharpness: float = Field(
        0.1,
        ge=0,
        description="below it an image is out of focus whatever its plate looks like. Sharp edges "
        "have it under a Gaussian of 4 px, which hides what is smaller than 10 px",
    )
    max_deviations: float = Field(
        5.0,
        gt=0,
        description="robust standard deviations that an image may be less sharp than its plate's "
        "median: by chance one in 3 million is",
    )
    min_drop: float = Field(
        0.1,
        ge=0,
        description="differences from the median below it are never a fault: sound images of one "
        "plate differ by that with what is in them",
    )
    min_images: int = Field(
        8,
        ge=2,
        description="smallest number of measured images that are compared: of fewer, a median "
        "deviation says little",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {SHARPNESS: "1", SLOPE: "1"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            SHARPNESS: "2 less the exponent with which differences grow with distance; 0: blurred",
            SLOPE: "slope of log power over log frequency",
        }

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel; `spacing_um` is not used.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel; the middle plane counts.
        spacing_um : tuple of float
            Ignored.

        Returns
        -------
        dict of str to float
            Sharpness: NaN where noise hides all structure or the plane is 8 px or smaller.
            Slope: NaN for a constant plane or one below 32 px, else rounded to 6 decimals, since
            the last bits of a Fourier transform differ between processors.
        """
        plane = middle_plane(image)
        return {SHARPNESS: _sharpness(plane), SLOPE: _power_slope(plane)}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`OutOfFocus`: sharpness below the fixed limit, or far below the plate's median."""
        sharpness = np.asarray(values[SHARPNESS], dtype=np.float64)
        known = sharpness[np.isfinite(sharpness)]
        limit = self.min_sharpness
        if known.size >= self.min_images:
            median = float(np.median(known))
            deviation = 1.4826 * float(np.median(np.abs(known - median)))
            limit = max(limit, median - max(self.max_deviations * deviation, self.min_drop))
        return {"OutOfFocus": sharpness < limit}


def _sharpness(plane: Plane) -> float:
    at = {lag: variogram(plane, lag) for lag in (1, 2, 4, 8)}
    fine, coarse = at[2] - at[1], at[8] - at[4]
    error = at[1] * math.sqrt(4 / plane.size)
    if not (coarse > 0 and coarse >= DETECTABLE * error):
        return math.nan
    return 2 - math.log2(coarse / max(fine, error, coarse * 2**-6)) / 2


def _power_slope(plane: Plane) -> float:
    """Slope of log power over log radius, frequencies grouped as CellProfiler does.

    Its radii count from the nearest corner of the unshifted spectrum, which puts negative
    frequencies one ring too low; kept, so that values compare.
    """
    height, width = plane.shape
    limit = min(height, width) // 8
    if limit < 4 or not np.isfinite(plane).all() or plane.min() == plane.max():
        return math.nan
    spectrum = _spectrum(plane, limit + 1)
    power = spectrum.real**2 + spectrum.imag**2
    rows = np.arange(limit)
    quadrants = power[rows, :limit] + power[height - 1 - rows, :limit]
    quadrants += power[-rows, 1 : limit + 1] + power[rows + 1, 1 : limit + 1]
    radius = np.sqrt(rows[:, None] ** 2 + rows**2).astype(np.int64) + 1
    rings = np.arange(2, limit)
    total = np.bincount(radius.reshape(-1), weights=quadrants.reshape(-1))[rings]
    x, y = np.log(rings[total > 0]), np.log(total[total > 0])
    x -= x.mean()
    return round(float((x * y).sum() / (x * x).sum()), 6)


def _spectrum(plane: Plane, kept: int) -> NDArray[np.complex128]:
    """First `kept` columns of the Fourier transform, less the mean; a few rows at a time."""
    from scipy import fft  # most steps start without it

    half = np.empty((len(plane), kept), np.complex128)
    mean = plane.mean()
    for top in range(0, len(plane), STRIP):
        strip = slice(top, top + STRIP)
        half[strip] = fft.rfft(plane[strip] - mean, axis=1)[:, :kept]
    return np.asarray(fft.fft(half, axis=0))
