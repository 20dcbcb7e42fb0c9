"""The two ends of the engine: where pixels come from and where labels go.

`Source` and `Target` are all that the engine knows of storage. ``StoreSource`` and ``StoreTarget``
are OME-Zarr; those of the Python API are in ``arrayends``. All are small and picklable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voxelmill.blocks import Block, Box, Grid
from voxelmill.painter import Painter
from voxelmill.plugin import Index, Labels, Pixels, Spacing
from voxelmill.store.label_layout import label_shards
from voxelmill.store.labels import read_labels, write_coarse_labels, write_labels
from voxelmill.store.place import place_at, remove
from voxelmill.store.read import Image, read_box
from voxelmill.store.sharing import reading_order


class Source(Protocol):
    """Pixels of one image."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""

    @property
    def spacing_um(self) -> Spacing:
        """Voxel size along z, y, x in micrometres."""

    def read(self, t: int, channels: Sequence[int], box: Box, halo: Index | None = None) -> Pixels:
        """Pixels (c, z, y, x), native byte order; `halo` is how far others read into `box`."""

    def order(self, grid: Grid) -> Sequence[Block]:
        """Blocks in an order in which those that share chunks are not far apart."""


class Target(Protocol):
    """Labels of one image, by object set."""

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole: no two of them share a file."""

    def write(self, name: str, t: int, box: Box, labels: Labels | Painter) -> str:
        """Write one shard; return a digest of what was written."""

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""

    def finish(self, name: str, t: int) -> None:
        """Do what needs all shards: the coarse end of the pyramid."""


@dataclass(frozen=True)
class StoreSource:
    """Pixels of an OME-Zarr image."""

    image: Image
    sparse: bool = False
    """Whether an absent chunk means 0; else it is an error."""

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Extent along t, c, z, y, x."""
        return self.image.shape

    @property
    def spacing_um(self) -> Spacing:
        """Voxel size along z, y, x in micrometres."""
        return self.image.spacing_um

    def read(self, t: int, channels: Sequence[int], box: Box, halo: Index | None = None) -> Pixels:
        """Pixels (c, z, y, x), native byte order."""
        return read_box(self.image, t, channels, box, sparse=self.sparse, halo=halo)

    def order(self, grid: Grid) -> Sequence[Block]:
        """Columns of blocks, so narrow that the chunks they share stay decoded."""
        return reading_order(grid, self.image)


@dataclass(frozen=True)
class StoreTarget:
    """Label images in an OME-Zarr beside the results."""

    root: str
    path: str
    shape: Index

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole."""
        return label_shards(self.shape)

    def write(self, name: str, t: int, box: Box, labels: Labels | Painter) -> str:
        """Write one shard and its share of the pyramid."""
        return write_labels(self.root, self.path, name, t, box, labels).digest

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""
        return read_labels(self.root, self.path, name, t, box)

    def finish(self, name: str, t: int) -> None:
        """Write the coarse end of the pyramid."""
        write_coarse_labels(self.root, self.path, name, t)

    def remove(self) -> None:
        """Remove all labels of the image."""
        remove(place_at(self.root) / self.path / "labels")
