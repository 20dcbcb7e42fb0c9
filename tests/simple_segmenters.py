"""Segmenters with an obvious right answer, or failing on purpose; worker processes import them."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

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


class Flooded(Segmenter):
    """The usual recipe, without a claim to exactness: distances, peaks, priority flood.

    What it finds depends on the pixels' order in a queue and on the whole block: as with a network,
    blocks that see the same object may disagree about it.
    """

    exact: ClassVar[bool] = False
    kind: Literal["flooded"] = "flooded"
    diameter: int = 20
    reach: int = 40

    def halo(self, spacing_um: Spacing) -> Index:
        """Fixed, in the plane."""
        return 0, self.reach, self.reach

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        mask = image[0, 0] > 0
        depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0)
        peaks = peak_local_max(depth, min_distance=self.diameter // 4, exclude_border=False)
        markers = np.zeros(mask.shape, np.int32)
        markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return np.asarray(watershed(-depth, markers, mask=mask), np.int32)[None]


class Fickle(Flooded):
    """Objects are told by their grey values, but every block wavers about some of them.

    A share of all objects is halved in the eyes of a block, and outlines jitter by a pixel.
    """

    kind: Literal["fickle"] = "fickle"  # type: ignore[assignment]
    origin: tuple[int, int, int] = (0, 0, 0)
    halved: float = 0.05

    def at(self, origin: Index, extent: Index) -> "Fickle":
        """Note where the block lies."""
        return self.model_copy(update={"origin": origin})

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block."""
        ids = image[0, 0].astype(np.int32)
        rng = np.random.default_rng(abs(hash(self.origin)))
        if rng.random() < 0.5:
            ids = ndimage.grey_erosion(ids, (1, 3), mode="nearest")
        labels = ids.copy()
        for i, box in enumerate(ndimage.find_objects(ids), start=1):
            if box is not None and rng.random() < self.halved:
                half = np.zeros(ids[box].shape, bool)
                half[:, : half.shape[1] // 2] = True
                labels[box][half & (ids[box] == i)] = ids.max() + i
        return labels[None]
