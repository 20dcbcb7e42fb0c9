"""Connected components above a global threshold, with small ones dropped and small holes filled.

In: one channel. Out: objects, 1…n in raster order; voxels that share a corner touch. The threshold
is fitted once on the overview, or given as a grey value.
"""

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from voxelmill.kernels.components import boxes, joined
from voxelmill.kernels.histogram import Histogram
from voxelmill.kernels.holes import fill_holes
from voxelmill.kernels.levels import background, li, log_otsu, otsu
from voxelmill.kernels.runs import paint, runs
from voxelmill.kernels.smooth import reach, smooth
from voxelmill.plugin import Index, Labels, Pixels, Spacing
from voxelmill.segmenters._sized import HOLE, SNR, Sized


class Threshold(Sized):
    """Everything brighter than one threshold: well separated objects, spots, tissue of any size."""

    connected: ClassVar[bool] = True
    voxel_bytes: ClassVar[float] = 18.0
    kind: Literal["threshold"] = "threshold"
    method: Literal["otsu", "log-otsu", "li"] = Field(
        "otsu", description="how the threshold is fitted on the overview"
    )
    value: float | None = Field(None, description="grey value instead: objects are above it")
    smoothing: float = Field(
        0.025, ge=0, le=1, description="Gaussian smoothing in diameters; 0 = none"
    )
    smallest: float = Field(
        0.05, ge=0, le=1, description="smallest object, as a share of the expected area or volume"
    )
    fill: bool = Field(True, description="fill holes up to a tenth of the expected size")
    source: ClassVar[str] = "Otsu 1979, doi:10.1109/TSMC.1979.4310076; Li and Tam 1998."

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fit the integer scale, and the threshold unless a `value` is given."""
        return self.fit_flat(overview[0], spacing_um, self._cut, self.value)

    def _cut(self, seen: Histogram) -> float:
        if not seen.counts.size:
            return 1.0
        centre, noise = background(seen)
        if self.method == "log-otsu":
            level = log_otsu(seen, centre)
        else:
            level = otsu(seen) if self.method == "otsu" else li(seen)
        return max(level, centre + SNR * max(noise, 1.0))

    def halo(self, spacing_um: Spacing) -> Index:
        """One diameter (a small object, or a hole, is whole in it) and the filter's reach."""
        sigma = self.sigma(self.smoothing, spacing_um)
        size = self.voxels(1.0 + HOLE, spacing_um)
        z, y, x = (n + reach(s) + 1 for n, s in zip(size, sigma, strict=True))
        return z, y, x

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        above, threshold = self.levels(image[0], spacing_um)
        mask = smooth(above, self.sigma(self.smoothing, spacing_um)) > threshold
        flat = mask.shape[0] == 1
        inside = mask.view(np.uint8)
        if self.fill:
            fill_holes(inside, *self.holes(flat, spacing_um))
        found = runs(inside)
        sets, count = joined(found, mask.shape, True)
        sizes, bounds = boxes(found, sets, count, mask.shape[1])
        # A thin object longer than a diameter may reach out of the block: its size is not known.
        short = (bounds[:, 3:] - bounds[:, :3] < self.voxels(1.0, spacing_um)).all(axis=1)
        keep = (sizes >= self.smallest * self.volume(flat, spacing_um)) | ~short
        new = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
        paint(found, new[sets], above)
        return above
