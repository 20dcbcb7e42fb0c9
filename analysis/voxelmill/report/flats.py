"""Flat-fields as small pictures with a scale.

In: illumination of channels. Out: PNG pictures in viridis, all on one scale, so that channels can
be compared.
"""

from base64 import b64encode
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from voxelmill.report.heatmap import number
from voxelmill.report.model import FlatField

SIDE = 240
"""Longest side of a picture in pixels."""


@dataclass(frozen=True)
class Picture:
    """A field as drawn: `low` and `high` are its own extremes in words."""

    title: str
    note: str
    width: int
    height: int
    data: str
    low: str
    high: str


@dataclass(frozen=True)
class Flats:
    """All flat-fields on one scale, and the dark fields, each on its own."""

    flat: tuple[Picture, ...]
    dark: tuple[Picture, ...]
    ticks: tuple[str, str, str]


def flats(found: tuple[FlatField, ...]) -> Flats:
    """Draw the illumination of all channels."""
    values = [f.flat[np.isfinite(f.flat)] for f in found]
    low = min((float(v.min()) for v in values if v.size), default=0.0)
    high = max((float(v.max()) for v in values if v.size), default=1.0)
    dark = tuple(
        _picture(f.channel, "added by the camera", f.dark, *_range(f.dark))
        for f in found
        if f.dark is not None
    )
    ticks = (number(low), number((low + high) / 2), number(high))
    return Flats(
        tuple(_picture(f.channel, _estimated(f), f.flat, low, high) for f in found), dark, ticks
    )


def _estimated(found: FlatField) -> str:
    return f"from {found.fields:,} images" if found.fields else ""


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _picture(
    title: str, note: str, values: NDArray[np.float32], low: float, high: float
) -> Picture:
    factor = min(1.0, SIDE / max(values.shape))
    size = (max(1, round(values.shape[1] * factor)), max(1, round(values.shape[0] * factor)))
    small = cv2.resize(np.nan_to_num(values, nan=low), size, interpolation=cv2.INTER_AREA)
    share = (small - low) / (high - low) if high > low else np.full(small.shape, 0.5, np.float32)
    grey = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    _, data = cv2.imencode(".png", cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS))
    own = _range(values)
    text = b64encode(data.tobytes()).decode("ascii")
    return Picture(title, note, *size, f"data:image/png;base64,{text}", *map(number, own))
