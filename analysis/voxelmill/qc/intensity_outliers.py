"""Intensity outliers: objects much brighter or dimmer than the others of their own image.

In: mean intensities of all objects of a set, in the channels that it was found in. Out: per image,
the percent of objects that are far from the image's median in one of the channels. Against the
image's own median, so that what a treatment does to all cells of a well is no fault; the limit
comes from all images together.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import above, percent
from voxelmill.qc._plate import Bools, Floats, Ints
from voxelmill.qc._robust import median, ratio_limit, ratios

COLUMN = "ObjectQuality_PercentIntensityOutliers"
MEAN = "Intensity_MeanIntensity_"


class IntensityOutliers(ObjectMetric):
    """Percent of objects much brighter or dimmer than their image's; flags images with many."""

    kind: Literal["intensity_outliers"] = "intensity_outliers"
    source: ClassVar[str] = (
        "Median absolute deviation as scale: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013"
    )
    needs: ClassVar[str] = "Intensity_MeanIntensity of a channel"
    channels: tuple[str, ...] = Field(
        default=(), description="None named: those that the object set was found in."
    )
    max_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations of the logarithm of intensity that an object may be away."""
    min_ratio: float = Field(default=2.0, ge=1)
    """An object less than so many times brighter or dimmer than the median is no outlier."""
    max_percent: float = Field(default=25.0, ge=0, le=100)
    """Percent of an image's objects that may be outliers."""
    min_objects: int = Field(default=20, ge=1)
    """Images with fewer objects are not flagged."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {COLUMN: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """Mean intensities in the channels."""
        return tuple(c for c in (MEAN + n for n in self.channels or channels) if c in there)

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of outliers in each image; see the contract."""
        hit = np.zeros(image.size, np.bool_)
        known = np.zeros(image.size, np.bool_)
        order = np.argsort(image, kind="stable")
        starts = np.searchsorted(image[order], np.arange(counts.size + 1))
        for values in objects.values():
            middles = np.full(counts.size, np.nan)
            for i in np.flatnonzero(np.diff(starts)):
                middles[i] = median(values[order[starts[i] : starts[i + 1]]])
            found = ratios(np.asarray(values, np.float64), middles[image])
            limit = max(ratio_limit(found, self.max_deviations), self.min_ratio)
            hit |= found > limit
            known |= np.isfinite(values)
        return {COLUMN: percent(hit, image, counts.size, known)}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`IntensityOutliers`: more outliers than `max_percent`."""
        found = above(values[COLUMN], counts, self.max_percent, self.min_objects)
        return {"IntensityOutliers": found}
