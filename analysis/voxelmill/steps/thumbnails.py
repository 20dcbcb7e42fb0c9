"""Small versions of images and their labels, for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from voxelmill.batch import Batch, Item
from voxelmill.blocks import Box
from voxelmill.layout import Layout
from voxelmill.natural import shorter_first
from voxelmill.plugin import Pixels
from voxelmill.report.model import Thumbnail
from voxelmill.sizes import THUMBNAIL_EDGE
from voxelmill.store.label_layout import Level, label_levels
from voxelmill.store.labels import read_labels
from voxelmill.store.read import Image, open_image, read_box
from voxelmill.store.remote import side_by_side
from voxelmill.storeoptions import is_url

AT_ONCE = 4
"""Thumbnails that are read at a time from afar: of an image without a pyramid, whole planes."""
SAMPLES = 1 << 24
"""Most samples of a volume, over all channels, that are read at once for its projection."""


class PlateNames(TypedDict):
    """What a report is told of a plate's layout."""

    plate: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]


def choose(
    items: Sequence[Item], lost: set[str], most: int, rank: Mapping[str, int] | None = None
) -> list[Item]:
    """Pick images to show, at most `most`, and give them as they come.

    Those that come first in `rank`, see `report.ranking`; without it round by round the next image
    of every well.
    """
    wells: dict[str, list[Item]] = {}
    for item in items:
        if item.path not in lost:
            wells.setdefault(item.well or item.path, []).append(item)
    rounds = max((len(found) for found in wells.values()), default=0)
    ranked = [found[r] for r in range(rounds) for found in wells.values() if r < len(found)]
    if rank is not None:
        ranked.sort(key=lambda item: rank.get(item.path, len(rank)))
    chosen = {id(item) for item in ranked[:most]}
    return [item for item in items if id(item) in chosen]


def plate_of(items: Sequence[Item]) -> PlateNames:
    """Name, rows and columns of the plate that images belong to; empty off a plate."""
    return {
        "plate": next((i.plate for i in items if i.plate), ""),
        "rows": tuple(sorted({i.row for i in items if i.row}, key=shorter_first)),
        "columns": tuple(sorted({i.column for i in items if i.column}, key=shorter_first)),
    }


def pictures(
    layout: Layout, batches: Sequence[Batch], shown: Sequence[Item], sets: Sequence[str], edge: int
) -> list[Thumbnail]:
    """Read the thumbnails of `shown` with the labels of `sets`; from afar some at a time.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        An image or its labels cannot be read.
    """
    batch_of = {item.path: batch for batch in batches for item in batch.items}

    def read(item: Item) -> Thumbnail:
        batch = batch_of[item.path]
        return thumbnail(batch, item, layout.labels_of(batch.name), sets, edge)

    afar = (sets and layout.store) or any(is_url(batch.url) for batch in batches)
    return side_by_side(read, shown, AT_ONCE if afar else 1)


@dataclass(frozen=True)
class Planes:
    """Planes of a level that a picture shows, and how often pixels along y and x are taken."""

    k: int
    level: Level
    z: tuple[int, ...]
    stride: int

    @property
    def boxes(self) -> list[Box]:
        """What to read: the whole volume at once, or plane by plane."""
        _, y, x = self.level.shape
        if len(self.z) == self.level.shape[0]:
            return [Box((0, 0, 0), self.level.shape)]
        return [Box((z, 0, 0), (z + 1, y, x)) for z in self.z]

    @property
    def note(self) -> str:
        """How the volume was made a picture; empty for a plane."""
        depth, shown = self.level.shape[0], len(self.z)
        if depth == 1:
            return ""
        if shown == 1:
            return f"plane {self.z[0] + 1} of {depth}"
        return f"maximum of {shown} planes" + (f", spread over {depth}" if shown < depth else "")


def thumbnail(
    batch: Batch, item: Item, labels_root: str, sets: Sequence[str], edge: int = THUMBNAIL_EDGE
) -> Thumbnail:
    """Read one thumbnail of the first time point: of a volume its maximum projection along z.

    Objects of a volume are shown as seen from its first plane. Where planes are so large that few
    can be read (no pyramid), those few are spread over the volume.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        Image or labels cannot be read.
    """
    image = open_image(batch.url, item.path)
    planes = _planes(image, edge)
    step = planes.stride
    labels = {name: _labels(labels_root, item.path, name, planes) for name in sets}
    return Thumbnail(
        image=item.path,
        well=item.well,
        site=item.site,
        pixels=_pixels(image, planes)[:, ::step, ::step],
        labels={name: found[::step, ::step] for name, found in labels.items()},
        channels=image.channels,
        pixel_size_um=None
        if any("no pixel size" in w for w in image.warnings)
        else image.spacing_um[2] * planes.level.factor[2] * step,
        note=planes.note,
    )


def _planes(image: Image, edge: int) -> Planes:
    shapes = [image.shape_at(k)[2:] for k in range(len(image.levels))]
    levels = label_levels(image.shape[2:], shapes if len(shapes) > 1 else None)
    small = (i for i, level in enumerate(levels) if max(level.shape[1:]) <= edge)
    k = next(small, len(levels) - 1)
    level = levels[k]
    depth, y, x = level.shape
    area = y * x if _stored(image, k, level) else image.shape[3] * image.shape[4]
    most = max(1, SAMPLES // (area * len(image.channels)))
    count = min(depth, most)
    # The middles of as many equal parts: of one, the middle plane.
    z = tuple((2 * i + 1) * depth // (2 * count) for i in range(count))
    return Planes(k, level, z, -(-max(y, x) // edge))


def _stored(image: Image, k: int, level: Level) -> bool:
    """Whether the image has the level itself, not only its labels."""
    return k < len(image.levels) and tuple(image.shape_at(k)[2:]) == tuple(level.shape)


def _labels(root: str, path: str, name: str, planes: Planes) -> NDArray[np.int32]:
    parts = [read_labels(root, path, name, 0, box, planes.k) for box in planes.boxes]
    stack = np.concatenate(parts)
    first = (stack > 0).argmax(axis=0)
    seen: NDArray[np.int32] = np.take_along_axis(stack, first[None], axis=0)[0]
    return seen


def _pixels(image: Image, planes: Planes) -> Pixels:
    """Maximum over the planes, (c, y, x)."""
    channels = range(len(image.channels))
    stored = _stored(image, planes.k, planes.level)
    fz, fy, fx = (1, 1, 1) if stored else planes.level.factor
    k = planes.k if stored else 0
    best: Pixels | None = None
    for box in planes.boxes:
        y, x = (planes.level.shape if stored else image.shape[2:])[1:]
        whole = Box((box.start[0] * fz, 0, 0), ((box.stop[0] - 1) * fz + 1, y, x))
        part = read_box(image, 0, channels, whole, k)[:, ::fz, ::fy, ::fx].max(axis=1)
        best = part if best is None else np.maximum(best, part)
    return np.ascontiguousarray(best)
