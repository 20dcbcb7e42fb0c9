"""Pixels of any dtype to small integers, by one map fitted on the whole image.

In: numeric array of any dtype. Out: int32 between -2**16 and 2**16. Everything that a segmenter
compares afterwards is made of these integers, so it cannot depend on where a block lies.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.histogram import histogram, quantile
from voxelmill.kernels.jit import kernel
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
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        seen = histogram(native(values))
        low, high = quantile(seen, 0.001), quantile(seen, 0.999)
    else:
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
    table = lookup(image.dtype, offset, gain)
    if table.size:
        return np.take(table, image)
    out = np.empty(image.shape, np.int32)
    _map(native(image).reshape(-1), offset, gain, out.reshape(-1))
    return out


def native(image: Array) -> Array:
    """`image` as compiled code wants it: contiguous, in this machine's byte order, no bool."""
    kind, size = image.dtype.kind, image.dtype.itemsize
    if kind == "b":
        image = image.view(np.uint8)
    elif kind == "f" and size not in (4, 8):
        image = image.astype(np.float64)
    return np.ascontiguousarray(image, image.dtype.newbyteorder("="))


def lookup(dtype: np.dtype[Any], offset: float, gain: float) -> Int32:
    """What `quantise` makes of every value of `dtype`; empty where there are too many."""
    if dtype.kind in "ub" and dtype.itemsize <= 2:
        table = np.empty(2 ** (8 * dtype.itemsize), np.int32)
        _map(np.arange(table.size), offset, gain, table)
        return table
    return np.empty(0, np.int32)


@kernel
def _map(values: Array, offset: float, gain: float, out: Int32) -> None:
    for i in range(values.size):
        wide = np.floor((np.float64(values[i]) - offset) * gain)
        out[i] = int(min(max(wide, -LIMIT), LIMIT)) if wide == wide else 0
