"""Debris: parts of the image that outshine what is typical in it.

In: one channel; volumes are judged on their middle plane. Out: how much brighter the brightest
block of 8 x 8 pixels is than the typical one, and the share of blocks that are too bright. Typical
is the level (above the background) below which half of the light comes: how many objects there are
does not move it, nor does debris that gives less than half of all light. Light counts where it is
more than the background differs from place to place, so that uneven light and haze do not.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.kernels.measure import Floats
from voxelmill.kernels.measure_quality import block_means, middle_plane
from voxelmill.plugin import Array, Pixels, Spacing
from voxelmill.qc import Metric

RATIO = "ImageQuality_BrightestRatio"
PERCENT = "ImageQuality_PercentDebris"
BLOCK = 8
TILES = 8
DARK_PERCENT = 10
UNEVEN_PERCENT = 90
"""Percentile of the tiles' dark levels up to which they are background: debris may fill a few."""

MARGIN = 2
"""Times the difference of dark levels that light must exceed."""


class Debris(Metric):
    """Share of the image that is much brighter than its objects; flags fibres, dust and clumps."""

    kind: Literal["debris"] = "debris"
    source: ClassVar[str] = (
        "the criterion is our own; fluorescent debris as a fault of images: Bray & Carpenter 2018, "
        "doi:10.1007/978-1-4939-7357-6_7"
    )
    faults: ClassVar[Mapping[str, str]] = {
        "Debris": "more debris than `max_percent`, where that is set"
    }
    ratio: float = Field(
        8.0,
        gt=1,
        description="times the typical level above which a block is debris. Cells in division and "
        "dying ones reach 3 to 7.3 in the images below, a fibre and a clump 8.5 and 9.5",
    )
    max_percent: float | None = Field(
        None,
        ge=0,
        le=100,
        description="percent of the blocks that may be debris; default: any, since a fibre spoils "
        "0.3 % of a field and the rest is sound. 0.05, two blocks of 520 x 696, finds it",
    )

    def columns(self) -> dict[str, str]:
        """Columns of this metric → unit."""
        return {RATIO: "1", PERCENT: "%"}

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line."""
        return {
            RATIO: "brightest block of 8 x 8 pixels over the typical one, both above background",
            PERCENT: "share of blocks brighter than `ratio` times the typical one",
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
            NaN where the plane has a NaN, is constant, or is below 24 px a side.
        """
        plane = middle_plane(image)
        undefined = {RATIO: math.nan, PERCENT: math.nan}
        if min(plane.shape) < 3 * BLOCK:
            return undefined
        means = block_means(plane, BLOCK)
        dark = _at(means, DARK_PERCENT)
        uneven = MARGIN * (_at(_darkness(means), UNEVEN_PERCENT) - dark)
        light = np.sort(means, axis=None) - dark
        reached = np.cumsum(np.where(light > uneven, light, 0))
        if not (np.isfinite(reached[-1]) and reached[-1] > 0):
            return undefined
        typical = light[np.searchsorted(reached, reached[-1] / 2)]
        share = 100 * float((light > self.ratio * typical).mean())
        return {RATIO: float(light[-1] / typical), PERCENT: share}

    def combine(self, tiles: Mapping[str, Array], voxels: Array) -> dict[str, float]:
        """Share weighted by size; the largest ratio of all tiles."""
        share, ratio = tiles[PERCENT], tiles[RATIO]
        known = ~np.isnan(share)
        if not known.any():
            return {RATIO: math.nan, PERCENT: math.nan}
        mean = float(np.average(share[known], weights=voxels[known]))
        return {RATIO: float(ratio[known].max()), PERCENT: mean}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """`Debris`: more blocks than `max_percent` are debris, where that is set."""
        if self.max_percent is None:
            return {}
        return {"Debris": np.asarray(values[PERCENT], dtype=np.float64) > self.max_percent}


def _darkness(means: Floats) -> Floats:
    """Dark levels of the tiles of a plane, from its block means."""
    rows, columns = (np.linspace(0, n, min(n, TILES) + 1).astype(int) for n in means.shape)
    return np.array(
        [
            _at(means[top:bottom, left:right], DARK_PERCENT)
            for top, bottom in pairwise(rows)
            for left, right in pairwise(columns)
        ]
    )


def _at(values: Floats, percent: int) -> float:
    """Value that `percent` of all do not reach."""
    return float(np.sort(values, axis=None)[values.size * percent // 100])
