"""Small versions of images and their labels, for the report."""

from collections.abc import Sequence

import numpy as np

from voxelmill.batch import Batch, Item
from voxelmill.blocks import Box
from voxelmill.plugin import Pixels
from voxelmill.report.model import Thumbnail
from voxelmill.sizes import THUMBNAIL_EDGE
from voxelmill.store.label_layout import Level, label_levels
from voxelmill.store.labels import read_labels
from voxelmill.store.read import Image, open_image, read_box


def choose(items: Sequence[Item], lost: set[str], most: int) -> list[Item]:
    """Pick images to show: round by round the next image of every well, at most `most`."""
    wells: dict[str, list[Item]] = {}
    for item in items:
        if item.path not in lost:
            wells.setdefault(item.well or item.path, []).append(item)
    rounds = max((len(found) for found in wells.values()), default=0)
    ranked = [found[r] for r in range(rounds) for found in wells.values() if r < len(found)]
    chosen = {id(item) for item in ranked[:most]}
    return [item for item in items if id(item) in chosen]


def thumbnail(batch: Batch, item: Item, labels_root: str, sets: Sequence[str]) -> Thumbnail:
    """Read one thumbnail: first time point, middle plane.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        Image or labels cannot be read.
    """
    image = open_image(batch.url, item.path)
    shapes = [image.shape_at(k)[2:] for k in range(len(image.levels))]
    levels = label_levels(image.shape[2:], shapes if len(shapes) > 1 else None)
    small = (i for i, level in enumerate(levels) if max(level.shape[1:]) <= THUMBNAIL_EDGE)
    k = next(small, len(levels) - 1)
    level = levels[k]
    z = level.shape[0] // 2
    plane = Box((z, 0, 0), (z + 1, level.shape[1], level.shape[2]))
    labels = {name: read_labels(labels_root, item.path, name, 0, plane, k)[0] for name in sets}
    stride = -(-max(level.shape[1:]) // THUMBNAIL_EDGE)
    return Thumbnail(
        image=item.path,
        well=item.well,
        site=item.site,
        pixels=_pixels(image, level, k, plane)[:, ::stride, ::stride],
        labels={name: found[::stride, ::stride] for name, found in labels.items()},
        channels=image.channels,
        pixel_size_um=None
        if any("no pixel size" in w for w in image.warnings)
        else image.spacing_um[2] * level.factor[2] * stride,
    )


def _pixels(image: Image, level: Level, k: int, plane: Box) -> Pixels:
    channels = range(len(image.channels))
    if len(image.levels) > 1:
        return read_box(image, 0, channels, plane, k)[:, 0]
    z = plane.start[0] * level.factor[0]
    _, fy, fx = level.factor
    whole = Box((z, 0, 0), (z + 1, image.shape[3], image.shape[4]))
    pixels = read_box(image, 0, channels, whole)[:, 0]
    return np.ascontiguousarray(pixels[:, ::fy, ::fx])
