"""Segmenters with an obvious right answer, or failing on purpose; worker processes import them."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from voxelmill.plugin import BadInput, Index, Labels, Pixels, Spacing
from voxelmill.segmenters import Segmenter

TOUCHING = np.ones((3, 3, 3), bool)


def whole_image(mask: NDArray[Any]) -> Labels:
    """Connected components of a whole image, ids by raster order of the first voxel."""
    labels, _ = ndimage.label(mask, TOUCHING)
    return np.asarray(labels, np.int32)


class Components(Segmenter):
    """Connected components of all voxels above 0; exact for objects up to `reach` long."""

    kind: Literal["components"] = "components"
    reach: tuple[int, int, int] = (0, 8, 8)

    def halo(self, spacing_um: Spacing) -> Index:
        """Fixed."""
        return self.reach

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        return whole_image(image[0] > 0)


class Bigger(Segmenter):
    """Seeds grown by one voxel over what is above 0; where two meet, the higher id wins."""

    keeps_ids: ClassVar[bool] = True
    kind: Literal["bigger"] = "bigger"
    seeds: str = "nuclei"

    def halo(self, spacing_um: Spacing) -> Index:
        """Fixed."""
        return 1, 1, 1

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        assert seeds is not None
        grown = ndimage.maximum_filter(seeds, 3, mode="constant")
        return np.where((seeds == 0) & (image[0] > 0), grown, seeds).astype(np.int32)


class Counting(Components):
    """Notes every call in a file; breaks on blocks that hold 7 while the file `broken` is there."""

    folder: str

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        with (Path(self.folder) / "calls").open("a") as file:
            file.write("call\n")
        if (Path(self.folder) / "broken").exists() and (image == 7).any():
            raise RuntimeError("out of luck")
        return super().__call__(image, spacing_um, seeds)

    @property
    def calls(self) -> int:
        """How often blocks were segmented."""
        return (Path(self.folder) / "calls").read_text().count("call")


class Picky(Components):
    """Refuses images that hold 255."""

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        if (image == 255).any():
            raise BadInput("image: 255 in it; allowed: less")
        return super().__call__(image, spacing_um, seeds)
