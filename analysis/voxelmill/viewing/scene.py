"""An image and its labels → the state of the viewer, as JSON.

In: their metadata and addresses. Out: what Neuroglancer calls its state (see "JSON state" in its
documentation): one layer a channel, added up in their colours, and one a label image on top, each
object in a colour of its own. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voxelmill.ngff import Image
from voxelmill.plugin import BadInput
from voxelmill.viewing.channels import Channel

PIXELS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "f4")
CODECS = {"bytes", "blosc", "crc32c", "gzip", "sharding_indexed", "transpose", "zlib", "zstd"}
"""What the viewer decodes."""
SCREEN_PX = 800
"""Screen pixels that the whole image fills at first."""
DEEP = 8
"""From so many planes on, cuts along all three axes are shown."""
OPACITY = 0.45
FORMATS = {"0.4": "zarr2", "0.5": "zarr3"}
SHADER = """#uicontrol invlerp contrast
#uicontrol vec3 color color
void main() {
  emitRGB(color * contrast());
}
"""


@dataclass(frozen=True)
class Labels:
    """A label image: name of the object set, version of its metadata, address."""

    name: str
    version: str
    address: str


def check_shown(image: Image) -> None:
    """Refuse an image that the viewer cannot read.

    Raises
    ------
    BadInput
        Its data type or a codec.
    """
    if np.dtype(image.dtype).str[1:] not in PIXELS:
        raise BadInput(f"{image.place}: {image.dtype}; the viewer shows {', '.join(PIXELS)}.")
    if unknown := sorted({c for level in image.levels for c in level.array.codecs} - CODECS):
        raise BadInput(
            f"{image.place}: compressed with {', '.join(unknown)}; the viewer reads "
            f"{', '.join(sorted(CODECS))}. napari reads more."
        )


def scene(
    image: Image,
    address: str,
    channels: Sequence[Channel],
    labels: Sequence[Labels],
    *,
    title: str,
    units: bool,
) -> dict[str, Any]:
    """State of the viewer.

    Parameters
    ----------
    image : Image
    address : str
        Where its group is served, with a slash at the end.
    channels : sequence of Channel
    labels : sequence of Labels
        Object sets; the first is shown, the others are a click away.
    title : str
    units : bool
        Whether sizes are micrometres, rather than pixels.
    """
    along = _axes(image, units=units)
    names = _distinct([*(channel.name for channel in channels), *(one.name for one in labels)])
    pictures, sets = names[: len(channels)], names[len(channels) :]
    source = f"{address}|{FORMATS[image.version]}:"
    return {
        "title": title,
        "dimensions": {letter: [scale, unit] for letter, (_, scale, unit) in along.items()},
        "position": [_start(letter, n) for letter, (n, _, _) in along.items()],
        "displayDimensions": [a for a in "xyz" if a in along],
        "crossSectionScale": _zoom(image),
        "projectionScale": _zoom(image) * SCREEN_PX,
        "layers": [
            *(
                _picture(name, source, c, channel, image)
                for c, (name, channel) in enumerate(zip(pictures, channels, strict=True))
            ),
            *(
                _overlay(name, one, shown=number == 0)
                for number, (name, one) in enumerate(zip(sets, labels, strict=True))
            ),
        ],
        "selectedLayer": {"layer": (sets or pictures)[0], "visible": True},
        "layout": "4panel" if image.shape[2] >= DEEP else "xy",
        "showAxisLines": False,
        "showDefaultAnnotations": False,
    }


def _axes(image: Image, *, units: bool) -> dict[str, tuple[int, float, str]]:
    """Length, scale and unit along each axis but that of channels, x first."""
    lengths = dict(zip("tzyx", (image.shape[0], *image.shape[2:]), strict=True))
    spacing = dict(zip("zyx", image.spacing_um, strict=True))
    return {
        letter: (
            lengths[letter],
            spacing[letter] * (1e-6 if units else 1.0) if letter in spacing else 1.0,
            "m" if units and letter in spacing else "",
        )
        for letter in "xyzt"
        if letter in image.axes
    }


def _start(letter: str, length: int) -> float:
    """Where the view begins: the first time point, the middle plane, the centre."""
    if letter == "t":
        return 0.5
    return length // 2 + 0.5 if letter == "z" else length / 2


def _zoom(image: Image) -> float:
    """Voxels (of the finest axis) a screen pixel."""
    _, _, z, y, x = image.shape
    dz, dy, dx = image.spacing_um
    finest = min(dz, dy, dx) if "z" in image.axes else min(dy, dx)
    if z < DEEP:
        return max(y * dy, x * dx) / finest / SCREEN_PX
    # Four panels share the screen.
    return max(z * dz, y * dy, x * dx) / finest / (SCREEN_PX / 2)


def _contrast(limits: tuple[float, float], dtype: str) -> dict[str, list[float]]:
    """Limits, and the histogram around them; the viewer ignores both beyond the data type."""
    low, high = limits
    margin = (high - low) / 2
    window = [low - margin, high + margin]
    if np.dtype(dtype).kind == "f":
        return {"range": [low, high], "window": window}
    least, most = (int(n) for n in (np.iinfo(dtype).min, np.iinfo(dtype).max))
    first = min(max(round(low), least), most - 1)
    last = min(max(round(high), first + 1), most)
    return {"range": [first, last], "window": [min(max(round(n), least), most) for n in window]}


def _picture(name: str, source: str, number: int, channel: Channel, image: Image) -> dict[str, Any]:
    local = {"localDimensions": {"c'": [1, ""]}, "localPosition": [number]}
    return {
        "type": "image",
        "name": name,
        "source": source,
        **(local if "c" in image.axes else {}),
        "visible": channel.shown,
        "opacity": 1,
        "blend": "additive",
        "shader": SHADER,
        "shaderControls": {
            "contrast": _contrast(channel.limits, image.dtype),
            "color": channel.colour,
        },
        "tab": "rendering",
    }


def _overlay(name: str, labels: Labels, *, shown: bool) -> dict[str, Any]:
    return {
        "type": "segmentation",
        "name": name,
        "source": f"{labels.address}|{FORMATS[labels.version]}:",
        "visible": shown,
        "selectedAlpha": OPACITY,
        "notSelectedAlpha": 0.1,
        "segments": [],
        "tab": "rendering",
    }


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that differ: a set may be called as a channel is."""
    found: list[str] = []
    for name in names:
        tried, number = name, 2
        while tried in found:
            tried, number = f"{name} ({number})", number + 1
        found.append(tried)
    return found
