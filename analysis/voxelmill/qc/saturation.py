"""Saturation: how many voxels sit at the ends of the grey scale.

In: one channel, all planes. Out: the extremes and the share of voxels at them. A camera's full
scale is often less than the file's: an image clipped at 4095 in 16 bits is saturated too, so
`ImageQuality_PercentSaturated` counts the largest value where it is a full scale of some bit depth.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure_quality import grey_levels
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

COLUMNS = {
    "ImageQuality_MinIntensity": "intensity",
    "ImageQuality_MaxIntensity": "intensity",
    "ImageQuality_PercentMinimal": "%",
    "ImageQuality_PercentMaximal": "%",
    "ImageQuality_PercentSaturated": "%",
}
DEPTHS = (8, 10, 12, 14, 15, 16, 31, 32, 63, 64)
"""Bits of cameras and integer types; 15, 31 and 63 are the signed types."""


class Saturation(Metric):
    """Share of voxels at the smallest, largest and full-scale value; flags clipped images."""

    kind: Literal["saturation"] = "saturation"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureImageQuality (PercentMaximal, PercentMinimal); "
        "Bray et al. 2012, doi:10.1177/1087057111420292"
    )
    faults: ClassVar[Mapping[str, str]] = {
        "Saturated": "more voxels at full scale than `max_percent`"
    }
    max_percent: float = Field(
        0.3,
        ge=0,
        le=100,
        description="percent of voxels that may be saturated: three nuclei of 22 px in a field of "
        "520 x 696, which dust and single dying cells may be; 0.1 finds single fibres",
    )
    full_scale: float | None = Field(
        None,
        description="grey value at which the camera clips; default: the largest that occurs, if "
        "it is that of 8, 10, 12, 14, 15 or 16 bits",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return dict(COLUMNS)

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            "ImageQuality_MinIntensity": "smallest value",
            "ImageQuality_MaxIntensity": "largest value",
            "ImageQuality_PercentMinimal": "share of voxels at the smallest value",
            "ImageQuality_PercentMaximal": "share of voxels at the largest value",
            "ImageQuality_PercentSaturated": "share of voxels where the camera clips",
        }

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel; `spacing_um` is not used.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel; all planes count, NaN does not.
        spacing_um : tuple of float
            Ignored.

        Returns
        -------
        dict of str to float
            NaN where there is no finite voxel. PercentSaturated is 0 where the largest value is
            no full scale; for floating-point images without `full_scale` it is PercentMaximal,
            and 0 for a constant image.
        """
        values, counts = grey_levels(image)
        if values.size == 0:
            return dict.fromkeys(COLUMNS, math.nan)
        share = 100 * counts / counts.sum()
        clipped = self._clipped(values)
        found = (values[0], values[-1], share[0], share[-1], share[clipped].sum())
        return dict(zip(COLUMNS, map(float, found), strict=True))

    def combine(self, tiles: Mapping[str, Array], voxels: Array) -> dict[str, float]:
        """Extremes over all tiles; shares weighted by size."""
        found = {}
        for column, values in tiles.items():
            known = ~np.isnan(values)
            if not known.any():
                found[column] = math.nan
            elif column.endswith("MinIntensity"):
                found[column] = float(values[known].min())
            elif column.endswith("MaxIntensity"):
                found[column] = float(values[known].max())
            else:
                found[column] = float(np.average(values[known], weights=voxels[known]))
        return found

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`Saturated`: more voxels at full scale than `max_percent`."""
        percent = np.asarray(values["ImageQuality_PercentSaturated"], dtype=np.float64)
        return {"Saturated": percent > self.max_percent}

    def _clipped(self, values: Array) -> NDArray[np.bool_]:
        """Grey levels, of those that occur, that are at the end of the scale."""
        if self.full_scale is not None:
            return np.asarray(values >= self.full_scale)
        if values.dtype.kind == "f":
            at_end = values.size > 1
        else:
            at_end = int(values[-1]) in {2**bits - 1 for bits in DEPTHS}
        return np.asarray((values == values[-1]) & at_end)
