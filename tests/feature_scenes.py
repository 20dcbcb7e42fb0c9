"""Label arrays and images for the feature tests: every way an object can be odd."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

Labels = NDArray[np.int32]


def blobs(seed: int = 1, size: int = 160) -> Labels:
    """Irregular blobs of many sizes with holes; none touches the border; ids with gaps."""
    rng = np.random.default_rng(seed)
    field = ndi.gaussian_filter(rng.normal(size=(size, size)), 2)
    field[:2] = field[-2:] = field[:, :2] = field[:, -2:] = -1
    labels = ndi.label(field > 0.02, np.ones((3, 3)))[0]
    return np.where(labels > 0, 3 * labels + 2, 0).astype(np.int32)[None]


def one_of_each() -> Labels:
    """Pixel, pair, lines, diagonal, ring, cross, two parts, touching squares."""
    labels = np.zeros((1, 24, 40), np.int32)
    plane = labels[0]
    plane[2, 2] = 1
    plane[2, 5:7] = 2
    plane[2, 9:15] = 3
    plane[5:11, 2] = 4
    plane[np.arange(5, 11), np.arange(5, 11)] = 6
    plane[5:10, 14:19] = 7
    plane[6:9, 15:18] = 0
    plane[13:18, 4] = plane[15, 2:7] = 11
    plane[13, 10], plane[18, 15] = 12, 12
    plane[5:9, 22:26], plane[5:9, 26:30] = 20, 21
    return labels


def volume(seed: int = 2) -> Labels:
    """Blobs in a volume, none at its border."""
    rng = np.random.default_rng(seed)
    field = ndi.gaussian_filter(rng.normal(size=(20, 50, 50)), 2)
    inside = np.zeros(field.shape, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    labels = ndi.label((field > 0.06) & inside)[0]
    large = np.bincount(labels.reshape(-1)) > 20
    return np.where(large[labels], 2 * labels, 0).astype(np.int32)


def picture(labels: Labels, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Noise whose level depends on the object."""
    rng = np.random.default_rng(seed)
    bright = 300 + 50 * (labels % 7) + rng.normal(0, 20, labels.shape)
    return np.rint(bright).astype(dtype) if dtype != "float32" else bright.astype(dtype)


def dense(labels: Labels) -> NDArray[np.int64]:
    """Return the labels renumbered 1 … n, a plane without its z axis, as cp_measure wants them."""
    ids, flat = np.unique(labels, return_inverse=True)
    mask = flat.reshape(labels.shape) + int(ids[0] > 0)
    return mask[0] if mask.shape[0] == 1 else mask
