"""Pixels of any dtype to small integers, by one map fitted on the whole image.

In: numeric array of any dtype. Out: int32 between -2**16 and 2**16. Everything that a segmenter
compares afterwards is made of these integers, so it cannot depend on where a block lies.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array

Int32: TypeAlias = NDArray[np.int32]

LIMIT = 2**16
SPAN = 2**13
"""The overview's range from the 0.1st to the 99.9th percentile becomes SPAN to 2 SPAN levels."""


def fit_scale(overview: Array) -> tuple[float, float]:
    """Offset and gain that spread the values of `overview` over a few thousand integers.

    The gain is a power of two, so that no precision of an integer image is lost. Values that are
    not finite are left out; an image without any gives (0, 1).
    """
    values = np.asarray(overview).ravel()
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(values, (0.1, 99.9))
    if high <= low:
        low, high = values.min(), values.max()
    span = float(high) - float(low)
    gain = 1.0 if span <= 0 else 2.0 ** np.floor(np.log2(2 * SPAN / span))
    return float(np.floor(low)) if values.dtype.kind != "f" else float(low), float(gain)


def quantise(image: Array, offset: float, gain: float) -> Int32:
    """Map `image` to ``floor((image - offset) * gain)``, clipped to ±2**16; NaN to 0.

    Parameters
    ----------
    image : array of any shape and numeric dtype
    offset, gain : float
        From `fit_scale`.

    Returns
    -------
    int32 array of the same shape
    """
    if image.dtype.kind in "ub" and image.dtype.itemsize <= 2:
        table = np.arange(2 ** (8 * image.dtype.itemsize), dtype=np.float64)
        return np.take(_map(table, offset, gain), image)
    return _map(image, offset, gain)


def _map(values: Array, offset: float, gain: float) -> Int32:
    wide = (values.astype(np.float64) - offset) * gain
    wide = np.nan_to_num(np.floor(wide), nan=0, posinf=LIMIT, neginf=-LIMIT)
    return np.clip(wide, -LIMIT, LIMIT).astype(np.int32)
