"""How each channel of an image is shown: name, colour, limits of contrast.

In: an image and its group's `omero`, which is only display settings and may be wrong. Out: one
`Channel` each. Limits are omero's window where it says one that is narrower than the data type,
else percentiles of a small level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxelmill.blocks import Box
from voxelmill.ngff import Group, Image
from voxelmill.ngff.node import Node
from voxelmill.plugin import StoreUnavailable
from voxelmill.report.overlay import channel_colours, contrast
from voxelmill.store import read_box

EDGE = 1024
"""Longest edge of the part of a level that is looked at."""
SHOWN = 4
"""Channels that are shown at first, where omero does not say which."""

Limits = tuple[float, float]


@dataclass(frozen=True)
class Channel:
    """One channel as it is shown: `colour` is #rrggbb, `limits` are black and full colour."""

    name: str
    colour: str
    limits: Limits
    shown: bool


def channels_of(image: Image, group: Group) -> list[Channel]:
    """Say how to show each channel.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    said = _said(group, len(image.channels))
    usual = channel_colours(len(image.channels))
    limits = [_window(node, image.dtype) for node in said]
    missing = [c for c, found in enumerate(limits) if found is None]
    measured = dict(zip(missing, _measured(image, missing), strict=True))
    active = [_flag(node, "active") for node in said]
    return [
        Channel(
            name,
            _colour(said[c]) or f"#{bytes(usual[c]).hex()}",
            limits[c] or measured[c],
            active[c] if any(active) else c < SHOWN,
        )
        for c, name in enumerate(image.channels)
    ]


def _said(group: Group, count: int) -> list[Node | None]:
    omero = group.attributes.get("omero")
    listed: list[Node | None] = list(omero.need("channels").each()) if omero else []
    return listed if len(listed) == count else [None] * count


def _flag(node: Node | None, key: str) -> bool:
    found = node.get(key) if node else None
    return found is not None and found.boolean()


def _colour(node: Node | None) -> str:
    found = node.get("color") if node else None
    text = found.text().lstrip("#").lower() if found else ""
    return f"#{text}" if len(text) == 6 and not set(text) - set("0123456789abcdef") else ""


def _window(node: Node | None, dtype: str) -> Limits | None:
    window = node.get("window") if node else None
    if window is None:
        return None
    low, high = window.need("start").number(), window.need("end").number()
    kind = np.dtype(dtype)
    whole = kind.kind in "iu" and high - low >= np.iinfo(kind).max - np.iinfo(kind).min
    # 0 to 65535 is what writers put who have not looked: it would show most images black.
    return None if whole or high <= low else (low, high)


def _measured(image: Image, channels: Sequence[int]) -> list[Limits]:
    if not channels:
        return []
    level = len(image.levels) - 1
    while level and min(image.shape_at(level)[3:]) < EDGE // 8:
        level -= 1
    _, _, z, y, x = image.shape_at(level)
    spans = [(max(0, (n - EDGE) // 2), min(n, (n + EDGE) // 2)) for n in (y, x)]
    (y0, y1), (x0, x1) = spans
    box = Box((z // 2, y0, x0), (z // 2 + 1, y1, x1))
    try:
        pixels = read_box(image, 0, channels, box, level, sparse=True)
    except StoreUnavailable:
        # A quarantined image is looked at, too: what is whole of it.
        return [(0.0, 1.0 if np.dtype(image.dtype).kind == "f" else 255.0)] * len(channels)
    return [contrast([plane[0]]) for plane in pixels]
