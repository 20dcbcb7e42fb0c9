"""Pictures of objects over pixels: contrast, colours, outlines, scale bar.

In: pixels (c, y, x) and label images (y, x) of the same sampling. Out: RGB arrays, PNG or JPEG
bytes, and outlines as SVG path data. Pure functions of arrays; equal input gives equal bytes.
"""

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array
from voxelmill.report.model import Thumbnail

RGB = NDArray[np.uint8]
Colour = tuple[int, int, int]
Limits = tuple[float, float]

CHANNEL_COLOURS: tuple[Colour, ...] = (
    (70, 110, 255),
    (30, 200, 110),
    (255, 80, 60),
    (235, 200, 40),
    (200, 80, 255),
    (60, 210, 230),
)
SET_COLOURS: tuple[Colour, ...] = (
    (255, 228, 77),
    (255, 130, 214),
    (94, 234, 255),
    (190, 255, 130),
    (255, 176, 92),
    (205, 190, 255),
)
GAMMA = 0.75
"""Display exponent: lifts dim structures without changing the limits."""
TOLERANCE_PX = 0.6
CONTRAST_SAMPLES = 2_000_000
LOW_PERCENT, HIGH_PERCENT = 1.0, 99.8


def channel_colours(count: int) -> tuple[Colour, ...]:
    """Colours of `count` channels: one is grey, more are blue, green, red ..."""
    if count == 1:
        return ((255, 255, 255),)
    return tuple(CHANNEL_COLOURS[i % len(CHANNEL_COLOURS)] for i in range(count))


def contrast(samples: Sequence[Array]) -> Limits:
    """Display limits of one channel over all `samples`, so that images can be compared.

    Parameters
    ----------
    samples : sequence of (y, x) arrays
        The same channel of several images.

    Returns
    -------
    tuple of float
        Lower and upper limit in intensity units, upper > lower.
    """
    each = min(16384, 1 + CONTRAST_SAMPLES // max(1, len(samples)))
    step = [max(1, int(np.sqrt(s.size / each))) for s in samples]
    pooled = np.concatenate(
        [s[::k, ::k].ravel().astype(np.float64) for s, k in zip(samples, step, strict=True)]
    )
    pooled = pooled[np.isfinite(pooled)]
    if pooled.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(pooled, [LOW_PERCENT, HIGH_PERCENT])
    return float(low), float(high if high > low else low + 1)


def composite(pixels: Array, limits: Sequence[Limits], colours: Sequence[Colour]) -> RGB:
    """Add the channels up in their colours.

    Parameters
    ----------
    pixels : (c, y, x) array
        Any numeric dtype; non-finite values are shown as the lower limit.
    limits, colours : sequences of length c
        Display limits (intensity) and RGB colours (0-255).

    Returns
    -------
    (y, x, 3) uint8 array
    """
    out = np.zeros((3, *pixels.shape[1:]), np.float32)
    for plane, limit, colour in zip(pixels, limits, colours, strict=True):
        shown = _shown(plane, limit)
        for component, share in zip(out, colour, strict=True):
            if share:
                component += shown * np.float32(share)
    # Scaled by its brightest component a saturated pixel keeps its hue; clipped it goes white.
    out *= 255 / np.maximum(out.max(axis=0), 255)
    return np.stack(list(np.rint(out).astype(np.uint8)), axis=-1)


def _shown(plane: Array, limits: Limits) -> NDArray[np.float32]:
    """Display values, 0 at the lower and 1 at the upper limit."""
    if plane.dtype in (np.uint8, np.uint16):
        every = np.arange(np.iinfo(plane.dtype).max + 1, dtype=np.float32)
        return _shown(every, limits)[plane]
    low, high = limits
    finite = np.nan_to_num(plane.astype(np.float32), nan=low, posinf=high, neginf=low)
    shown: NDArray[np.float32] = np.clip((finite - low) / (high - low), 0, 1) ** GAMMA
    return shown


def outlines(
    labels: NDArray[np.int32], tolerance_px: float = TOLERANCE_PX
) -> list[NDArray[np.int32]]:
    """Trace every object, holes included, by ascending label.

    Parameters
    ----------
    labels : (y, x) int32 array
        0 = background.
    tolerance_px : float
        How far an outline may run beside the boundary pixels.

    Returns
    -------
    list of (n, 2) int32 arrays
        x, y of boundary pixels; touching objects keep their own outline.
    """
    found: list[NDArray[np.int32]] = []
    for label, (y0, y1, x0, x1) in _boxes(labels):
        mask = (labels[y0:y1, x0:x1] == label).astype(np.uint8)
        curves, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0))
        simple = (cv2.approxPolyDP(c, tolerance_px, True) for c in curves)
        found.extend(np.asarray(c, np.int32).reshape(-1, 2) for c in simple)
    return found


