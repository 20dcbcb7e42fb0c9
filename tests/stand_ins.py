"""A network without weights, so that what is around it can be tested where torch is not.

It leads every bright pixel up the slope of the blurred image: what Cellpose's networks do for
round objects. `install` puts it in the place of theirs; `unit/test_cellpose.py` has real ones.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.segmenters import cellpose
from voxelmill.segmenters._network import Network

BLUR = 5.0
REAL = cellpose.network, cellpose.device_of


def look(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flow and logit of (n, c, t, t) pixels whose objects are about 30 wide; all channels add."""
    found = np.empty((len(tiles), 3, *tiles.shape[2:]), np.float32)
    for tile, out in zip(tiles, found, strict=True):
        soft = ndi.gaussian_filter(tile.sum(axis=0), BLUR, truncate=3)
        slope = np.stack(np.gradient(soft))
        out[:2] = 5 * slope / np.maximum(np.hypot(*slope), 1e-3)
        out[2] = 20 * (ndi.uniform_filter(tile.sum(axis=0), 3) - 0.4)
    return found


STAND_IN = Network(version=3, channels=2, tile=224, diameter=30.0, typical=12.0, look=look)


def install() -> None:
    """Use the stand-in from now on."""
    cellpose.network = lambda _path, _sha256, _device: STAND_IN
    cellpose.device_of = lambda _wanted: "cpu"


def remove() -> None:
    """Use real networks again."""
    cellpose.network, cellpose.device_of = REAL
