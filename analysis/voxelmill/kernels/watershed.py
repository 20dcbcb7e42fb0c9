"""From a relief to a tree of candidate objects and their measures: what `watershed` decides on.

In: heights and intensity (z, y, x) int32, and the runs of the objects. Out: basins, the edges
between them, and for every pair of touching regions a few numbers that tell one object from two.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.basins import rainfall
from voxelmill.kernels.contacts import survey
from voxelmill.kernels.oversize import Cut, cut_basins, too_large
from voxelmill.kernels.runs import Runs

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Basins:
    """Basins of a relief and the edges between those that touch."""

    labels: Int32
    """(z, y, x): basin of each voxel, 0 = background."""
    sums: Int64
    """(n + 1, 12): see `contacts.survey`."""
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
    whole: int
    """Basins up to this number are whole, later ones pieces of what was too large."""


def find_basins(
    heights: Int32, inside: Runs, image: Int32, out: Int32 | None = None, cut: Cut | None = None
) -> Basins:
    """Rainfall basins of the `heights` in runs, with their sums over `image` and their edges.

    `out` is memory for the basins, as in `rainfall`; basins too large for `cut` are cut. Peaks and
    saddles are heights above a ground of -1, so that they are above 0.
    """
    basins, peaks = rainfall(heights, inside, out)
    sums, bounds, pairs, edges = survey(basins, heights, image, inside, peaks.size)
    top, whole = np.append(0, heights.reshape(-1)[peaks].astype(np.int64) + 1), peaks.size
    if cut is not None and (large := too_large(bounds, cut)).any():
        top, whole = cut_basins(basins, heights, top, large, cut)
        sums, bounds, pairs, edges = survey(basins, heights, image, inside, top.size - 1)
    return Basins(
        labels=basins,
        sums=sums,
        bounds=bounds,
        top=top,
        first=pairs >> 32,
        second=pairs & 0xFFFFFFFF,
        saddle=edges[:, 0] + 1,
        border=edges[:, 1:],
        whole=whole,
    )


def roundness(sums: Int64) -> Float64:
    """Volume over that of the ellipsoid with the same second moments.

    1 for any ellipse, however long; less for what is not convex. From the integer sums of
    `contacts.survey`, (m, 12) to (m,).
    """
    n = np.maximum(sums[:, 0], 1).astype(np.float64)

    def moment(both: int, one: int, other: int) -> Float64:
        product = sums[:, 0] * sums[:, both] - sums[:, one] * sums[:, other]
        grain = 1 / 12 if one == other else 0.0  # a voxel is a cube, not a point
        return np.asarray(product / (n * n) + grain, np.float64)

    zz, yy, xx = moment(4, 1, 1), moment(5, 2, 2), moment(6, 3, 3)
    zy, zx, yx = moment(7, 1, 2), moment(8, 1, 3), moment(9, 2, 3)
    if not sums[:, 1].any():
        return n / (4 * np.pi * np.sqrt(np.maximum(yy * xx - yx * yx, 1e-9)))
    det = zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    return n / (4 / 3 * np.pi * 5**1.5 * np.sqrt(np.maximum(det, 1e-9)))


def steps_of_two(ratio: Float64) -> Float64:
    """Logarithm to base 2, linear between powers of two: exact, so the same in every block."""
    mantissa, exponent = np.frexp(ratio)
    return np.asarray(exponent + 2 * mantissa - 2, np.float64)


@dataclass(frozen=True)
class Pairs:
    """Touching regions, one row a pair."""

    one: Int64
    """(m, 12): sums of one region."""
    other: Int64
    """(m, 12): sums of the other."""
    border: Int64
    """(m, 2): pairs of touching voxels and the sum of their smaller intensities."""
    saddle: Int64
    """(m,): height of the pass."""
    top: Int64
    """(m,): height of the lower peak."""

    def features(self, voxels: float) -> Float64:
        """What tells two halves of one object from two objects.

        Parameters
        ----------
        voxels : float
            Volume of an object of the expected diameter.

        Returns
        -------
        (8, m) float64 array
            1; saddle over peak; roundness of the whole, and what it gains over the parts';
            intensity on the border over that of the dimmer part; ratio of their intensities, and
            size of the whole and of the smaller part in units of the expected (as areas), these
            three in steps of two.
        """
        sizes = np.stack([self.one[:, 0], self.other[:, 0]]).astype(np.float64)
        light = np.stack([self.one[:, 10], self.other[:, 10]])
        means = np.maximum(light / np.maximum(sizes, 1), 1.0)
        whole = roundness(self.one + self.other)
        total = sizes[0] + sizes[1]
        parts = (roundness(self.one) * sizes[0] + roundness(self.other) * sizes[1]) / total
        level = self.border[:, 1] / np.maximum(self.border[:, 0], 1)
        power = 2 / 3 if self.one[:, 1].any() else 1.0
        columns = [
            np.ones_like(whole),
            self.saddle / np.maximum(self.top, 1),
            whole,
            whole - parts,
            np.clip(level / np.minimum(means[0], means[1]), 0, 2),
            np.abs(steps_of_two(means[0] / means[1])),
            power * steps_of_two(total / voxels),
            power * steps_of_two(np.minimum(sizes[0], sizes[1]) / voxels),
        ]
        return np.stack(columns)


def weigh(features: Float64, weights: tuple[float, ...]) -> Float64:
    """Weighted sum of `features` (k, m), term by term: a matrix product may round by position."""
    total = features[0] * weights[0]
    for row, weight in zip(features[1:], weights[1:], strict=True):
        total = total + row * weight
    return np.asarray(total, np.float64)
