"""Intensity as height: a share of the brightness around, added to a distance map.

In: distance map, mask, intensity and the region around each voxel. Out: the map, changed in place.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]
Float64: TypeAlias = NDArray[np.float64]


@kernel
def add_light(
    depth: Int32, mask: Array, image: Int32, groups: Int32, factor: Float64, most: int
) -> None:
    """Add ``factor[group] * image``, from 0 to `most`, to the `depth` of each voxel in the mask."""
    flat, inside, bright = depth.reshape(-1), mask.reshape(-1), image.reshape(-1)
    group = groups.reshape(-1)
    for p in range(flat.size):
        if inside[p]:
            light = max(bright[p], 0) * factor[group[p]]
            flat[p] += int(min(light, np.float64(most)))


@kernel
def relabel(labels: Int32, table: Int32) -> None:
    """Replace every label by its entry in `table`, in place."""
    flat = labels.reshape(-1)
    for p in range(flat.size):
        if flat[p]:
            flat[p] = table[flat[p]]
