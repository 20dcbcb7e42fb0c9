"""Writing images as OME-Zarr 0.4 or 0.5: what `ingest` and the demo make.

In: an image in memory, (t, c, z, y, x), as large as a field of a plate. Out: one multiscale image,
every chunk stored (zeros too: an absent chunk is damage), levels by 2 x 2 means along y and x, and
``omero`` channel names, colours and display windows. For label images see ``labels``, for plates
``plate``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from voxelmill.plugin import Array, BadInput, OutputExists
from voxelmill.store.documents import (
    Document,
    Version,
    check_axes,
    local_folder,
    multiscales,
    write_group,
)
from voxelmill.store.label_layout import SMALLEST_LEVEL

Shape5: TypeAlias = tuple[int, int, int, int, int]

CHUNK: Shape5 = (1, 1, 1, 1024, 1024)
SHARD_BYTES = 1 << 26
COLOURS = ("00A0FF", "00E060", "FF3030", "FF00FF", "FFC000", "00E0E0", "FFFFFF")
"""Display colours in the order of the channels: nothing is guessed from their names."""


@dataclass(frozen=True)
class Channel:
    """How a channel is called and shown; None: chosen from its position or its pixels."""

    label: str
    colour: str | None = None
    window: tuple[float, float] | None = None


def write_image(
    place: str,
    pixels: Array,
    axes: str,
    spacing_um: Sequence[float | None] | None,
    channels: Sequence[Channel | str],
    *,
    chunk: Shape5 = CHUNK,
    shard: Shape5 | None = None,
    version: Version = "0.5",
    name: str = "",
) -> None:
    """Write one image and its pyramid.

    Parameters
    ----------
    place : str
        Folder to create.
    pixels : (t, c, z, y, x) array
        Integers or floats; length 1 along axes that `axes` leaves out.
    axes : str
        Axes on disk, letters of ``tczyx`` in that order.
    spacing_um : sequence of float or None, or None
        Voxel size along z, y, x in micrometres; None: unknown, no unit is written.
    channels : sequence of Channel or str
        One a channel.
    chunk : tuple of int
        Chunk along t, c, z, y, x; clipped to the image.
    shard : tuple of int, optional
        Shard, whole chunks (0.5 only); None: one file a chunk. See ``image_shard``.
    version : {'0.4', '0.5'}
        Version of the specification; 0.4 is Zarr v2.
    name : str
        Name of the image; default: that of the folder.

    Raises
    ------
    BadInput
        Axes, shape, channels and version do not fit together.
    OutputExists
        The folder is there already.
    """
    folder = local_folder(place)
    _check_image(folder, pixels, axes, channels, version, shard)
    if folder.exists():
        raise OutputExists(f"{place}: is there already. Remove it, or name another output.")
    levels = mean_pyramid(pixels)
    factors = [(1, 2**k, 2**k) for k in range(len(levels))]
    metadata: Document = {
        "multiscales": multiscales(
            axes, spacing_um, factors, version, name=name or folder.name, method="mean"
        )
    }
    if "c" in axes:
        metadata["omero"] = _omero(channels, levels, version)
    for number, level in enumerate(levels):
        _write_array(folder, str(number), level, axes, chunk, shard, version)
    write_group(folder, version, metadata)


def image_shard(shape: Sequence[int], itemsize: int, chunk: Shape5 = CHUNK) -> Shape5:
    """Shard that makes the fewest files: all of a time point, or of a channel, or of a plane.

    Parameters
    ----------
    shape : sequence of int
        Extent along t, c, z, y, x.
    itemsize : int
        Bytes of one voxel.
    chunk : tuple of int
        Chunk along the same axes.

    Returns
    -------
    tuple of int
        Whole chunks; at most 64 MiB unless one plane is larger.
    """
    full = [-(-n // min(n, c)) * min(n, c) for n, c in zip(shape, chunk, strict=True)]
    full[0] = min(shape[0], chunk[0])
    for axis in (1, 2):
        if np.prod(full) * itemsize > SHARD_BYTES:
            full[axis] = min(shape[axis], chunk[axis])
    t, c, z, y, x = full
    return t, c, z, y, x


def mean_pyramid(pixels: Array) -> list[Array]:
    """Levels by 2 x 2 means along y and x, rounding sizes up, until both are at most 256.

    Integers are averaged in integers, half rounded up; an odd edge is averaged with itself.
    """
    levels = [pixels]
    while max(levels[-1].shape[-2:]) > SMALLEST_LEVEL:
        levels.append(_halve(levels[-1]))
    return levels


def _local_store(folder: Path) -> LocalStore:
    """Store of a folder; it replaces files atomically, but does not flush them to the disk.

    A killed writer leaves at most a ``*.partial`` file, which no reader looks at. After a power cut
    a file may be short: a shard's checksum then fails, which readers report as damage.
    """
    return LocalStore(folder)


def _halve(pixels: Array) -> Array:
    odd = [(0, 0)] * (pixels.ndim - 2) + [(0, n % 2) for n in pixels.shape[-2:]]
    padded = np.pad(pixels, odd, mode="edge") if any(n % 2 for n in pixels.shape[-2:]) else pixels
    corners = [padded[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    if pixels.dtype.kind not in "iu":
        mean = sum(c.astype(np.float64) for c in corners) / 4
        return np.asarray(mean, dtype=pixels.dtype)
    wide: npt.DTypeLike = np.int32 if pixels.dtype.itemsize <= 2 else np.int64
    total = corners[0].astype(wide)
    for corner in corners[1:]:
        total += corner.astype(wide)
    return ((total + 2) >> 2).astype(pixels.dtype)


def _check_image(
    folder: Path,
    pixels: Array,
    axes: str,
    channels: Sequence[Channel | str],
    version: Version,
    shard: Shape5 | None,
) -> None:
    if pixels.ndim != 5 or not pixels.size or pixels.dtype.kind not in "iuf":
        raise BadInput(f"{folder}: {pixels.dtype} of shape {pixels.shape}; numbers, t c z y x.")
    check_axes(axes, pixels.shape, str(folder))
    if len(channels) != pixels.shape[1]:
        raise BadInput(f"{folder}: {len(channels)} channel names for {pixels.shape[1]} channels.")
    if shard is not None and version == "0.4":
        raise BadInput(f"{folder}: shards in OME-Zarr 0.4; only 0.5 has them. Leave them out.")


def _write_array(
    folder: Path,
    path: str,
    pixels: Array,
    axes: str,
    chunk: Shape5,
    shard: Shape5 | None,
    version: Version,
) -> None:
    keep = ["tczyx".index(a) for a in axes]
    shape = tuple(pixels.shape[i] for i in keep)
    chunks = tuple(min(chunk[i], pixels.shape[i]) for i in keep)
    options: dict[str, Any] = {"compressors": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")}
    if version == "0.4":
        options["compressors"] = {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 1}
        options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    else:
        options["dimension_names"] = list(axes)
    if shard is not None:
        pairs = [(shard[i], pixels.shape[i], min(chunk[i], pixels.shape[i])) for i in keep]
        options["shards"] = tuple(min(max(s // c, 1), -(-n // c)) * c for s, n, c in pairs)
    array = zarr.create_array(
        _local_store(folder),
        name=path,
        shape=shape,
        chunks=chunks,
        dtype=pixels.dtype,
        fill_value=0,
        zarr_format=2 if version == "0.4" else 3,
        config={"write_empty_chunks": True},
        **options,
    )
    array[...] = pixels.reshape(shape)


def _omero(
    channels: Sequence[Channel | str], levels: Sequence[Array], version: Version
) -> Document:
    """Channel names, colours and display windows (``start``/``end``: 0.1 and 99.9 % of level 1)."""
    sample = levels[min(1, len(levels) - 1)]
    dtype = levels[0].dtype
    listed = []
    for number, channel in enumerate(channels):
        given = Channel(channel) if isinstance(channel, str) else channel
        pixels = sample[:, number]
        start, end = given.window or np.percentile(pixels, (0.1, 99.9)).tolist()
        low, high = float(pixels.min()), float(pixels.max())
        if dtype.kind == "u":
            low, high = 0.0, float(np.iinfo(dtype).max)
        window = {"min": low, "max": high, "start": float(start), "end": float(end)}
        colour = given.colour or COLOURS[number % len(COLOURS)]
        listed.append({"label": given.label, "color": colour, "active": True, "window": window})
    entry: Document = {"channels": listed}
    return {"version": version, **entry} if version == "0.4" else entry
