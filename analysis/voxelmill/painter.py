"""Labels on their way into files: painted piece by piece, where a writer needs them.

A `Painter` writes the labels of any part of its box into a given array. So labels that are held as
runs never become an array as large as a shard: a chunk is painted and encoded while it is in the
processor's cache.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box, Grid
from voxelmill.kernels.runs import Runs, paint_part
from voxelmill.plugin import BadInput, Index, Labels

Painter: TypeAlias = Callable[[Box, Labels], None]
"""Takes a box, in voxels of the whole image, and the (z, y, x) array to write its labels into."""


@dataclass(frozen=True)
class Held:
    """Labels that are held as an array.

    Parameters
    ----------
    box : Box
        Where they lie in the whole image.
    labels : (z, y, x) int32 array
    place : str
        Name of the label image in errors.
    """

    box: Box
    labels: Labels
    place: str

    def __call__(self, part: Box, out: Labels) -> None:
        """Copy the labels of `part`.

        Raises
        ------
        BadInput
            One is negative.
        """
        np.copyto(out, self.labels[part.within(self.box).slices])
        if out.min(initial=0) < 0:
            raise BadInput(f"{self.place}: negative ids; int32 from 0. Renumber them.")


@dataclass(frozen=True)
class Tile:
    """Runs of the core of one block, and the label of each."""

    runs: Runs
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Tiles:
    """Labels that are held as runs, by the index of their block in `grid`."""

    grid: Grid
    tiles: Mapping[Index, Tile]

    def __call__(self, part: Box, out: Labels) -> None:
        """Paint the labels of `part`."""
        for block in self.grid.touching(part):
            core, tile = block.core, self.tiles[block.index]
            shared = core.clip(part)
            view = out[shared.within(part).slices]
            paint_part(tile.runs, tile.labels, core.shape[1], shared.within(core).start, view)
