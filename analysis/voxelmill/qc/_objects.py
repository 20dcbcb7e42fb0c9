"""What metrics of objects share: shares by image, and when a share is too large."""

from collections.abc import Collection, Mapping

import numpy as np

from voxelmill.plugin import Array
from voxelmill.qc._plate import Bools, Floats, Ints
from voxelmill.qc._robust import median, spread

SIZES = ("AreaShape_Area", "AreaShape_Volume")
"""Of planes, and of volumes; the other is NaN."""


def percent(hit: Bools, image: Ints, number: int, known: Bools) -> Floats:
    """Percent of the known objects of each image that are hit; NaN where there are none."""
    total = np.bincount(image[known], minlength=number)
    hits = np.bincount(image[known & hit], minlength=number)
    found = np.full(number, np.nan)
    some = total > 0
    found[some] = 100 * hits[some] / total[some]
    return found


def percent_flagged(flag: Array, image: Ints, number: int) -> Floats:
    """Percent of the objects of each image that a column of the table flags."""
    return percent(np.asarray(flag, np.bool_), image, number, np.ones(image.size, np.bool_))


def sizes(there: Collection[str]) -> tuple[str, ...]:
    """Those of SIZES that a table has."""
    return tuple(c for c in SIZES if c in there)


def size(objects: Mapping[str, Array]) -> Floats:
    """Area, or volume, of each object, in voxels."""
    found = [np.asarray(objects[c], np.float64) for c in SIZES if c in objects]
    return np.where(np.isnan(found[0]), found[-1], found[0])


def above(share: Floats, counts: Floats, limit: float, least: int) -> Bools:
    """Whether a share of objects exceeds `limit`, in images that have at least so many objects."""
    return np.asarray((share > limit) & (counts >= least))


def far_above(share: Floats, deviations: float, points: float) -> float:
    """Limit for a share: robust deviations, and at least so many points, above the plate's."""
    return median(share) + max(deviations * spread(share), points)
