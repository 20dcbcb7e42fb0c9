"""Convex hull of each object in a plane, in integers: half rows and half pixels.

In: `Objects`. Out: the number of pixels in each hull.
"""

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Ints, Objects


def hull_pixels(objects: Objects) -> Ints:
    """Count the pixels of each object's convex hull (one plane).

    The hull is that of the pixels' edge midpoints; pixels with their centre in or on it count.

    Returns
    -------
    (n,) int64 array
        Pixels in the convex hull.
    """
    rows = int((objects.high - objects.low)[:, 1].max(initial=0))
    return _hull_pixels(objects.runs, objects.first, objects.low, objects.high, rows)


@kernel
def _hull_pixels(runs: Ints, first: Ints, low: Ints, high: Ints, rows: int) -> Ints:
    pixels = np.empty(first.size - 1, np.int64)
    left = np.empty(2 * rows + 1, np.int64)
    right = np.empty(2 * rows + 1, np.int64)
    chain = np.empty(2 * rows + 1, np.int64)
    for i in range(first.size - 1):
        height = high[i, 1] - low[i, 1]
        far = high[i, 2]
        for k in range(2 * height + 1):
            left[k] = right[k] = 4 * far
        for r in range(first[i], first[i + 1]):
            k = 2 * (runs[r, 1] - low[i, 1])
            _stretch(left, k, runs[r, 2] - low[i, 2])
            _stretch(right, k, low[i, 2] + 1 - runs[r, 3])
        pixels[i] = height
        pixels[i] -= _envelope(left[: 2 * height + 1], chain, 4 * far)
        pixels[i] -= _envelope(right[: 2 * height + 1], chain, 4 * far)
    return pixels


@kernel
def _stretch(profile: Ints, k: int, x: int) -> None:
    """Let the outermost positions around pixel row k // 2 reach the edge midpoints of pixel x.

    Levels are half rows, positions half pixels: level k is the row's upper side, k + 1 its middle.
    """
    profile[k] = min(profile[k], 2 * x)
    profile[k + 1] = min(profile[k + 1], 2 * x - 1)
    profile[k + 2] = min(profile[k + 2], 2 * x)


@kernel
def _envelope(profile: Ints, chain: Ints, empty: int) -> int:
    """Sum, over the pixel rows, of the first pixel on or right of the profile's convex hull."""
    size = 0
    for k in range(profile.size):
        if profile[k] == empty:
            continue
        while size > 1:
            a, b = chain[size - 2], chain[size - 1]
            rise = (profile[b] - profile[a]) * (k - a) - (profile[k] - profile[a]) * (b - a)
            if rise < 0:
                break
            size -= 1
        chain[size] = k
        size += 1
    total = 0
    for s in range(size - 1):
        a, b = chain[s], chain[s + 1]
        for k in range(a + 1 + a % 2, b, 2):
            line = profile[a] * (b - a) + (profile[b] - profile[a]) * (k - a)
            total += -(-line // (2 * (b - a)))
        if b % 2:
            total += -(-profile[b] // 2)
    return total
