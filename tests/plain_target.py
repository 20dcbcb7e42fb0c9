"""A target of the engine for tests: plain files that numpy maps."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelmill.blocks import Box, Grid
from voxelmill.painter import Painter
from voxelmill.plugin import Index, Labels


@dataclass(frozen=True)
class PlainTarget:
    """Labels in plain files, one an object set: int32, (t, z, y, x) in C order, no header.

    Shards of any shape, where those of label images follow from the shape of the image.
    """

    folder: str
    frames: int
    shape: Index
    shard: Index = (64, 2048, 2048)

    @property
    def shards(self) -> Grid:
        """Boxes that are written whole."""
        return Grid(self.shape, self.shard)

    def file(self, name: str) -> Path:
        """File of one object set."""
        return Path(self.folder) / f"{name}.labels"

    def create(self, name: str) -> None:
        """Make the file, all background."""
        with self.file(name).open("wb") as file:
            file.truncate(4 * self.frames * int(np.prod(self.shape)))

    def open(self, name: str) -> Labels:
        """All labels, (t, z, y, x), as a read-only map of the file."""
        shape = (self.frames, *self.shape)
        return np.memmap(self.file(name), np.int32, "r", shape=shape)

    def write(self, name: str, t: int, box: Box, labels: Labels | Painter) -> str:
        """Write one shard."""
        if callable(labels):
            paint, labels = labels, np.empty(box.shape, np.int32)
            paint(box, labels)
        whole = np.memmap(self.file(name), np.int32, "r+", shape=(self.frames, *self.shape))
        whole[t][box.slices] = labels
        return ""

    def read(self, name: str, t: int, box: Box) -> Labels:
        """Read any box."""
        return np.array(self.open(name)[t][box.slices])

    def finish(self, name: str, t: int) -> None:
        """Nothing is left to do."""
