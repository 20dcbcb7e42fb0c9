"""What the nucleus and cell segmenters share: a size in µm or pixels, and the fitted numbers."""

from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from voxelmill.kernels.levels import background, log_otsu
from voxelmill.kernels.quantise import fit_scale, quantise
from voxelmill.kernels.smooth import smooth
from voxelmill.kernels.surface import fit_surface, subtract_surface, tiles
from voxelmill.plugin import Array, Index, NotFitted, Pixels, Spacing
from voxelmill.segmenters import Segmenter

Grid = tuple[tuple[tuple[int, ...], ...], ...]

MOST_TILES = (8, 24, 24)
TILE_DIAMETERS = 6.0
SNR = 8.0
"""A threshold lies at least this many standard deviations of the noise above the background."""
SHARE = 0.7
"""The permissive threshold, as a share of log-Otsu's height above the background."""


class Fitted(BaseModel):
    """Numbers estimated on the overview; with them in the record, a run can be reproduced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = Field(description="grey value that becomes 0")
    gain: float = Field(description="levels per grey value, a power of two")
    threshold: int = Field(description="levels above the background that are foreground")
    tile_um: tuple[float, float, float] = Field(description="node distance of `background`, µm")
    background: Grid = Field(description="background surface in levels, (z, y, x)")


class Sized(Segmenter):
    """Base of segmenters that know the size of their objects."""

    diameter_um: float | None = Field(None, gt=0, description="typical object diameter in µm")
    diameter_px: float | None = Field(
        None, gt=0, description="the same in pixels along x, for images without a pixel size"
    )
    fitted: Fitted | None = Field(None, description="set by fit")
    origin: tuple[int, int, int] = Field((0, 0, 0), description="set by the engine for each block")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        given = [n for n in ("diameter_um", "diameter_px") if getattr(self, n) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no diameter"
            raise ValueError(f"{found} given; set exactly one of diameter_um, diameter_px")
        return self

    def at(self, origin: Index) -> Self:
        """Return the segmenter for a block whose first read voxel lies at `origin`."""
        return self.model_copy(update={"origin": origin})

    def diameter(self, spacing_um: Spacing) -> float:
        """Diameter in µm (pixels are those along x)."""
        if self.diameter_um is not None:
            return self.diameter_um
        return float(self.diameter_px or 1.0) * spacing_um[2]

    def sigma(self, share: float, spacing_um: Spacing, least: float = 0.0) -> Spacing:
        """Width of a Gaussian of `share` diameters along z, y, x in voxels, at least `least`."""
        width = share * self.diameter(spacing_um)
        z, y, x = (max(width / s, least * spacing_um[2] / s) for s in spacing_um)
        return z if z >= 0.3 else 0.0, y, x

    def voxels(self, share: float, spacing_um: Spacing) -> Index:
        """`share` diameters along z, y, x in voxels, rounded up."""
        width = share * self.diameter(spacing_um)
        z, y, x = (int(np.ceil(width / s)) for s in spacing_um)
        return z, y, x

    def volume(self, flat: bool, spacing_um: Spacing) -> float:
        """Voxels of a disc or ball of one diameter."""
        z, y, x = (self.diameter(spacing_um) / s for s in spacing_um)
        return np.pi / 4 * y * x if flat else np.pi / 6 * z * y * x

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fit the integer scale, the background surface and the permissive threshold."""
        if self.fitted is not None:
            return self
        fitted = fit_levels(overview[0], spacing_um, TILE_DIAMETERS * self.diameter(spacing_um))
        return self.model_copy(update={"fitted": fitted})

    def levels(self, plane: Array, spacing_um: Spacing) -> tuple[Array, int]:
        """Quantised image above the background surface, and the fitted threshold."""
        if self.fitted is None:
            raise NotFitted(f"{type(self).__name__}: no fitted numbers. Call fit first.")
        fit = self.fitted
        values = quantise(plane, fit.offset, fit.gain)
        grid = np.array(fit.background, np.int32)
        above = subtract_surface(values, grid, fit.tile_um, spacing_um, self.origin)
        return above, fit.threshold


def fit_levels(overview: Array, spacing_um: Spacing, tile_um: float) -> Fitted:
    """Fit scale, background surface and threshold on one channel (z, y, x) of an overview."""
    offset, gain = fit_scale(overview)
    values = smooth(quantise(overview, offset, gain), (0.0, 0.7, 0.7))
    counts = tiles(overview.shape, spacing_um, tile_um, MOST_TILES)
    extent = tuple(n * s for n, s in zip(overview.shape, spacing_um, strict=True))
    size = (extent[0] / counts[0], extent[1] / counts[1], extent[2] / counts[2])
    above = values
    grid = np.zeros(counts, np.int32)
    for _ in range(3):
        level = _threshold(above)
        grid = fit_surface(values, above <= level, counts)
        above = subtract_surface(values, grid, size, spacing_um, (0, 0, 0))
    level = _threshold(above)
    surface = tuple(tuple(tuple(int(v) for v in row) for row in plane) for plane in grid)
    return Fitted(
        offset=offset,
        gain=gain,
        threshold=max(1, round(level)),
        tile_um=size,
        background=surface,
    )


def _threshold(values: Array) -> float:
    """Permissive threshold in levels; in an empty image, what only clear outliers exceed."""
    centre, noise = background(values)
    cut = log_otsu(values, centre)
    return centre + max(SHARE * (cut - centre), SNR * max(noise, 1.0))
