"""Count: images with far fewer or far more objects than their plate.

In: objects of each image. Out: by how many robust standard deviations the count of each differs
from the plate's median. The spread is at least that of counting (the median's root), so that a
plate of nearly equal counts does not flag its ordinary images.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._plate import Bools, Floats, Ints
from voxelmill.qc._robust import known, median, wide_spread

COLUMN = "ObjectQuality_CountDeviation"


class Count(ObjectMetric):
    """Deviation of the count from the plate's; flags images with far too few or too many."""

    kind: Literal["count"] = "count"
    source: ClassVar[str] = (
        "Median absolute deviation as scale: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013; "
        "cell count as a QC value: Bray et al. 2016, doi:10.1038/nprot.2016.105"
    )
    max_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations that a count may be away from the plate's median."""
    min_drop: float = Field(default=0.5, ge=0, le=1)
    """Share of the median that must be missing before it is a fault."""
    min_rise: float = Field(default=1.0, ge=0)
    """Share of the median that must come on top before it is a fault."""
    min_images: int = Field(default=8, ge=2)
    """Smallest number of images for a comparison with the plate."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit: robust standard deviations."""
        return {COLUMN: "1"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """Nothing but the counts."""
        return ()

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Deviation of each image; NaN where fewer than `min_images` have a count."""
        if known(counts).size < self.min_images:
            return {COLUMN: np.full(counts.size, np.nan)}
        middle = median(counts)
        scale = max(wide_spread(counts), math.sqrt(max(middle, 1.0)))
        return {COLUMN: (counts - middle) / scale}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`TooFewObjects`, `TooManyObjects`: beyond both limits."""
        away, middle = values[COLUMN], median(counts)
        few = (away < -self.max_deviations) & (counts < (1 - self.min_drop) * middle)
        many = (away > self.max_deviations) & (counts > (1 + self.min_rise) * middle)
        return {"TooFewObjects": few, "TooManyObjects": many}
