"""Connected components: everything that is not 0, or is above a given value, and touches.

In: one channel, such as a mask that was made elsewhere. Out: objects, 1…n in raster order. Nothing
is fitted, smoothed or dropped; objects of any size come out whole, whatever the blocks.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.kernels.components import components
from voxelmill.plugin import Index, Labels, Pixels, Spacing
from voxelmill.segmenters import Segmenter


class Components(Segmenter):
    """Connected components of a mask."""

    connected: ClassVar[bool] = True
    voxel_bytes: ClassVar[float] = 6.0
    kind: Literal["components"] = "components"
    above: float = Field(0.0, description="grey value: voxels above it are foreground")
    source: ClassVar[str] = "Wu, Otoo and Suzuki 2009, doi:10.1007/s10044-008-0109-y."

    def halo(self, spacing_um: Spacing) -> Index:
        """None: a voxel is foreground by itself."""
        return 0, 0, 0

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Label the voxels above the value; those that share a corner touch."""
        mask = image[0] if image.dtype == bool else image[0] > self.above
        ids, _ = components(mask.view(np.uint8), True)
        return ids
