"""Signal: the threshold between foreground and background, and how far they lie apart in noise.

In: one channel; volumes are judged on their middle plane. Out: Otsu's threshold, as CellProfiler
takes it, and the distance of the two classes' means in standard deviations of the pixel noise.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_quality import (
    ROUNDING,
    Plane,
    grey_levels,
    middle_plane,
    noise_means,
)
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

THRESHOLD = "ImageQuality_ThresholdOtsu"
SNR = "ImageQuality_SignalToNoise"
BLOCK = 8
DEPTH = 256
"""The dimmest 1/256 of the range counts as one grey level, so that a logarithm has a bottom."""


class Signal(Metric):
    """Threshold and signal-to-noise ratio of one channel; flags images that are all noise."""

    kind: Literal["signal"] = "signal"
    source: ClassVar[str] = (
        "Threshold: CellProfiler 4 MeasureImageQuality (Otsu, two classes, of log intensity); Otsu "
        "1979, doi:10.1109/TSMC.1979.4310076. Ratio: Cheezum et al. 2001, "
        "doi:10.1016/S0006-3495(01)75884-5, with the noise of Immerkær 1996, "
        "doi:10.1006/cviu.1996.0060"
    )
    faults: ClassVar[Mapping[str, str]] = {"LowSignal": "signal-to-noise ratio below `min_ratio`"}
    min_ratio: float = Field(
        2.0,
        ge=0,
        description="least signal-to-noise ratio. Gaussian noise alone, cut in two by its own "
        "threshold, has 2 √(2/π) = 1.6",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {THRESHOLD: "intensity", SNR: "1"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            THRESHOLD: "grey value between foreground and background, by Otsu on a log scale",
            SNR: "mean above the threshold less the mean below, over the noise of a pixel",
        }

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel; `spacing_um` is not used.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel; the middle plane counts. NaN and infinities do not count for
            the threshold. Where values are below 0, the least counts as 0.
        spacing_um : tuple of float
            Ignored.

        Returns
        -------
        dict of str to float
            Threshold: NaN where no value counts; of a constant plane the value. Ratio: NaN for a
            constant plane, one with a NaN or an infinity or without noise, or below 3 px a side.
        """
        levels, counts = grey_levels(image[image.shape[0] // 2])
        values = levels.astype(np.float64)
        if values.size < 2:
            return {THRESHOLD: float(values[0]) if values.size else math.nan, SNR: math.nan}
        # Logarithms need values from 0 on; those of an image without negative ones stay.
        base = min(float(values[0]), 0.0)
        values -= base
        last = _last_below(values, counts)
        threshold = math.sqrt(values[last] * values[last + 1]) + base
        least = ROUNDING if image.dtype.kind in "iu" else 0.0
        noise = max(_noise(middle_plane(image)), least)
        ratio = _gap(values, counts, last) / noise if 0 < noise < math.inf else math.nan
        return {THRESHOLD: threshold, SNR: ratio}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`LowSignal`: signal-to-noise ratio below `min_ratio`."""
        return {"LowSignal": np.asarray(values[SNR], dtype=np.float64) < self.min_ratio}


def _last_below(values: Floats, counts: Ints) -> int:
    """Place of the last grey level of the lower class."""
    floor = values[0] + (values[-1] - values[0]) / DEPTH
    logs = np.log(np.maximum(values, floor))
    below = np.cumsum(counts)[:-1].astype(np.float64)
    total = float(counts.sum())
    mass = np.cumsum(counts * logs)
    gap = mass[:-1] / below - (mass[-1] - mass[:-1]) / (total - below)
    return int(np.argmax(below * (total - below) * gap**2))


def _gap(values: Floats, counts: Ints, last: int) -> float:
    """Mean of the upper class less that of the lower."""
    number = np.cumsum(counts)
    mass = np.cumsum(counts * values)
    low = mass[last] / number[last]
    return float((mass[-1] - mass[last]) / (number[-1] - number[last]) - low)


def _noise(plane: Plane) -> float:
    return noise_means(plane, BLOCK)[0] if min(plane.shape) > 2 else math.nan
