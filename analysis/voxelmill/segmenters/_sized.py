"""What the nucleus and cell segmenters share: a size in µm or pixels, and the fitted numbers."""

from collections.abc import Callable
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from voxelmill.kernels.histogram import Histogram, histogram
from voxelmill.kernels.level import level, subtract_surface
from voxelmill.kernels.levels import background, log_otsu
from voxelmill.kernels.quantise import fit_scale, quantise
from voxelmill.kernels.smooth import smooth
from voxelmill.kernels.surface import fit_surface, floor_surface, tiles
from voxelmill.plugin import Array, Index, NotFitted, Spacing
from voxelmill.segmenters import Segmenter

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.uint8]
Grid: TypeAlias = tuple[tuple[tuple[int, ...], ...], ...]

MOST_TILES = (8, 24, 24)
TILE_DIAMETERS = 4.0
FIT_SIGMA = 0.7
LEAST_SIGMA = 0.3
HOLE, HOLE_SIZE = 0.3, 0.1
"""Largest hole in an object: extent in diameters, and size as a share of the expected volume."""
SNR = 8.0
"""A threshold lies at least this many standard deviations of the noise above the background."""
SHARE = 1.2
"""The permissive threshold, as a share of log-Otsu's height above the background."""


class Fitted(BaseModel):
    """Numbers estimated on the overview; with them in the record, a run can be reproduced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = Field(description="grey value that becomes 0")
    gain: float = Field(description="levels per grey value, a power of two")
    threshold: int = Field(description="levels above the background that are foreground")
    tile_um: tuple[float, float, float] = Field(description="node distance of `background`, µm")
    background: Grid = Field(description="background surface in levels, (z, y, x)")
    typical_um: float = Field(0.0, description="typical object diameter, µm; 0 = not measured")


def permissive(seen: Histogram, share: float = SHARE) -> float:
    """`share` of log-Otsu's height above the background; in an empty image, outliers only."""
    if not seen.counts.size:
        return 1.0
    centre, noise = background(seen)
    cut = log_otsu(seen, centre)
    return centre + max(share * (cut - centre), SNR * max(noise, 1.0))


def at_value(fitted: Fitted, value: float | None) -> Fitted:
    """The same, with foreground above the grey value `value` if one is given.

    Only for a flat background at level 0.
    """
    if value is None:
        return fitted
    level = int(np.floor((value - fitted.offset) * fitted.gain))
    return fitted.model_copy(update={"threshold": level})


class Levelled(Segmenter):
    """Base of segmenters that work on integers above a fitted background."""

    fitted: Fitted | None = Field(None, description="set by fit")
    origin: tuple[int, int, int] = Field((0, 0, 0), description="set by the engine for each block")

    def at(self, origin: Index, extent: Index) -> Self:
        """Return the segmenter for a block whose first read voxel lies at `origin`."""
        return self.model_copy(update={"origin": origin})

    def fit_flat(
        self,
        overview: Array,
        spacing_um: Spacing,
        cut: Callable[[Histogram], float],
        value: float | None,
    ) -> Self:
        """Fit with a flat background and the threshold `cut`, or the grey value `value`."""
        if self.fitted is not None:
            return self
        fitted = fit_levels(overview, spacing_um, cut=cut)
        return self.model_copy(update={"fitted": at_value(fitted, value)})

    def levels(self, image: Array, spacing_um: Spacing) -> tuple[Int32, int]:
        """Quantised image (z, y, x) above the background surface, and the fitted threshold.

        Raises
        ------
        NotFitted
            ``fit`` was not called.
        """
        if self.fitted is None:
            raise NotFitted(f"{type(self).__name__}: no fitted numbers. Call fit first.")
        fit = self.fitted
        grid = np.array(fit.background, np.int32)
        scale = fit.offset, fit.gain
        return level(image, scale, grid, fit.tile_um, spacing_um, self.origin), fit.threshold


