"""Boxes of pixels, read-only.

In: an Image from `open_image`, here or in another process, and a Box. Out: pixels (c, z, y, x).

Zarr arrays are built from the metadata that was checked on opening: nothing is parsed or requested
twice, and no codec is used that was not checked.
"""

import lzma
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from voxelmill.blocks import Box
from voxelmill.ngff import ArrayInfo, Image, place_of
from voxelmill.plugin import AccessDenied, BadInput, Pixels, StoreUnavailable, VoxelmillError
from voxelmill.store.http import reason, store_errors
from voxelmill.store.objects import join, objects_at
from voxelmill.store.open import open_dataset, open_image

__all__ = ["Image", "open_dataset", "open_image", "read_box"]


def read_box(
    image: Image,
    t: int,
    channels: Sequence[int],
    box: Box,
    level: int = 0,
    *,
    sparse: bool = False,
) -> Pixels:
    """Read a box of pixels.

    Parameters
    ----------
    image : Image
        From `open_image`; may come from another process.
    t : int
        Time point.
    channels : sequence of int
        Channel indices, in the order wanted.
    box : Box
        Along z, y, x in voxels of `level`; must lie in it.
    level : int
        Index into ``image.levels``.
    sparse : bool
        A chunk that is not stored means background (the fill value). Otherwise it is an error.

    Returns
    -------
    ndarray, (c, z, y, x)
        The stored data type in native byte order.

    Raises
    ------
    BadInput
        Beyond the image.
    StoreUnavailable
        A chunk is missing, empty, truncated or cannot be decoded, or the store did not answer.
    AccessDenied
        The store refused to serve a chunk.
    """
    _check_bounds(image, t, channels, box, level)
    scale = image.levels[level]
    array = _array(image.url, join(image.path, scale.path), scale.array, sparse)
    order = "".join(letter for letter in image.axes if letter != "t")
    parts: list[Pixels] = []
    with _chunk_errors(f"{image.place}/{scale.path}"):
        for run in _runs(channels) if "c" in order else [slice(0, 1)]:
            picks = dict(zip("zyx", box.slices, strict=True)) | {"c": run}
            selection = tuple(t if a == "t" else picks[a] for a in image.axes)
            parts.append(np.asarray(array[selection]))
    whole = [_arranged(part, order) for part in parts]
    pixels = whole[0] if len(whole) == 1 else np.concatenate(whole)
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))


def _arranged(part: Pixels, order: str) -> Pixels:
    """Turn axes in the stored `order` into (c, z, y, x), adding the absent ones."""
    absent = [letter for letter in "czyx" if letter not in order]
    part = part.reshape((1,) * len(absent) + part.shape)
    order = "".join(absent) + order
    return part.transpose([order.index(letter) for letter in "czyx"])


def _runs(channels: Sequence[int]) -> Iterator[slice]:
    """Consecutive channels as one slice each, so that a chunk with all of them is read once."""
    start = 0
    for i in range(1, len(channels) + 1):
        if i == len(channels) or channels[i] != channels[i - 1] + 1:
            yield slice(channels[start], channels[i - 1] + 1)
            start = i


def _check_bounds(image: Image, t: int, channels: Sequence[int], box: Box, level: int) -> None:
    if not 0 <= level < len(image.levels):
        raise BadInput(f"{image.place}: level {level}; it has {len(image.levels)}.")
    nt, nc, *extent = image.shape_at(level)
    if not 0 <= t < nt:
        raise BadInput(f"{image.place}: time point {t}; it has {nt}.")
    if not channels or not all(0 <= c < nc for c in channels):
        raise BadInput(f"{image.place}: channels {list(channels)}; it has 0 to {nc - 1}.")
    inside = all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, extent, strict=True))
    if not inside:
        raise BadInput(
            f"{image.place}: box {box.start} to {box.stop} is empty or beyond level {level}; "
            f"it extends to {tuple(extent)}."
        )


@lru_cache(maxsize=256)
def _array(url: str, path: str, array: ArrayInfo, sparse: bool) -> Any:  # noqa: ANN401
    """Zarr array from checked metadata, without any request."""
    from voxelmill.store.strict import build_array

    return build_array(objects_at(url).zarr_store(), path, array, place_of(url), sparse)


@contextmanager
def _chunk_errors(place: str) -> Iterator[None]:
    try:
        with store_errors(place):
            yield
    except VoxelmillError:
        raise
    except PermissionError as error:
        raise AccessDenied(f"{place}: permission denied; must be readable.") from error
    except (OSError, ValueError, RuntimeError, TypeError, EOFError) as error:
        raise _undecodable(place, error) from error
    except (zlib.error, lzma.LZMAError) as error:
        raise _undecodable(place, error) from error


def _undecodable(place: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"{place}: a chunk cannot be read or decoded ({reason(error)}); "
        "it is truncated or damaged. Copy the image again."
    )
