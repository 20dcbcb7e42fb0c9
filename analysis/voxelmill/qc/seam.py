"""Seam: how many objects a seam between blocks may have cut.

In: the flag `Metadata_Seam` of all objects of a set. Out: per image, the percent that have it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import percent_flagged
from voxelmill.qc._plate import Bools, Floats, Ints

COLUMN = "ObjectQuality_PercentSeam"
SEAM = "Metadata_Seam"


class Seam(ObjectMetric):
    """Percent of objects that a seam may have cut; flags images with more than a few."""

    kind: Literal["seam"] = "seam"
    source: ClassVar[str] = "voxelmill: objects that reach beyond the halo of their block"
    needs: ClassVar[str] = "Metadata_Seam"
    max_percent: float = Field(default=1.0, ge=0, le=100)
    """Percent of an image's objects that may be cut."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {COLUMN: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """The flag of the table."""
        return (SEAM,) if SEAM in there else ()

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of objects with the flag in each image; see the contract."""
        return {COLUMN: percent_flagged(objects[SEAM], image, counts.size)}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`CutObjects`: more of them than `max_percent`."""
        return {"CutObjects": np.asarray(values[COLUMN] > self.max_percent)}
