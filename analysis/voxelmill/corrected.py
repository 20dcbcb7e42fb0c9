"""Pixels of an image under even light: any `Source`, corrected as they are read.

In: a source and where the profile of its image is stored. Out: a source. It is as small as its
address when it travels to a worker, which reads the profile once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Block, Box, Grid
from voxelmill.ends import Source
from voxelmill.kernels.even import even
from voxelmill.plugin import Index, NoCredentials, Pixels, Spacing, StoreUnavailable, VoxelmillError
from voxelmill.store.read import open_image, read_box

Profiles: TypeAlias = NDArray[np.float32]
"""Flat-fields of all channels, then their dark-fields, (2 · c, y, x)."""


@dataclass(frozen=True)
class StoredProfile:
    """Where the illumination of all channels of an image is stored."""

    root: str
    """Address of ``illumination.ome.zarr``."""
    path: str
    sha256: str

    def read(self) -> tuple[Profiles, Profiles]:
        """Flat-fields and dark-fields, (c, y, x) each.

        Raises
        ------
        StoreUnavailable
            Absent, or not what the record speaks of.
        """
        both = _read(self.root, self.path, self.sha256)
        return both[: len(both) // 2], both[len(both) // 2 :]


@lru_cache(maxsize=64)
def _read(root: str, path: str, digest: str) -> Profiles:
    try:
        image = open_image(root, path)
        whole = Box((0, 0, 0), (1, image.shape[3], image.shape[4]))
        found = read_box(image, 0, range(image.shape[1]), whole)[:, 0]
        told = digest_of(found)
    except NoCredentials:
        raise
    except VoxelmillError as error:
        found, told = np.zeros((0, 1, 1), np.float32), str(error)
    if told != digest:
        raise StoreUnavailable(
            f"{root}/{path}: absent, damaged or another one ({told}); must be what illuminate "
            f"wrote (sha256 {digest}). Delete records/illumination.json and run again: that "
            "makes it anew"
        )
    return found


def digest_of(profiles: Profiles) -> str:
    """SHA-256 of shape and values of profiles."""
    content = np.ascontiguousarray(profiles, "<f4")
    return sha256(f"{content.shape}".encode() + content.tobytes()).hexdigest()


@dataclass(frozen=True)
class Corrected:
    """A source whose pixels are corrected."""

    source: Source
    profile: StoredProfile

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""
        return self.source.shape

    @property
    def spacing_um(self) -> Spacing:
        """Voxel size along z, y, x in micrometres."""
        return self.source.spacing_um

    def read(self, t: int, channels: Sequence[int], box: Box, halo: Index | None = None) -> Pixels:
        """Pixels (c, z, y, x), corrected, in the data type that they are stored in."""
        flat, dark = self.profile.read()
        pixels = self.source.read(t, channels, box, halo)
        mine = list(channels)
        start, extent = box.start[1:], self.shape[3:]
        return even(pixels, start, extent, flat[mine], dark[mine])

    def order(self, grid: Grid) -> Sequence[Block]:
        """Blocks in the order of the source."""
        return self.source.order(grid)
