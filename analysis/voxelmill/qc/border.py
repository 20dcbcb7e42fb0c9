"""Border: how many objects the end of the image cuts.

In: a flag of all objects of a set. Out: per image, the percent that touch the border. How many are
usual follows from the size of objects and fields, so an image is held against its plate: far more
than elsewhere means that cells lie in a clump at the edge, or that the stage missed the well.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import above, far_above, percent_flagged
from voxelmill.qc._plate import Bools, Floats, Ints

COLUMN = "ObjectQuality_PercentBorder"
BORDER = "Metadata_Border"


class Border(ObjectMetric):
    """Percent of objects that touch the border; flags images with far more than their plate."""

    kind: Literal["border"] = "border"
    source: ClassVar[str] = (
        "CellProfiler 4 FilterObjects, objects touching the border (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9)"
    )
    needs: ClassVar[str] = "Metadata_Border: measure again"
    max_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations that an image may have more than its plate's median."""
    min_points: float = Field(default=20.0, ge=0)
    """Percentage points above the plate's median below which it is never a fault."""
    min_objects: int = Field(default=20, ge=1)
    """Images with fewer objects are not flagged."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {COLUMN: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """The flag of the table."""
        return (BORDER,) if BORDER in there else ()

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of objects at the border in each image; see the contract."""
        return {COLUMN: percent_flagged(objects[BORDER], image, counts.size)}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`BorderObjects`: far more objects at the border than in the plate's other images."""
        share = values[COLUMN]
        limit = far_above(share[counts >= self.min_objects], self.max_deviations, self.min_points)
        return {"BorderObjects": above(share, counts, limit, self.min_objects)}
