"""What of an image decides how much memory, time and how many tasks it takes. Pure."""

from dataclasses import dataclass
from math import prod

import numpy as np

from voxelmill.ngff import Image
from voxelmill.plugin import Index, Spacing
from voxelmill.storeoptions import is_url


@dataclass(frozen=True)
class Extent:
    """Shape, type and place of an image, and how many lie beside it."""

    shape: tuple[int, int, int, int, int]
    dtype: str
    spacing_um: Spacing
    chunk: int = 0
    """Voxels of one decoded chunk; 0: not known."""
    batch: int = 1
    """Images like it in one batch: their tasks run at the same time."""
    afar: bool = False
    """Behind a network: blocks are read ahead."""

    @classmethod
    def of(cls, image: Image, batch: int = 1) -> "Extent":
        """Extent of an opened image of a batch."""
        chunk = prod(image.levels[0].array.chunks)
        afar = is_url(image.url)
        return cls(image.shape, image.dtype, image.spacing_um, chunk, batch, afar)

    @property
    def space(self) -> Index:
        """Voxels along z, y, x."""
        _, _, z, y, x = self.shape
        return z, y, x

    @property
    def size(self) -> int:
        """Bytes of all pixels, decoded."""
        return prod(self.shape) * self.voxel

    @property
    def voxel(self) -> int:
        """Bytes of a voxel."""
        return np.dtype(self.dtype).itemsize
