"""How much a run writes: objects, values of tables, bytes. Pure.

In: extents and settings. Out: counts that follow from the diameter of the objects. How densely a
sample is covered is known only when it has been segmented, so a share is assumed that few exceed.
"""

from math import isqrt

from voxelmill.config import Settings
from voxelmill.extent import Extent
from voxelmill.objectsets import ObjectSet, Segmented

THUMBNAILS = 384
"""Most images that a report shows: one of every well of a plate; the more, the smaller each is."""
THUMBNAIL_EDGE = 540
"""Longest edge of one in pixels: the resolution of the labels is halved until it is below."""
HELD_BYTES = 256 << 20
"""Of all thumbnails together: with many of them each is smaller."""
SMALLEST_EDGE = 96
COVERED = 0.1
"""Objects times their squared diameter (of volumes: cubed), as a share of the image. Counted: 0.03
on the demo plate, 0.13 on a translocation screen, 0.23 in the crowded fields of BBBC039."""
DIAMETER_PX = 20.0
"""Where a segmenter tells none."""
PLACE = 8
"""Columns of a table besides the features."""


def objects_of(extent: Extent, settings: Settings) -> float:
    """Objects of all sets of an image."""
    return sum(_objects(extent, settings, spec) for spec in settings.objects.values())


def diameter_px(extent: Extent, settings: Settings, spec: ObjectSet) -> float:
    """Diameter in pixels along x that the settings tell; of what is grown, that of its seeds."""
    while not isinstance(spec, Segmented) or spec.needs:
        spec = settings.objects[spec.needs[0]]
    segmenter = spec.segmenter
    um, px = (getattr(segmenter, f"diameter_{unit}", None) for unit in ("um", "px"))
    return float(px or (um / extent.spacing_um[2] if um else DIAMETER_PX))


def _objects(extent: Extent, settings: Settings, spec: ObjectSet) -> float:
    size = max(1.0, diameter_px(extent, settings, spec))
    z, y, x = extent.space
    # A plane, and a stack that is thinner than an object, show one layer of them.
    deep = min(z, max(1.0, size * extent.spacing_um[2] / extent.spacing_um[0]))
    return extent.shape[0] * z * y * x * COVERED / (size**2 * deep)


def values_of(objects: float, columns: int) -> float:
    """Values of the tables of so many objects."""
    return objects * (columns + PLACE)


def edge_for(count: int, channels: int, sets: int) -> int:
    """Longest edge of each of so many thumbnails, in pixels."""
    each = HELD_BYTES // max(1, count) // (2 * channels + 4 * sets)
    return min(THUMBNAIL_EDGE, max(SMALLEST_EDGE, isqrt(each)))
