"""Merged-looking objects: too large and not convex, as two nuclei that were not split.

In: solidity and size of all objects of a set. Out: per image, the percent of objects that are both
much larger than the plate's median and dented. Either alone is biology: a large round nucleus is
polyploid, a small dented one is lobed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import above, percent, size, sizes
from voxelmill.qc._plate import Bools, Floats, Ints
from voxelmill.qc._robust import median

COLUMN = "ObjectQuality_PercentMerged"
SOLIDITY = "AreaShape_Solidity"


class Merged(ObjectMetric):
    """Percent of large dented objects; flags images where segmentation has not split them."""

    kind: Literal["merged"] = "merged"
    source: ClassVar[str] = (
        "Solidity: CellProfiler 4 MeasureObjectSizeShape (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); limits: voxelmill, on BBBC039"
    )
    needs: ClassVar[str] = "AreaShape_Solidity, AreaShape_Area (AreaShape_Volume)"
    max_solidity: float = Field(default=0.9, gt=0, le=1)
    """Share of its convex hull that a merged object fills at most."""
    min_ratio: float = Field(default=1.5, ge=1)
    """A merged object has at least so many times the plate's median size."""
    max_percent: float = Field(default=10.0, ge=0, le=100)
    """Percent of an image's objects that may look merged."""
    min_objects: int = Field(default=20, ge=1)
    """Images with fewer objects are not flagged."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {COLUMN: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """Solidity and size, or nothing."""
        return (SOLIDITY, *sizes(there)) if SOLIDITY in there and sizes(there) else ()

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of merged-looking objects in each image; see the contract."""
        solidity, measured = np.asarray(objects[SOLIDITY], np.float64), size(objects)
        large = measured >= self.min_ratio * median(measured)
        hit = np.asarray(large & (solidity < self.max_solidity))
        known = np.isfinite(solidity) & np.isfinite(measured)
        return {COLUMN: percent(hit, image, counts.size, known)}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`Merged`: more merged-looking objects than `max_percent`."""
        return {"Merged": above(values[COLUMN], counts, self.max_percent, self.min_objects)}
