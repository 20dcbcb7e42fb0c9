"""Metadata of one level of a label image: the very bytes that zarr itself would write (a test).

Written without zarr, which takes longer to import than a field takes to segment.
"""

import json
from typing import Any

from voxelmill.store.label_layout import Level
from voxelmill.store.shard_file import LOST, ZSTD_LEVEL

LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
ZSTD = {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}}


def array_document(axes: str, times: int, level: Level) -> bytes:
    """Metadata (``zarr.json``, Zarr 3) of one level.

    Parameters
    ----------
    axes : str
        Letters of ``tzyx``, in that order.
    times : int
        Time points.
    level : Level
        Extents along z, y, x.
    """
    lengths = {
        "shape": {"t": times, **dict(zip("zyx", level.shape, strict=True))},
        "chunk": {"t": 1, **dict(zip("zyx", level.chunk, strict=True))},
        "shard": {"t": 1, **dict(zip("zyx", level.shard, strict=True))},
    }
    of = {what: [along[a] for a in axes] for what, along in lengths.items()}
    sharding = {
        "chunk_shape": of["chunk"],
        "codecs": [LITTLE_ENDIAN, ZSTD],
        "index_codecs": [LITTLE_ENDIAN, {"name": "crc32c"}],
        "index_location": "end",
    }
    document: dict[str, Any] = {
        "shape": of["shape"],
        "data_type": "int32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": of["shard"]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": LOST,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
        "dimension_names": list(axes),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    return json.dumps(document, indent=2).encode()
