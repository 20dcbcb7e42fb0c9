"""Even light: subtract a dark-field and divide by a flat-field, both far smaller than the image.

In: pixels of any box of an image, and profiles that span the whole image. Out: corrected pixels of
the same dtype. What comes out for a voxel depends on its position in the image alone, never on the
box that it was read with.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel
from voxelmill.plugin import Array, Pixels

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]


def even(
    pixels: Pixels, start: tuple[int, int], extent: tuple[int, int], flat: Float32, dark: Float32
) -> Pixels:
    """Correct a box of pixels.

    Parameters
    ----------
    pixels : (c, z, y, x) array
        Integers or floats.
    start : tuple of int
        Where the box begins in the image along y and x.
    extent : tuple of int
        Extent of the image along y and x.
    flat, dark : (c, y', x') float32
        Profiles; `flat` is above 0 everywhere.

    Returns
    -------
    (c, z, y, x) array of the same dtype
        ``(pixels - dark) / flat``, dark and 1 / flat being interpolated linearly between the
        centres of their pixels and constant beyond them. Integers are rounded (half up) and kept
        within their type; its largest value stays: more light than that was not counted.
    """
    if pixels.dtype == bool:
        return pixels
    if pixels.dtype == np.float16:
        # numba has none of these.
        return even(pixels.astype(np.float32), start, extent, flat, dark).astype(np.float16)
    rows = _places(start[0], pixels.shape[2], extent[0], flat.shape[1])
    columns = _places(start[1], pixels.shape[3], extent[1], flat.shape[2])
    profiles = 1.0 / flat.astype(np.float64), dark.astype(np.float64)
    out = np.empty_like(pixels)
    if pixels.dtype.kind == "f":
        _even_real(pixels, *rows, *columns, *profiles, out)
        return out
    limits = np.iinfo(pixels.dtype)
    high = float(limits.max)
    if high > limits.max:
        high = float(np.nextafter(high, 0.0))
    _even_whole(pixels, *rows, *columns, *profiles, float(limits.min), high, limits.max, out)
    return out


def _places(start: int, n: int, extent: int, size: int) -> tuple[Int64, Float64]:
    """Profile pixel before each voxel, and the share of the one after it."""
    place = (np.arange(start, start + n) + 0.5) * (size / extent) - 0.5
    place = np.clip(place, 0.0, size - 1.0)
    before = np.minimum(place.astype(np.int64), max(0, size - 2))
    return before, place - before


@kernel
def _line(
    profile: Float64, y: int, part: float, before: Int64, share: Float64, out: Float64
) -> None:
    """Interpolate one row of a profile."""
    below = min(y + 1, profile.shape[0] - 1)
    last = profile.shape[1] - 1
    knots = profile[y] + part * (profile[below] - profile[y])
    for x in range(before.size):
        i = before[x]
        out[x] = knots[i] + share[x] * (knots[min(i + 1, last)] - knots[i])


@kernel
def _even_whole(
    pixels: Array,
    row: Int64,
    down: Float64,
    before: Int64,
    share: Float64,
    gain: Float64,
    dark: Float64,
    low: float,
    high: float,
    full: int,
    out: Array,
) -> None:
    channels, depth, height, width = pixels.shape
    more, less = np.empty(width), np.empty(width)
    for c in range(channels):
        for y in range(height):
            _line(gain[c], row[y], down[y], before, share, more)
            _line(dark[c], row[y], down[y], before, share, less)
            for z in range(depth):
                line, made = pixels[c, z, y], out[c, z, y]
                for x in range(width):
                    value = np.floor((line[x] - less[x]) * more[x] + 0.5)
                    made[x] = line[x] if line[x] == full else min(max(value, low), high)


@kernel
def _even_real(
    pixels: Array,
    row: Int64,
    down: Float64,
    before: Int64,
    share: Float64,
    gain: Float64,
    dark: Float64,
    out: Array,
) -> None:
    channels, depth, height, width = pixels.shape
    more, less = np.empty(width), np.empty(width)
    for c in range(channels):
        for y in range(height):
            _line(gain[c], row[y], down[y], before, share, more)
            _line(dark[c], row[y], down[y], before, share, less)
            for z in range(depth):
                for x in range(width):
                    out[c, z, y, x] = (pixels[c, z, y, x] - less[x]) * more[x]
