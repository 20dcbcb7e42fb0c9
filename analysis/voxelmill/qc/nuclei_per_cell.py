"""Nuclei per cell: cells without a nucleus, with one, with several.

In: how many nuclei each cell holds (`relations: [{parent: cells, child: nuclei}]`). Out: per image,
the percent of cells of each kind. Cells grown from nuclei have one each, by construction.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.plugin import Array
from voxelmill.qc import ObjectMetric
from voxelmill.qc._objects import above, percent
from voxelmill.qc._plate import Bools, Floats, Ints

NONE = "ObjectQuality_PercentNoNucleus"
ONE = "ObjectQuality_PercentOneNucleus"
SEVERAL = "ObjectQuality_PercentSeveralNuclei"
NUMBER = "Metadata_ObjectNumber"


class NucleiPerCell(ObjectMetric):
    """Percent of cells with no, one and several nuclei; flags images with many odd cells."""

    kind: Literal["nuclei_per_cell"] = "nuclei_per_cell"
    source: ClassVar[str] = (
        "CellProfiler 4 RelateObjects, Children_Count (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9)"
    )
    everywhere: ClassVar[bool] = True
    needs: ClassVar[str] = "a relation whose child is the nuclei, or cells grown from them"
    nuclei: str = Field(default="nuclei", description="Object set of the nuclei.")
    max_percent_without: float = Field(default=33.0, ge=0, le=100)
    """Percent of an image's cells that may have no nucleus."""
    max_percent_several: float = Field(default=33.0, ge=0, le=100)
    """Percent of an image's cells that may have two or more."""
    min_objects: int = Field(default=20, ge=1)
    """Images with fewer cells are not flagged."""

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {NONE: "%", ONE: "%", SEVERAL: "%"}

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """The count of children; without it, the parent and the object's own number."""
        if self._count in there:
            return (self._count,)
        return (self._parent, NUMBER) if self._parent in there and channels else ()

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Percent of cells of each kind in each image; see the contract."""
        if self._count in objects:
            held = np.asarray(objects[self._count], np.float64)
        else:
            # Grown from a nucleus, a cell has its number; else its parent says nothing of it.
            grown = np.array_equal(objects[self._parent], objects[NUMBER])
            held = np.full(image.size, 1.0 if grown else np.nan)
        known = np.isfinite(held)
        kinds = {NONE: held == 0, ONE: held == 1, SEVERAL: held > 1}
        return {c: percent(hit, image, counts.size, known) for c, hit in kinds.items()}

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """`CellsWithoutNucleus`, `SeveralNuclei`: more of them than their limits."""
        least = self.min_objects
        return {
            "CellsWithoutNucleus": above(values[NONE], counts, self.max_percent_without, least),
            "SeveralNuclei": above(values[SEVERAL], counts, self.max_percent_several, least),
        }

    @property
    def _count(self) -> str:
        return f"Children_{self._name}_Count"

    @property
    def _parent(self) -> str:
        return f"Metadata_Parent_{self._name}"

    @property
    def _name(self) -> str:
        return "".join(part.capitalize() for part in self.nuclei.split("_"))