def _boxes(labels: NDArray[np.int32]) -> Iterable[tuple[int, tuple[int, int, int, int]]]:
    y, x = np.nonzero(labels)
    names, index = np.unique(labels[y, x], return_inverse=True)
    low = np.full((2, names.size), np.iinfo(np.int64).max)
    high = np.zeros((2, names.size), np.int64)
    for axis, position in enumerate((y, x)):
        np.minimum.at(low[axis], index, position)
        np.maximum.at(high[axis], index, position + 1)
    for i, name in enumerate(names.tolist()):
        yield name, (int(low[0, i]), int(high[0, i]), int(low[1, i]), int(high[1, i]))


def svg_path(curves: Iterable[NDArray[np.int32]]) -> str:
    """SVG path data of closed curves, in whole pixels with the origin at a pixel's centre."""
    parts: list[str] = []
    for curve in curves:
        steps = np.diff(curve, axis=0).tolist()
        x, y = curve[0].tolist()
        line = "".join(f"{dx}{'' if dy < 0 else ' '}{dy} " for dx, dy in steps).rstrip()
        parts.append(f"M{x} {y}" + (f"l{line}z" if line else "h.1"))
    return "".join(parts).replace(" -", "-")


def scale_bar(width_px: int, pixel_size_um: float | None) -> tuple[float, str] | None:
    """Length in pixels and text of a scale bar of at most a quarter of `width_px`.

    The length is 1, 2 or 5 times a power of ten in micrometres; None where the size is unknown.
    """
    if pixel_size_um is None or not np.isfinite(pixel_size_um) or pixel_size_um <= 0:
        return None
    most = width_px * pixel_size_um / 4
    power = 10.0 ** np.floor(np.log10(most))
    length = max(f * power for f in (1, 2, 5) if f * power <= most * (1 + 1e-9))
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    return float(length / pixel_size_um), text


def overlay_rgb(
    pixels: Array,
    labels: Mapping[str, NDArray[np.int32]],
    colours: Mapping[str, Colour] | None = None,
    limits: Sequence[Limits] | None = None,
) -> RGB:
    """Outlines of all object sets over the contrast-stretched image.

    Parameters
    ----------
    pixels : (c, y, x) array
        Any numeric dtype.
    labels : mapping of str to (y, x) int32 array
        Object sets; the first is drawn on top.
    colours : mapping of str to RGB, optional
        Colour of each set; default ``SET_COLOURS`` in order.
    limits : sequence of (low, high), optional
        Display limits of each channel; default from this image.

    Returns
    -------
    (y, x, 3) uint8 array
    """
    shown = limits or [contrast([plane]) for plane in pixels]
    canvas = composite(pixels, shown, channel_colours(len(pixels)))
    default = {s: SET_COLOURS[i % len(SET_COLOURS)] for i, s in enumerate(labels)}
    for name, image in reversed(list(labels.items())):
        colour = (colours or default).get(name, default[name])
        cv2.polylines(canvas, outlines(image), True, colour, 1, cv2.LINE_AA)  # type: ignore[call-overload,unused-ignore]
    return canvas


def overlay_png(thumb: Thumbnail, sets: Sequence[str] | None = None) -> bytes:
    """PNG of a thumbnail with the outlines of `sets` (default all) and a scale bar."""
    names = list(thumb.labels) if sets is None else list(sets)
    canvas = overlay_rgb(thumb.pixels, {s: thumb.labels[s] for s in names})
    bar = scale_bar(canvas.shape[1], thumb.pixel_size_um)
    if bar is not None:
        length, text = round(bar[0]), bar[1].replace("µ", "u")
        bottom, right = canvas.shape[0] - 10, canvas.shape[1] - 10
        cv2.rectangle(canvas, (right - length, bottom - 3), (right, bottom), (255, 255, 255), -1)
        font = cv2.FONT_HERSHEY_SIMPLEX
        at = (right - length, bottom - 9)
        cv2.putText(canvas, text, at, font, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return encode(canvas, ".png")


def encode(rgb: RGB, suffix: str, quality: int = 80) -> bytes:
    """Bytes of an RGB image as ``.png`` or ``.jpg``."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, np.ascontiguousarray(rgb[..., ::-1]), options)
    return data.tobytes()
