"""Cells grown from seeds (nuclei) over another channel.

In: one channel and the seeds' labels. Out: labels with the seeds' ids: every seed keeps its
voxels, and takes the foreground around it that it reaches more cheaply than any other seed. A
path's cost is its length plus the changes of intensity along it, so borders fall on dim gaps and
edges. Holes (vacuoles) are filled.
"""

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from voxelmill.kernels.distance import STEPS, distance
from voxelmill.kernels.grow import grow, step_lengths
from voxelmill.kernels.histogram import Histogram
from voxelmill.kernels.holes import fill_holes
from voxelmill.kernels.levels import background, log_otsu, otsu
from voxelmill.kernels.quantise import SPAN
from voxelmill.kernels.runs import runs
from voxelmill.kernels.smooth import reach, smooth
from voxelmill.plugin import BadInput, Index, Labels, Pixels, Spacing
from voxelmill.segmenters._sized import SNR, Levelled

DISTANCE_UM = 15.0
UNIT = 16
"""Costs are counted in 1/16 of a voxel along x."""
DETOUR = 2
"""A path may cost as much as one of twice the largest distance over even ground."""
SIGMA = 0.7
HOLE = 0.5
"""Largest hole that is filled in a cell, in largest distances."""


class Propagate(Levelled):
    """Cells around nuclei: each seed becomes one object with the same id."""

    keeps_ids: ClassVar[bool] = True
    voxel_bytes: ClassVar[float] = 24.0
    kind: Literal["propagate"] = "propagate"
    seeds: str = Field(description="object set to grow from")
    max_distance_um: float | None = Field(
        None, gt=0, description="how far from its seed an object reaches, in µm; default 15"
    )
    max_distance_px: float | None = Field(
        None, gt=0, description="the same in pixels along x, for images without a pixel size"
    )
    contrast: float = Field(
        1.0,
        ge=0,
        le=8,
        description="cost of a change over the whole range of intensity, in largest distances",
    )
    method: Literal["log-otsu", "otsu"] = Field(
        "log-otsu", description="how the foreground's threshold is fitted on the overview"
    )
    value: float | None = Field(None, description="grey value instead: foreground is above it")
    source: ClassVar[str] = (
        "After Jones, Carpenter and Golland 2005, doi:10.1007/11569541_54, with additive integer "
        "costs and a limit, so that it is local."
    )

    @model_validator(mode="after")
    def _one_distance(self) -> Self:
        if self.max_distance_um is not None and self.max_distance_px is not None:
            raise ValueError(
                "max_distance_um and max_distance_px given; set one of max_distance_um, "
                "max_distance_px"
            )
        return self

    def distance(self, spacing_um: Spacing) -> float:
        """Largest distance in µm."""
        if self.max_distance_px is not None:
            return self.max_distance_px * spacing_um[2]
        return DISTANCE_UM if self.max_distance_um is None else self.max_distance_um

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fit the integer scale and the threshold of the foreground."""
        return self.fit_flat(overview[0], spacing_um, self._cut, self.value)

    def _cut(self, seen: Histogram) -> float:
        if not seen.counts.size:
            return 1.0
        centre, noise = background(seen)
        level = otsu(seen) if self.method == "otsu" else log_otsu(seen, centre)
        return max(level, centre + SNR * max(noise, 1.0))

    def halo(self, spacing_um: Spacing) -> Index:
        """Longest path (a step of one voxel costs at least its length), a hole, the filter."""
        far = (DETOUR + HOLE) * self.distance(spacing_um)
        z, y, x = (int(np.ceil(1.05 * far / s)) + reach(SIGMA) + 2 for s in spacing_um)
        return z, y, x

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Grow `seeds` over one block.

        Raises
        ------
        BadInput
            There are no seeds, or their shape is not that of the image.
        """
        if seeds is None or seeds.shape != image.shape[1:]:
            found = "none" if seeds is None else str(seeds.shape)
            raise BadInput(
                f"propagate: seeds {found}; labels of shape {image.shape[1:]} are needed. "
                f"Segment '{self.seeds}' first."
            )
        above, threshold = self.levels(image[0], spacing_um)
        bright = smooth(above, (0.0, SIGMA, SIGMA))
        step = (spacing_um[0] / spacing_um[2], spacing_um[1] / spacing_um[2], 1.0)
        far = self.distance(spacing_um) / spacing_um[2]
        near = distance(runs(seeds == 0), seeds.shape, step, far + 1) <= far * STEPS
        lengths = step_lengths(bright.shape, (step[0] * UNIT, step[1] * UNIT, step[2] * UNIT))
        per_level = self.contrast * far * UNIT / (1.5 * SPAN)
        limit = int(DETOUR * far * UNIT)
        cells = grow(seeds, bright, near & (bright > threshold), lengths, per_level, limit)
        z, y, x = (int(np.ceil(HOLE * self.distance(spacing_um) / s)) for s in spacing_um)
        return fill_holes(cells, z * y * x, (z + 1, y, x))
