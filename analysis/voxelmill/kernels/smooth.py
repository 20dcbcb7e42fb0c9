"""Integer Gaussian smoothing: the same value for the same neighbourhood, wherever the block lies.

In: (z, y, x) int32. Out: the same, each value the rounded weighted mean of its neighbourhood.
Edges are replicated. Floating-point filters may differ in the last bit between the body and the
tail of a vector, so by position in the block; sums of integers cannot.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]

BITS = 14
"""Weights sum to 2**BITS, so values up to 2**16 keep 32-bit sums exact."""


def gaussian_weights(sigma: float) -> Int32:
    """Weights of one side and the centre, centre first; the full set sums to ``2**BITS``."""
    radius = int(np.ceil(3 * sigma))
    taps = np.exp(-0.5 * (np.arange(radius + 1) / max(sigma, 1e-6)) ** 2)
    total = taps[0] + 2 * taps[1:].sum()
    weights = np.round(taps / total * 2**BITS).astype(np.int32)
    weights[0] = 2**BITS - 2 * int(weights[1:].sum())
    return np.asarray(weights, np.int32)


def smooth(image: Int32, sigma: tuple[float, float, float]) -> Int32:
    """Smooth `image` with a Gaussian, in integers.

    Parameters
    ----------
    image : (z, y, x) int32 array
        Values from ``-2**16`` to ``2**16``.
    sigma : tuple of float
        Standard deviation along z, y, x in voxels; 0 leaves an axis as it is.

    Returns
    -------
    (z, y, x) int32 array
    """
    out = np.ascontiguousarray(image)
    for axis, width in enumerate(sigma):
        if width > 0 and out.shape[axis] > 1:
            before = int(np.prod(out.shape[:axis]))
            flat = out.reshape(before, out.shape[axis], -1)
            out = _smooth_axis(flat, gaussian_weights(width)).reshape(image.shape)
    return out


def reach(sigma: float) -> int:
    """Voxels that a smoothed value depends on to each side."""
    return int(np.ceil(3 * sigma))


@kernel
def _smooth_axis(image: Int32, weights: Int32) -> Int32:
    """Smooth the middle axis of (a, n, b)."""
    outer, n, inner = image.shape
    out = np.empty_like(image)
    radius = weights.size - 1
    total = np.empty(max(n, inner), np.int32)
    line = np.empty(n + 2 * radius, np.int32)
    for a in range(outer):
        if inner == 1:
            for i in range(n + 2 * radius):
                line[i] = image[a, min(max(i - radius, 0), n - 1), 0]
            for i in range(n):
                total[i] = weights[0] * line[i + radius] + (1 << (BITS - 1))
            for k in range(1, radius + 1):
                for i in range(n):
                    total[i] += weights[k] * (line[i + radius - k] + line[i + radius + k])
            for i in range(n):
                out[a, i, 0] = total[i] >> BITS
            continue
        for i in range(n):
            for j in range(inner):
                total[j] = weights[0] * image[a, i, j] + (1 << (BITS - 1))
            for k in range(1, radius + 1):
                above, below = max(i - k, 0), min(i + k, n - 1)
                for j in range(inner):
                    total[j] += weights[k] * (image[a, above, j] + image[a, below, j])
            for j in range(inner):
                out[a, i, j] = total[j] >> BITS
    return out
