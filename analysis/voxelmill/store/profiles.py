"""Illumination profiles as OME-Zarr 0.5: a collection of images, here or on an object store.

In: flat-fields and dark-fields, (2 · c, y, x). Out: ``<root>/<number>``, an image each, with the
channels ``<channel>`` and ``<channel> dark``. What was there before is replaced.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from voxelmill.store.documents import write_bytes, write_group
from voxelmill.store.place import place_at, remove
from voxelmill.store.write import Channel, write_image


@dataclass(frozen=True)
class ProfileImage:
    """Profiles of all channels of the images of one kind."""

    profiles: NDArray[np.float32]
    """(2 · c, y, x)."""
    channels: tuple[str, ...]
    spacing_um: tuple[float, float, float]
    """Of the profile's own pixels."""
    name: str


def write_profiles(root: str, images: Sequence[ProfileImage]) -> None:
    """Write profiles.

    Raises
    ------
    BadConfig
        Nothing can be written at `root`.
    """
    target = place_at(root)
    remove(target)
    with TemporaryDirectory(prefix="voxelmill-illumination-") as folder:
        for number, image in enumerate(images):
            _write(Path(folder) / str(number), image)
        for file in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            parts = file.relative_to(folder).parts
            write_bytes(target.joinpath(*parts), file.read_bytes())
    write_group(target, "0.5", {"bioformats2raw.layout": 3})


def _write(folder: Path, image: ProfileImage) -> None:
    count = len(image.channels)
    flat, dark = image.profiles[:count], image.profiles[count:]
    windows = [(0.0, float(f.max())) for f in flat]
    windows += [(0.0, max(1.0, float(d.max()))) for d in dark]
    names = [*image.channels, *(f"{name} dark" for name in image.channels)]
    channels = [Channel(n, window=w) for n, w in zip(names, windows, strict=True)]
    pixels = np.ascontiguousarray(image.profiles)[None, :, None]
    write_image(str(folder), pixels, "cyx", image.spacing_um, channels, name=image.name)
