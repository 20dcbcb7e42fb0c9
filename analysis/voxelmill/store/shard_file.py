"""One shard of a label image as the bytes of one file.

In: a painter of the labels of one shard, clipped at the array's edge. Out: a `sharding_indexed`
object of Zarr v3 whose inner chunks are little-endian int32, zstd, in raster order, every one
stored; the index with its CRC-32C comes last. The same labels give the same bytes.

zarr writes the same in four times the time: each chunk passes an event loop and two copies.
Source: Zarr v3 `sharding_indexed` codec 1.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import imagecodecs
import numpy as np

from voxelmill.blocks import Box
from voxelmill.painter import Painter
from voxelmill.plugin import Index, Labels

LOST = -1
"""Fill value: what a voxel reads as when its chunk is not there."""
ZSTD_LEVEL = 1
_ABSENT = 2**64 - 1


@dataclass(frozen=True)
class Sample:
    """A level that is taken from level 0 in strides of `factor`, filled chunk by chunk."""

    factor: Index
    labels: Labels

    def take(self, start: Sequence[int], part: Labels) -> None:
        """Take what the chunk `part`, which starts at `start` in its shard, holds of this level."""
        near, here = [], []
        for a, n, f, most in zip(start, part.shape, self.factor, self.labels.shape, strict=True):
            first, last = -(-a // f), min(-(-(a + n) // f), most)
            here.append(slice(first, last))
            near.append(slice(first * f - a, max(last * f - a, 0), f))
        self.labels[tuple(here)] = part[tuple(near)]


def encode_shard(
    paint: Painter,
    box: Box,
    shard: Sequence[int],
    chunk: Index,
    samples: Sequence[Sample] = (),
) -> bytes:
    """Encode one shard.

    Parameters
    ----------
    paint : Painter
        Gives the labels; asked for one chunk after the other.
    box : Box
        What of the shard lies in the array, in voxels of the whole image.
    shard, chunk : sequence of int
        Extent of a whole shard and of a chunk along z, y, x. Chunks that reach beyond `box` are
        filled up with `LOST`; those that lie beyond it are not stored.
    samples : sequence of Sample
        Levels to fill by the way, while a chunk is in the processor's cache.
    """
    import google_crc32c

    table = np.full((*(s // c for s, c in zip(shard, chunk, strict=True)), 2), _ABSENT, "<u8")
    buffer: Any = np.empty(chunk, "<i4")
    parts: list[bytes] = []
    offset = 0
    for index in product(*map(range, table.shape[:3])):
        start = [i * c for i, c in zip(index, chunk, strict=True)]
        part = _part(box, start, chunk)
        if not part.size:
            continue
        inside = buffer[tuple(map(slice, part.shape))]
        if part.shape != chunk:
            buffer.fill(LOST)
        paint(part, inside)
        for sample in samples:
            sample.take(start, inside)
        encoded = bytes(imagecodecs.zstd_encode(buffer, level=ZSTD_LEVEL))
        table[index] = offset, len(encoded)
        offset += len(encoded)
        parts.append(encoded)
    body = table.tobytes()
    return b"".join([*parts, body, google_crc32c.value(body).to_bytes(4, "little")])


def _part(box: Box, start: Sequence[int], chunk: Index) -> Box:
    """What of the chunk at `start` of a shard lies in the array."""
    z, y, x = (a + b for a, b in zip(box.start, start, strict=True))
    dz, dy, dx = chunk
    return Box((z, y, x), (z + dz, y + dy, x + dx)).clip(box)
