"""Intensity as height: a share of the brightness around, added to a distance map.

In: distance map, its runs, intensity and the region around each voxel. Out: the map, changed in
place.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.runs import Runs

Int32: TypeAlias = NDArray[np.int32]
Float64: TypeAlias = NDArray[np.float64]


@kernel
def add_light(
    depth: Int32, inside: Runs, image: Int32, groups: Int32, factor: Float64, most: int
) -> None:
    """Add ``factor[group] * image``, from 0 to `most`, to `depth` wherever `inside` is."""
    ny = depth.shape[1]
    for row in range(inside.first.size - 1):
        z, y = row // ny, row % ny
        line, bright, group = depth[z, y], image[z, y], groups[z, y]
        for i in range(inside.first[row], inside.first[row + 1]):
            for x in range(inside.table[i, 0], inside.table[i, 1]):
                light = max(bright[x], 0) * factor[group[x]]
                line[x] += int(min(light, np.float64(most)))


@kernel
def relabel(labels: Int32, inside: Runs, table: Int32) -> None:
    """Replace the labels wherever `inside` is by their entries in `table`, in place."""
    ny = labels.shape[1]
    for row in range(inside.first.size - 1):
        line = labels[row // ny, row % ny]
        for i in range(inside.first[row], inside.first[row + 1]):
            for x in range(inside.table[i, 0], inside.table[i, 1]):
                line[x] = table[line[x]]
