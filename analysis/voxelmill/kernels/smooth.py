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


def smooth(image: Int32, sigma: tuple[float, float, float], out: Int32 | None = None) -> Int32:
    """Smooth `image` with a Gaussian, in integers.

    Parameters
    ----------
    image : (z, y, x) int32 array
        Values from ``-2**16`` to ``2**16``.
    sigma : tuple of float
        Standard deviation along z, y, x in voxels; 0 leaves an axis as it is.
    out : (z, y, x) int32 array, optional
        Memory to use, not that of `image`.

    Returns
    -------
    (z, y, x) int32 array
        Rounded after each axis, in the order z, y, x.
    """
    z, y, x = (
        gaussian_weights(width if n > 1 else 0.0)
        for width, n in zip(sigma, image.shape, strict=True)
    )
    out = np.empty(image.shape, np.int32) if out is None else out
    image = np.ascontiguousarray(image)
    if z.size > 1:
        planes = 1, image.shape[0], image[0].size
        again = np.empty(image.shape, np.int32)
        none = np.array([2**BITS], np.int32)
        _smooth_rows(image.reshape(planes), z, none, again.reshape(planes))
        image = again
    _smooth_rows(image, y, x, out)
    return out


def reach(sigma: float) -> int:
    """Voxels that a smoothed value depends on to each side."""
    return int(np.ceil(3 * sigma))


@kernel
def _smooth_rows(image: Int32, across: Int32, along: Int32, out: Int32) -> None:
    """Smooth the middle axis of (a, n, b) with weights `across`, then the last with `along`."""
    outer, n, inner = image.shape
    far = along.size - 1
    line = np.empty(inner + 2 * far, np.int32)
    for a in range(outer):
        for i in range(n):
            middle = line[far : far + inner]
            _weigh_rows(image, a, i, across, middle)
            if far == 0:
                out[a, i] = middle
                continue
            line[:far] = line[far]
            line[far + inner :] = line[far + inner - 1]
            _weigh_line(line, along, out[a, i])


@kernel
def _weigh_rows(image: Int32, a: int, i: int, weights: Int32, out: Int32) -> None:
    """Weighted mean of the rows around row `i` of part `a`."""
    _, n, inner = image.shape
    if weights.size == 1:
        out[:] = image[a, i]
        return
    for j in range(inner):
        out[j] = weights[0] * image[a, i, j] + (1 << (BITS - 1))
    for k in range(1, weights.size):
        weight, above, below = weights[k], max(i - k, 0), min(i + k, n - 1)
        for j in range(inner):
            out[j] += weight * (image[a, above, j] + image[a, below, j])
    for j in range(inner):
        out[j] >>= BITS


@kernel
def _weigh_line(line: Int32, weights: Int32, out: Int32) -> None:
    """Weighted mean along a line that reaches out by the filter's radius at both ends."""
    radius, inner = weights.size - 1, out.size
    here = line[radius : radius + inner]
    for j in range(inner):
        out[j] = weights[0] * here[j] + (1 << (BITS - 1))
    for k in range(1, weights.size):
        weight = weights[k]
        left, right = line[radius - k : radius - k + inner], line[radius + k : radius + k + inner]
        for j in range(inner):
            out[j] += weight * (left[j] + right[j])
    for j in range(inner):
        out[j] >>= BITS
