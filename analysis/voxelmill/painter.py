"""Labels on their way into files: painted piece by piece, where a writer needs them.

A `Painter` writes the labels of any part of its box into a given array. So labels that are held as
runs never become an array as large as a shard: a chunk is painted and encoded while it is in the
processor's cache.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box
from voxelmill.kernels.runs import Runs, paint
from voxelmill.plugin import BadInput, Labels

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
    """Runs of one box of the whole image, and the label of each."""

    box: Box
    runs: Runs
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Tiles:
    """Labels that are held as runs; the tiles together hold every box that is asked for."""

    tiles: Sequence[Tile]

    def __call__(self, part: Box, out: Labels) -> None:
        """Paint the labels of `part`."""
        for tile in self.tiles:
            if (shared := tile.box.clip(part)).size:
                window = shared.within(tile.box)
                view = out[shared.within(part).slices]
                paint(tile.runs, tile.labels, tile.box.shape[1], window.start, view)
