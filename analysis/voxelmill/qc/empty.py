"""Emptiness: whether anything in the image stands out from noise.

In: one channel; volumes are judged on their middle plane. Out: the noise level and the share of
the plane, in blocks of 8 x 8 pixels, that differs from its surroundings by more than noise can.
Second differences of block means are used, so that neither uneven light nor a camera offset counts
as structure, and means of 64 pixels, so that hot pixels hardly do. The criterion is absolute: a
plate of empty wells is all flagged.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure import Floats
from voxelmill.kernels.measure_quality import (
    ROUNDING,
    block_contrast,
    block_means,
    middle_plane,
    noise_means,
)
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

NOISE = "ImageQuality_Noise"
STRUCTURED = "ImageQuality_PercentStructured"
BLOCK = 8
SECOND_DIFFERENCE = math.sqrt(6)
"""Standard deviation of a - 2 b + c for independent a, b, c of standard deviation 1."""


class Empty(Metric):
    """Share of the image with structure above noise; flags images without any."""

    kind: Literal["empty"] = "empty"
    source: ClassVar[str] = "Noise: Immerkær 1996, doi:10.1006/cviu.1996.0060"
    faults: ClassVar[Mapping[str, str]] = {"Empty": "less structure than `min_percent`"}
    min_percent: float = Field(
        0.05,
        ge=0,
        le=100,
        description="percent of the blocks that must show structure: about 10 in a field of "
        "1080 x 1080, which one nucleus has",
    )
    min_deviations: float = Field(
        6.0,
        gt=0,
        description="standard errors of noise by which a block must differ from its neighbours: "
        "by chance one in a thousand million does",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {NOISE: "intensity", STRUCTURED: "%"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            NOISE: "standard deviation of the noise of a pixel",
            STRUCTURED: "share of blocks of 8 x 8 pixels that differ from their neighbours",
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
            NaN where the plane has a NaN or an infinity, or is below 24 px a side.
        """
        plane = middle_plane(image)
        undefined = {NOISE: math.nan, STRUCTURED: math.nan}
        if min(plane.shape) < 3 * BLOCK:
            return undefined
        noise, local = noise_means(plane, BLOCK)
        if not math.isfinite(noise):
            return undefined
        least = ROUNDING if image.dtype.kind in "iu" else 0.0
        contrast = np.abs(block_contrast(block_means(plane, BLOCK))).max(axis=0)
        floor = np.maximum(_around(local, contrast.shape), max(noise, least))
        above = contrast > self.min_deviations * SECOND_DIFFERENCE * floor / BLOCK
        return {NOISE: max(noise, least), STRUCTURED: 100 * float(above.mean())}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`Empty`: less structure than `min_percent`."""
        share = np.asarray(values[STRUCTURED], dtype=np.float64)
        return {"Empty": share < self.min_percent}


def _around(noise: Floats, shape: tuple[int, ...]) -> Floats:
    """Mean noise of each block and its four neighbours: where it is clipped, it is not even."""
    rows, columns = shape
    means = np.pad(noise, ((0, 1), (0, 1)), mode="edge")
    means = means[: rows + 2, : columns + 2]
    cross: Floats = means[1:-1, 1:-1] + means[:-2, 1:-1] + means[2:, 1:-1]
    cross += means[1:-1, :-2] + means[1:-1, 2:]
    return cross / 5
