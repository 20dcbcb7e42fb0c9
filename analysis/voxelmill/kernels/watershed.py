"""From a relief to a tree of candidate objects and their measures: what `watershed` decides on.

In: relief and intensity (z, y, x) int32, relief 0 in the background. Out: basins, the edges between
them, and for every pair of touching regions a few numbers that tell one object from two.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.basins import contacts, neighbours, pad, rainfall
from voxelmill.kernels.tree import moments

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Basins:
    """Basins of a relief and the edges between those that touch."""

    labels: Int32
    """(z, y, x), padded: basin of each voxel, 0 = background."""
    sums: Int64
    """(n + 1, 12): see `tree.moments`."""
    bounds: Int64
    """(n + 1, 6): boxes."""
    top: Int64
    """(n + 1,): height of each peak."""
    first: Int64
    """(e,): smaller basin of each edge."""
    second: Int64
    """(e,): larger basin of each edge."""
    saddle: Int64
    """(e,): height of the pass between them."""
    border: Int64
    """(e, 2): pairs of touching voxels, and the sum of their smaller intensities."""


def find_basins(relief: Int32, image: Int32) -> Basins:
    """Rainfall basins of `relief` with their sums over `image` and their edges."""
    heights, levels = pad(relief), pad(image)
    shape = heights.shape
    flat, bright = heights.ravel(), levels.ravel()
    basins, peaks = rainfall(flat, neighbours(shape))
    pair, height, level = contacts(basins, flat, bright, neighbours(shape, forward=True))
    order = np.lexsort((-height, pair))
    pair, height, level = pair[order], height[order], level[order]
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    size = np.diff(starts, append=pair.size)
    total = np.add.reduceat(level.astype(np.int64), starts) if starts.size else starts
    sums, bounds = moments(basins, bright, shape, peaks.size)
    return Basins(
        labels=basins.reshape(shape),
        sums=sums,
        bounds=bounds,
        top=np.append(0, flat[peaks]).astype(np.int64),
        first=pair[starts] >> 32,
        second=pair[starts] & 0xFFFFFFFF,
        saddle=height[starts].astype(np.int64),
        border=np.stack([size, total], axis=1).astype(np.int64),
    )


def roundness(sums: Int64) -> Float64:
    """Volume over that of the ellipsoid with the same second moments: 1 for any ellipse, less for
    what is not convex. From the integer sums of `tree.moments`, (m, 12) to (m,).
    """
    n = np.maximum(sums[:, 0], 1).astype(np.float64)

    def moment(both: int, one: int, other: int) -> Float64:
        product = sums[:, 0] * sums[:, both] - sums[:, one] * sums[:, other]
        grain = 1 / 12 if one == other else 0.0  # a voxel is a cube, not a point
        return np.asarray(product / n**2 + grain, np.float64)

    zz, yy, xx = moment(4, 1, 1), moment(5, 2, 2), moment(6, 3, 3)
    zy, zx, yx = moment(7, 1, 2), moment(8, 1, 3), moment(9, 2, 3)
    if not sums[:, 1].any():
        return n / (4 * np.pi * np.sqrt(np.maximum(yy * xx - yx * yx, 1e-9)))
    det = zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    return n / (4 / 3 * np.pi * 5**1.5 * np.sqrt(np.maximum(det, 1e-9)))


def pair_features(
    one: Int64, other: Int64, border: Int64, saddle: Int64, lower_top: Int64, voxels: float
) -> Float64:
    """What tells two halves of one object from two objects.

    Parameters
    ----------
    one, other : (m, 12) int64 array
        Sums of the two regions.
    border : (m, 2) int64 array
        Pairs of touching voxels and the sum of their intensities.
    saddle, lower_top : (m,) int64 array
        Height of the pass, and of the lower peak.
    voxels : float
        Volume of an object of the expected diameter.

    Returns
    -------
    (m, 8) float64 array
        1; saddle over peak; roundness of the whole, and what it gains over the parts'; intensity
        on the border over that of the dimmer part; log ratio of their intensities; log size of the
        whole and of the smaller part, as areas in units of the expected one.
    """
    sizes = np.stack([one[:, 0], other[:, 0]]).astype(np.float64)
    means = np.maximum(np.stack([one[:, 10], other[:, 10]]) / np.maximum(sizes, 1), 1.0)
    flat = not one[:, 1].any()
    power = 1.0 if flat else 2 / 3
    whole = roundness(one + other)
    parts = (roundness(one) * sizes[0] + roundness(other) * sizes[1]) / sizes.sum(axis=0)
    valley = border[:, 1] / np.maximum(border[:, 0], 1) / means.min(axis=0)
    columns = [
        np.ones_like(whole),
        saddle / np.maximum(lower_top, 1),
        whole,
        whole - parts,
        np.clip(valley, 0, 2),
        np.abs(np.log(means[0] / means[1])),
        power * np.log(sizes.sum(axis=0) / voxels),
        power * np.log(sizes.min(axis=0) / voxels),
    ]
    return np.stack(columns, axis=1)
