"""Detail: CellProfiler's two focus scores.

In: one channel; volumes are judged on their middle plane. Out: the variance over the mean of the
plane, and how much that differs between its parts. Both grow with sharpness and with everything
else that makes an image vary: they compare images of one content, and no limit suits all.
"""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.kernels.measure import Floats
from voxelmill.kernels.measure_cells import Cells, cells
from voxelmill.kernels.measure_quality import middle_plane
from voxelmill.plugin import Pixels, Spacing
from voxelmill.qc import Metric

GLOBAL = "ImageQuality_FocusScore"
LOCAL = "ImageQuality_LocalFocusScore"


class Detail(Metric):
    """Normalised variance of the plane, and of its parts; flags nothing."""

    kind: Literal["detail"] = "detail"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureImageQuality (FocusScore, LocalFocusScore); Bray et al. 2012, "
        "doi:10.1177/1087057111420292; Sun et al. 2004, doi:10.1002/jemt.20118"
    )
    scale_px: int = Field(
        20, ge=2, description="edge of the parts that the local score compares; CellProfiler's"
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {GLOBAL: "intensity", LOCAL: "intensity"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            GLOBAL: "variance of the plane over its mean",
            LOCAL: "variance over median of the parts' own focus scores",
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
            NaN where the plane has a NaN, its mean is not positive, or the median is 0.
        """
        found = cells(middle_plane(image), self.scale_px)
        if not np.isfinite(found.squares).all():
            return {GLOBAL: math.nan, LOCAL: math.nan}
        return {GLOBAL: _global(found), LOCAL: _local(found)}


def _global(found: Cells) -> float:
    pixels = float(found.pixels.sum())
    mean = _mean(found.pixels * found.means, pixels)
    between = found.pixels * (found.means - mean) ** 2
    return _mean(found.squares + between, pixels) / mean if mean > 0 else math.nan


def _local(found: Cells) -> float:
    known = found.means != 0
    scores = found.squares[known] / (found.pixels * found.means)[known]
    middle = float(np.median(scores)) if scores.size else 0.0
    if middle <= 0:
        return math.nan
    mean = _mean(scores, scores.size)
    return _mean((scores - mean) ** 2, scores.size) / middle


def _mean(values: Floats, count: float) -> float:
    """Sum, exact before rounding, over `count`: the same on every processor."""
    return math.fsum(values.ravel().tolist()) / count
