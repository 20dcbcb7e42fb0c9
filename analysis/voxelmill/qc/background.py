"""Background: the level and spread of an image, and how unevenly it is lit.

In: one channel. Out: plain statistics over all voxels, a background level that bright objects do
not move, and the unevenness of the middle plane's illumination.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure import Floats, Ints
from voxelmill.kernels.measure_quality import at_rank, grey_levels, middle_plane, percentile
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

UNEVENNESS = "ImageQuality_Unevenness"
COLUMNS = {
    "ImageQuality_Background": "intensity",
    "ImageQuality_MeanIntensity": "intensity",
    "ImageQuality_MedianIntensity": "intensity",
    "ImageQuality_StdIntensity": "intensity",
    "ImageQuality_MADIntensity": "intensity",
    UNEVENNESS: "1",
}
TILES = 8
TILE_PERCENTILE = 10
CLIP = 2.5
ROUNDS = 20


class Background(Metric):
    """Level, spread and unevenness of one channel; flags uneven images if a limit is given."""

    kind: Literal["background"] = "background"
    source: ClassVar[str] = (
        "Background: clipped median and mode estimate of SExtractor (Bertin & Arnouts 1996, "
        "doi:10.1051/aas:1996164); statistics: CellProfiler 4 MeasureImageQuality"
    )
    faults: ClassVar[Mapping[str, str]] = {"Uneven": "unevenness above `max_unevenness`"}
    max_unevenness: float | None = Field(
        None,
        gt=0,
        description="most unevenness; default: any, since in one image light and a crowd of cells "
        "look alike: a plate's flat field tells them apart",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return dict(COLUMNS)

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            "ImageQuality_Background": "level of the background, which objects do not move",
            "ImageQuality_MeanIntensity": "mean",
            "ImageQuality_MedianIntensity": "median",
            "ImageQuality_StdIntensity": "standard deviation",
            "ImageQuality_MADIntensity": "median absolute deviation from the median",
            UNEVENNESS: "flatness: range over median of the dark levels of 8 x 8 tiles; 0: flat",
        }

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel; `spacing_um` is not used.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel; all planes count but for the unevenness, which is the middle
            plane's. NaN does not count.
        spacing_um : tuple of float
            Ignored.

        Returns
        -------
        dict of str to float
            NaN where there is no finite voxel. Unevenness is the range of the 8 x 8 tiles' tenth
            percentiles over their median; NaN where that is not positive, or below 8 px a side.
        """
        levels, counts = grey_levels(image)
        if levels.size == 0:
            return dict.fromkeys(COLUMNS, math.nan)
        values = levels.astype(np.float64)
        median = percentile(values, counts, 50)
        mean, std = _moments(values, counts)
        distance = np.abs(values - median)
        order = np.argsort(distance, kind="stable")
        mad = percentile(distance[order], counts[order], 50)
        found = (_background(values, counts), mean, median, std, mad, _unevenness(image))
        return dict(zip(COLUMNS, found, strict=True))

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`Uneven`: unevenness above `max_unevenness`, where that is set."""
        if self.max_unevenness is None:
            return {}
        unevenness = np.asarray(values[UNEVENNESS], dtype=np.float64)
        return {"Uneven": unevenness > self.max_unevenness}


def _moments(values: Floats, counts: Ints) -> tuple[float, float]:
    mean = float((values * counts).sum() / counts.sum())
    return mean, math.sqrt(float(((values - mean) ** 2 * counts).sum() / counts.sum()))


def _background(values: Floats, counts: Ints) -> float:
    """Mode of the grey levels left by clipping around the median until nothing is clipped."""
    for _ in range(ROUNDS):
        median = percentile(values, counts, 50)
        mean, std = _moments(values, counts)
        kept = np.abs(values - median) <= CLIP * std
        if kept.all():
            break
        values, counts = values[kept], counts[kept]
    mode = 2.5 * median - 1.5 * mean
    return mode if abs(mean - median) < 0.3 * std else median


def _unevenness(image: Pixels) -> float:
    plane = middle_plane(image)
    if min(plane.shape) < TILES:
        return math.nan
    rows = np.linspace(0, plane.shape[0], TILES + 1).astype(int)
    columns = np.linspace(0, plane.shape[1], TILES + 1).astype(int)
    dark = []
    for i in range(TILES):
        for j in range(TILES):
            tile = plane[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            dark.append(at_rank(tile, tile.size * TILE_PERCENTILE // 100))
    middle = float(np.median(dark))
    return float((max(dark) - min(dark)) / middle) if middle > 0 else math.nan
