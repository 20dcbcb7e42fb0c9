"""Metadata of one level of a label image, as zarr itself writes them."""

import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from voxelmill.store.label_layout import Level
from voxelmill.store.shard_file import LOST, ZSTD_LEVEL


def array_document(axes: str, times: int, level: Level) -> bytes:
    """Metadata (``zarr.json``) of one level."""
    of = {
        "shape": {"t": times, **dict(zip("zyx", level.shape, strict=True))},
        "chunks": {"t": 1, **dict(zip("zyx", level.chunk, strict=True))},
        "shards": {"t": 1, **dict(zip("zyx", level.shard, strict=True))},
    }
    shape, chunks, shards = (tuple(lengths[a] for a in axes) for lengths in of.values())
    files: dict[str, Buffer] = {}
    zarr.create_array(
        MemoryStore(files),
        shape=shape,
        chunks=chunks,
        shards=shards,
        dtype="int32",
        fill_value=LOST,
        compressors=ZstdCodec(level=ZSTD_LEVEL),
        dimension_names=list(axes),
    )
    return files["zarr.json"].to_bytes()