class Sized(Levelled):
    """Base of segmenters that know the size of their objects."""

    diameter_um: float | None = Field(None, gt=0, description="typical object diameter in µm")
    diameter_px: float | None = Field(
        None, gt=0, description="the same in pixels along x, for images without a pixel size"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        given = [n for n in ("diameter_um", "diameter_px") if getattr(self, n) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no diameter"
            raise ValueError(f"{found} given; set exactly one of diameter_um, diameter_px")
        return self

    def diameter(self, spacing_um: Spacing) -> float:
        """Diameter in µm (pixels are those along x)."""
        if self.diameter_um is not None:
            return self.diameter_um
        return float(self.diameter_px or 1.0) * spacing_um[2]

    def sized(self, spacing_um: Spacing) -> Self:
        """Return the segmenter with its diameter in µm."""
        size = Sized.diameter(self, spacing_um)
        return self.model_copy(update={"diameter_um": size, "diameter_px": None})

    def sigma(self, share: float, spacing_um: Spacing, least: float = 0.0) -> Spacing:
        """Width of a Gaussian of `share` diameters along z, y, x in voxels.

        At least `least` voxels of the plane; less than 0.3 voxels between planes is none.
        """
        width = max(share * self.diameter(spacing_um), least * spacing_um[2])
        z, y, x = (width / s for s in spacing_um)
        return z if z >= LEAST_SIGMA else 0.0, y, x

    def voxels(self, share: float, spacing_um: Spacing) -> Index:
        """`share` diameters along z, y, x in voxels, rounded up."""
        width = share * self.diameter(spacing_um)
        z, y, x = (int(np.ceil(width / s)) for s in spacing_um)
        return z, y, x

    def volume(self, flat: bool, spacing_um: Spacing) -> float:
        """Voxels of a disc or ball of one diameter."""
        z, y, x = (self.diameter(spacing_um) / s for s in spacing_um)
        return np.pi / 4 * y * x if flat else np.pi / 6 * z * y * x

    def holes(self, flat: bool, spacing_um: Spacing) -> tuple[int, Index]:
        """Largest size and extent, in voxels, of a hole in an object."""
        return int(HOLE_SIZE * self.volume(flat, spacing_um)), self.voxels(HOLE, spacing_um)


def fit_levels(
    overview: Array,
    spacing_um: Spacing,
    tile_um: float | None = None,
    cut: Callable[[Histogram], float] = permissive,
) -> Fitted:
    """Fit scale, background and threshold on one channel of an overview.

    Parameters
    ----------
    overview : (z, y, x) array
    spacing_um : tuple of float
        Voxel size of the overview along z, y, x in µm.
    tile_um : float, optional
        Least node distance of the background surface in µm; without it the background is flat.
    cut : callable
        Threshold of levels above the background.
    """
    offset, gain = fit_scale(overview)
    values = smooth(quantise(overview, offset, gain), (0.0, FIT_SIGMA, FIT_SIGMA))
    z, y, x = overview.shape
    counts = tiles((z, y, x), spacing_um, tile_um, MOST_TILES) if tile_um else (1, 1, 1)
    size = (
        z * spacing_um[0] / counts[0],
        y * spacing_um[1] / counts[1],
        x * spacing_um[2] / counts[2],
    )
    valid = np.isfinite(overview)
    grid = np.zeros(counts, np.int32)
    above = values
    if tile_um:
        grid = floor_surface(values, valid, counts)
        for _ in range(2):
            above = subtract_surface(values, grid, size, spacing_um, (0, 0, 0))
            grid = fit_surface(values, valid & (above <= cut(histogram(above, valid))), counts)
        above = subtract_surface(values, grid, size, spacing_um, (0, 0, 0))
    return Fitted(
        offset=offset,
        gain=gain,
        threshold=round(cut(histogram(above, valid))),
        tile_um=size,
        background=tuple(tuple(tuple(int(v) for v in row) for row in plane) for plane in grid),
    )
