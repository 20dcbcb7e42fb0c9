"""A piece of an image, stored in several ways: the same pixels in other chunks and versions.

In: an image. Out: small OME-Zarrs ``<folder>/<storage>/image.ome.zarr`` with the same pyramid.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelmill.blocks import Box
from voxelmill.plugin import AccessDenied, BadInput, Index, Pixels, StoreUnavailable
from voxelmill.store.documents import Version
from voxelmill.store.open import open_dataset, open_image
from voxelmill.store.read import Image, read_box
from voxelmill.store.write import Shape5, write_image


@dataclass(frozen=True)
class Storage:
    """Version, chunk and shard along t, c, z, y, x."""

    version: Version
    chunk: Shape5
    shard: Shape5 | None = None


STORAGES = {
    "0.5-one-chunk": Storage("0.5", (1 << 20,) * 5),
    "0.4-odd-chunks": Storage("0.4", (1, 1, 5, 97, 113)),
    "0.5-shards": Storage("0.5", (1, 1, 3, 64, 64), (1, 1, 6, 256, 256)),
}
"""Ways of storing an image, by name; the first is the plainest."""


def find_image(url: str, path: str | None) -> Image:
    """Open one image of a dataset: the one at `path`, or the first that can be opened.

    Raises
    ------
    BadInput, StoreUnavailable, AccessDenied
        There is none, or it cannot be read.
    """
    if path is not None:
        return open_image(url, path)
    dataset = open_dataset(url)
    problem = f"{url}: no images in it. Name another dataset"
    for ref in dataset.images:
        try:
            return open_image(url, ref.path)
        except (BadInput, StoreUnavailable, AccessDenied) as error:
            problem = str(error)
    raise BadInput(problem)


def centre(shape: Index, edge: int) -> Box:
    """Box of at most `edge` along y and x in the middle of an image, all planes."""
    starts = [max(0, n - edge) // 2 for n in shape[1:]]
    stops = [a + min(n, edge) for a, n in zip(starts, shape[1:], strict=True)]
    return Box((0, starts[0], starts[1]), (shape[0], stops[0], stops[1]))


def read_crop(image: Image, box: Box, times: int, *, sparse: bool) -> Pixels:
    """Pixels (t, c, z, y, x) of the first `times` time points, all channels.

    Raises
    ------
    StoreUnavailable, AccessDenied
        A chunk cannot be read, or is absent and `sparse` is not set.
    """
    channels = range(image.shape[1])
    return np.stack([read_box(image, t, channels, box, sparse=sparse) for t in range(times)])


def write_crop(folder: Path, pixels: Pixels, image: Image) -> None:
    """Write the pixels of a crop in all `STORAGES`, with the axes, names and scale of `image`."""
    # Channel names need a channel axis; label images have none either way.
    axes = "".join(a for a in "tczyx" if a in image.axes or a == "c")
    for name, how in STORAGES.items():
        write_image(
            str(folder / name / "image.ome.zarr"),
            pixels,
            axes,
            image.spacing_um,
            list(image.channels),
            chunk=how.chunk,
            shard=how.shard,
            version=how.version,
        )
