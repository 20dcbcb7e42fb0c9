"""What a network is shown, and what it says, at the scale that it knows.

In: pixels of tiles. Out: normalised and resized ones, and the network's output at their own size.
"""

from itertools import product

import cv2
import numpy as np

from voxelmill.kernels.measure import Floats
from voxelmill.kernels.tilegrid import Float32
from voxelmill.plugin import Array
from voxelmill.segmenters._network import Network

FLAT = 1e-3
"""Range of grey values below which an image is empty."""


def normalised(low: Floats, high: Floats, part: Array) -> Float32:
    """Pixels such that the first percentile is 0 and the 99th 1."""
    gain = np.where(high - low > FLAT, 1 / np.maximum(high - low, FLAT), 0.0)
    values = (part - low[:, None, None]) * gain[:, None, None]
    return np.nan_to_num(np.asarray(values, np.float32))


def looked_at(net: Network, tiles: Float32) -> Float32:
    """What the network says of tiles, (n, c, t, t) → (n, 3, t, t), at their own scale."""
    count, channels, size, _ = tiles.shape
    seen = np.zeros((count, net.channels, net.tile, net.tile), np.float32)
    for number, channel in product(range(count), range(channels)):
        seen[number, channel] = _resized(tiles[number, channel], net.tile)
    found = net.look(seen)
    out = np.empty((count, found.shape[1], size, size), np.float32)
    for number, output in product(range(count), range(found.shape[1])):
        out[number, output] = _resized(found[number, output], size)
    return out


def _resized(plane: Float32, size: int) -> Float32:
    return np.asarray(cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR))
