"""Boxes of pixels, read-only.

In: an Image from `open_image`, here or in another process, and a Box. Out: pixels (c, z, y, x).

Zarr arrays are built from the metadata that was checked on opening: nothing is parsed or requested
twice, and no codec is used that was not checked.
"""

import lzma
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from voxelmill.blocks import Box
from voxelmill.ngff import Image, place_of
from voxelmill.plugin import (
    AccessDenied,
    BadInput,
    Index,
    Pixels,
    StoreUnavailable,
    VoxelmillError,
)
from voxelmill.store.checks import Checks
from voxelmill.store.chunks import StoredArray
from voxelmill.store.objects import join
from voxelmill.store.open import open_dataset, open_image
from voxelmill.store.remote import reason, store_errors
from voxelmill.store.sharing import near_faces

__all__ = ["Image", "open_dataset", "open_image", "read_box"]


def read_box(
    image: Image,
    t: int,
    channels: Sequence[int],
    box: Box,
    level: int = 0,
    *,
    sparse: bool = False,
    halo: Index | None = None,
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
    halo : tuple of int, optional
        How far along z, y, x `box` reaches into what other boxes read too: chunks there are kept
        decoded for them (see ``cache``). None: guessed from where `box` cuts chunks.

    Returns
    -------
    ndarray, (c, z, y, x)
        The stored data type in native byte order; booleans as uint8, 0 and 1.

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
    prefix = join(image.path, scale.path)
    array = StoredArray(image.url, Checks(scale.array, prefix, place_of(image.url), sparse))
    order = "".join(letter for letter in image.axes if letter != "t")
    shared = near_faces(box, image.shape_at(level)[2:], image.axes, scale.array.chunks, halo)
    whole: list[Pixels] = []
    with _chunk_errors(f"{image.place}/{scale.path}"):
        for run in _runs(channels) if "c" in order else [range(1)]:
            picks = dict(zip("zyx", map(range, box.start, box.stop), strict=True))
            picks |= {"c": run, "t": range(t, t + 1)}
            part = array.read([picks[a] for a in image.axes], shared)
            if part.dtype.kind == "b":
                part = np.minimum(part.view(np.uint8), 1)
            whole.append(_arranged(part.reshape(part.shape["t" in image.axes :]), order))
    return np.ascontiguousarray(whole[0] if len(whole) == 1 else np.concatenate(whole))


def _arranged(part: Pixels, order: str) -> Pixels:
    """Turn axes in the stored `order` into (c, z, y, x), adding the absent ones."""
    absent = [letter for letter in "czyx" if letter not in order]
    part = part.reshape((1,) * len(absent) + part.shape)
    order = "".join(absent) + order
    return part.transpose([order.index(letter) for letter in "czyx"])


def _runs(channels: Sequence[int]) -> Iterator[range]:
    """Consecutive channels as one range each, so that a chunk with all of them is read once."""
    start = 0
    for i in range(1, len(channels) + 1):
        if i == len(channels) or channels[i] != channels[i - 1] + 1:
            yield range(channels[start], channels[i - 1] + 1)
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
