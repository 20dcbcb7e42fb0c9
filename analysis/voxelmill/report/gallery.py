"""Cards of the report's gallery: one picture with its outlines for each thumbnail.

In: thumbnails. Out: cards within a byte budget, the worst first; what does not fit is counted, not
hidden. Outlines are vectors, so they stay sharp and can be switched off.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from voxelmill.report.model import Thumbnail
from voxelmill.report.overlay import (
    TOLERANCE_PX,
    Colour,
    Limits,
    channel_colours,
    composite,
    contrast,
    encode,
    outlines,
    scale_bar,
    svg_path,
)

BUDGET_BYTES = 11_000_000
"""Pictures and outlines of all cards together, as written into the page."""
SIDES = (540, 432, 320, 256, 208, 160, 128, 96)
"""Longest sides of a picture in pixels; the first with which all thumbnails fit is taken."""
SAMPLE = 8
BRIGHT_IMAGES = 80
"""Percent of the images whose own upper limit is within the shared one."""


@dataclass(frozen=True)
class Channel:
    """A channel as displayed."""

    name: str
    colour: str
    low: str
    high: str


@dataclass(frozen=True)
class Card:
    """One picture: size in pixels, data URI, outlines by object set, scale bar."""

    thumb: Thumbnail
    width: int
    height: int
    picture: str
    outlines: Mapping[str, str]
    bar: tuple[float, str] | None

    @property
    def size_bytes(self) -> int:
        """Bytes that the card takes in the page."""
        return len(self.picture) + sum(map(len, self.outlines.values()))


@dataclass(frozen=True)
class Gallery:
    """All cards that fit, the display of their channels, and how many do not fit."""

    cards: tuple[Card, ...]
    channels: tuple[Channel, ...]
    left_out: int


def gallery(
    thumbs: tuple[Thumbnail, ...], rank: Mapping[str, int] | None = None, budget: int = BUDGET_BYTES
) -> Gallery:
    """Render `thumbs` until `budget` bytes are used, in the order of the `rank` of their images.

    Parameters
    ----------
    thumbs : tuple of Thumbnail
        In plate order.
    rank : mapping of str to int, optional
        See `ranking.ranked`; default: as they come.
    budget : int
        Bytes in the page.
    """
    limits = _limits(thumbs)
    side = _side(thumbs, limits, budget)
    cards: list[Card] = []
    used = 0
    last = len(rank or ())
    for thumb in sorted(thumbs, key=lambda t: (rank or {}).get(t.image, last)):
        made = card(shrink(thumb, side), [limits[c] for c in thumb.channels])
        used += made.size_bytes
        if used > budget:
            break
        cards.append(made)
    return Gallery(tuple(cards), _channels(thumbs, limits), len(thumbs) - len(cards))


def _side(thumbs: tuple[Thumbnail, ...], limits: Mapping[str, Limits], budget: int) -> int:
    """Largest side with which all are expected to fit, judged by a few of them."""
    few = thumbs[:: max(1, len(thumbs) // SAMPLE)][:SAMPLE]
    for side in SIDES:
        sizes = [card(shrink(t, side), [limits[c] for c in t.channels]).size_bytes for t in few]
        if sum(sizes) / max(1, len(few)) * len(thumbs) <= 0.95 * budget:
            return side
    return SIDES[-1]


def _limits(thumbs: tuple[Thumbnail, ...]) -> dict[str, Limits]:
    planes: dict[str, list[NDArray[np.generic]]] = {}
    for thumb in thumbs:
        for name, plane in zip(thumb.channels, thumb.pixels, strict=True):
            planes.setdefault(name, []).append(plane)
    return {name: _shared([contrast([plane]) for plane in found]) for name, found in planes.items()}


def _shared(limits: list[Limits]) -> Limits:
    """Limits for all images, from each one's own: one saturated field must not darken the rest."""
    low = float(np.median([low for low, _ in limits]))
    high = float(np.percentile([high for _, high in limits], BRIGHT_IMAGES, method="lower"))
    return low, max(high, low + 1)


def _channels(thumbs: tuple[Thumbnail, ...], limits: Mapping[str, Limits]) -> tuple[Channel, ...]:
    names = thumbs[0].channels if thumbs else ()
    colours = channel_colours(len(names))
    return tuple(
        Channel(n, css(c), f"{limits[n][0]:.4g}", f"{limits[n][1]:.4g}")
        for n, c in zip(names, colours, strict=True)
    )


def css(colour: Colour) -> str:
    """``#rrggbb`` of an RGB colour."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def shrink(thumb: Thumbnail, side: int) -> Thumbnail:
    """Shrink to a longest side of at most `side`: pixels by mean, labels by nearest."""
    height, width = thumb.pixels.shape[1:]
    factor = side / max(height, width)
    if factor >= 1:
        return thumb
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    planes = [
        cv2.resize(p.astype(np.float32), size, interpolation=cv2.INTER_AREA) for p in thumb.pixels
    ]
    labels = {
        s: cv2.resize(a, size, interpolation=cv2.INTER_NEAREST).astype(np.int32, copy=False)
        for s, a in thumb.labels.items()
    }
    pixel = None if thumb.pixel_size_um is None else thumb.pixel_size_um * width / size[0]
    return replace(thumb, pixels=np.stack(planes), labels=labels, pixel_size_um=pixel)


def card(thumb: Thumbnail, limits: list[Limits]) -> Card:
    """Encode one thumbnail."""
    canvas = composite(thumb.pixels, limits, channel_colours(len(thumb.pixels)))
    tolerance = TOLERANCE_PX if max(canvas.shape) > 240 else 1.5 * TOLERANCE_PX
    data = b64encode(encode(canvas, ".jpg")).decode("ascii")
    return Card(
        thumb=thumb,
        width=canvas.shape[1],
        height=canvas.shape[0],
        picture=f"data:image/jpeg;base64,{data}",
        outlines={s: svg_path(outlines(a, tolerance)) for s, a in thumb.labels.items()},
        bar=scale_bar(canvas.shape[1], thumb.pixel_size_um),
    )
