"""Networks without weights, so that what is around them can be tested where torch is not.

One leads every bright pixel up the slope of the blurred image: what Cellpose's networks do for
round objects. One tells bright pixels, and those deep among them, by two sums: as models of the
BioImage Model Zoo do. `install` puts them in the place of real ones, which `unit/test_cellpose.py`
and `unit/test_bioimageio.py` have.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.segmenters import _bioimageio, _package, bioimageio, cellpose
from voxelmill.segmenters._network import Network

BLUR = 5.0
REAL = cellpose.network, cellpose.device_of, bioimageio.network


def look(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flow and logit of (n, c, t, t) pixels whose objects are about 30 wide; all channels add."""
    found = np.empty((len(tiles), 3, *tiles.shape[2:]), np.float32)
    for tile, out in zip(tiles, found, strict=True):
        soft = ndi.gaussian_filter(tile.sum(axis=0), BLUR, truncate=3)
        slope = np.stack(np.gradient(soft))
        out[:2] = 5 * slope / np.maximum(np.hypot(*slope), 1e-3)
        out[2] = 20 * (ndi.uniform_filter(tile.sum(axis=0), 3) - 0.4)
    return found


def told(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Foreground and boundary, 0 to 1, of (n, 1, t, t) pixels between 20 and about 140."""
    found = np.empty((len(tiles), 2, *tiles.shape[2:]), np.float32)
    for tile, out in zip(tiles[:, 0], found, strict=True):
        out[0] = np.clip((ndi.uniform_filter(tile, 3) - 40) / 80, 0, 1)
        out[1] = np.clip((110 - ndi.uniform_filter(tile, 7)) / 20, 0, 1)
    return found


STAND_IN = Network(version=3, channels=2, tile=224, diameter=30.0, typical=12.0, look=look)
PACKAGE = _package.Package(channels=1, outputs=2, tile=64, margin=8, steps=())
TOLD = _bioimageio.Network(PACKAGE, told)


def install() -> None:
    """Use the stand-ins from now on."""
    cellpose.network = lambda _path, _sha256, _device: STAND_IN
    cellpose.device_of = lambda _wanted: "cpu"
    bioimageio.network = lambda _choice, _device: TOLD


def remove() -> None:
    """Use real networks again."""
    cellpose.network, cellpose.device_of, bioimageio.network = REAL
