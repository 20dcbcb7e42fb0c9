"""Size outliers: debris and clumps, by how far sizes lie from the plate's median.

In: area or volume of all objects of a set. Out: per image, the percent of objects that are more
than so many robust standard deviations of the logarithm away. Sizes of nuclei are close to
log-normal; a hundredth and a hundredfold are then equally far.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import above, percent, size, sizes
from voxelmill.qc._plate import Bools, Floats, Ints
from voxelmill.qc._robust import median, ratio_limit, ratios

COLUMN = "ObjectQuality_PercentSizeOutliers"


class SizeOutliers(ObjectMetric):
    """Percent of objects much smaller or larger than the plate's; flags images with many."""

    kind: Literal["size_outliers"] = "size_outliers"
    source: ClassVar[str] = (
        "Median absolute deviation as scale: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013"
    )
    needs: ClassVar[str] = "AreaShape_Area (AreaShape_Volume)"
    max_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations of the logarithm of size that an object may be away."""
    min_ratio: float = Field(default=2.0, ge=1)
    """An object less than so many times larger or smaller than the median is never an outlier."""
    max_percent: float = Field(default=25.0, ge=0, le=100)
    """Percent of an image's objects that may be outliers."""
    min_objects: int = Field(default=20, ge=1)
    """Images with fewer objects are not flagged."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {COLUMN: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """Area and volume."""
        return sizes(there)

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of outliers in each image; see the contract."""
        measured = size(objects)
        found = ratios(measured, median(measured))
        limit = max(ratio_limit(found, self.max_deviations), self.min_ratio)
        hit = np.asarray(found > limit)
        return {COLUMN: percent(hit, image, counts.size, np.isfinite(measured))}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`SizeOutliers`: more outliers than `max_percent`."""
        return {"SizeOutliers": above(values[COLUMN], counts, self.max_percent, self.min_objects)}
