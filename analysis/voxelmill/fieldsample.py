"""A sample of the fields of a dataset, each as small as a profile of light.

In: the images of a dataset. Out: which of them to look at, and small versions of those, (c, y, x)
float32. Read in pieces: memory grows with the sample, not with images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxelmill.batch import Item
from voxelmill.blocks import Box
from voxelmill.illumination import SIDE
from voxelmill.plugin import Pixels
from voxelmill.slots import reads_first
from voxelmill.store.read import Image, open_image, read_box

PIECE_VOXELS = 2**24
"""How much is read at once."""
SIZES = 8
"""Sizes of images of a plate that are looked at."""


@dataclass(frozen=True)
class Field:
    """What was read of one image."""

    extent: tuple[int, int]
    """Of the image along y and x."""
    channels: tuple[str, ...]
    spacing_um: tuple[float, float, float]
    frames: NDArray[np.float32]
    """(t, c, y, x), some time points of it."""


def spread(number: int, most: int) -> list[int]:
    """At most so many of `number` positions, evenly from the first to the last."""
    count = min(number, most)
    return [i * (number - 1) // max(1, count - 1) for i in range(count)]


def choose(items: Sequence[Item], most: int) -> dict[str, list[tuple[Item, int]]]:
    """Images to look at by plate, and how many time points of each.

    Up to `most` frames of every size of image, spread over them evenly; of the `SIZES` that occur
    most often on a plate. Images that could not be opened are left out.
    """
    plates: dict[str, dict[int, list[Item]]] = {}
    for item in items:
        if item.voxels:
            plates.setdefault(item.plate, {}).setdefault(item.voxels, []).append(item)
    found: dict[str, list[tuple[Item, int]]] = {}
    for plate, sizes in plates.items():
        often = sorted(sizes.values(), key=len, reverse=True)[:SIZES]
        chosen = [[group[i] for i in spread(len(group), most)] for group in often]
        found[plate] = [(item, -(-most // len(group))) for group in chosen for item in group]
    return found


@reads_first
def read_field(url: str, item: Item, times: int, sparse: str) -> Field:
    """Read at most `times` time points of one image: the middle plane of each.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        It cannot be used; the text says why.
    """
    image = open_image(url, item.path)
    frames = [_small(image, t, sparse=sparse == "allow") for t in spread(image.shape[0], times)]
    y, x = image.shape[3:]
    return Field((y, x), image.channels, image.spacing_um, np.stack(frames))


def profile_shape(y: int, x: int) -> tuple[int, int]:
    """Extent of the profile of an image: that of a thumbnail with its proportions."""
    longest = max(y, x, SIDE)
    return max(1, round(y * SIDE / longest)), max(1, round(x * SIDE / longest))


def _small(image: Image, t: int, *, sparse: bool) -> NDArray[np.float32]:
    """One plane, (c, y, x): means over the pixels of a profile, from a level if one will do."""
    height, width = profile_shape(*image.shape[3:])
    level = max(
        k
        for k in range(len(image.levels))
        if image.shape_at(k)[3] >= height and image.shape_at(k)[4] >= width
    )
    _, count, z, y, x = image.shape_at(level)
    down, across = _edges(y, height), _edges(x, width)
    rows = max(1, PIECE_VOXELS // (count * x * -(-y // height)))
    pieces = []
    for first in range(0, height, rows):
        last = min(height, first + rows)
        box = Box((z // 2, int(down[first]), 0), (z // 2 + 1, int(down[last]), x))
        pixels = read_box(image, t, range(count), box, level, sparse=sparse)[:, 0]
        pieces.append(_means(pixels, down[first : last + 1] - down[first], across))
    return np.concatenate(pieces, axis=1)


def _edges(extent: int, parts: int) -> NDArray[np.int64]:
    """Where each of `parts` begins, and where the last ends."""
    return np.arange(parts + 1, dtype=np.int64) * extent // parts


def _means(pixels: Pixels, down: NDArray[np.int64], across: NDArray[np.int64]) -> Pixels:
    """Means of (c, y, x) over cells; sums of integers are exact, whatever their order."""
    sums = np.add.reduceat(pixels.astype(np.float64), down[:-1], axis=1)
    sums = np.add.reduceat(sums, across[:-1], axis=2)
    sizes = np.diff(down)[:, None] * np.diff(across)[None, :]
    return np.asarray(sums / sizes, np.float32)
