"""Shard indexes: which inner chunks a stored object holds.

Source: Zarr v3 `sharding_indexed` codec 1.0: a table of (offset, length), one pair of uint64 a
chunk in row-major order, both 2**64 - 1 where there is no chunk, then perhaps a CRC-32C.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from voxelmill.ngff import ArrayInfo

ABSENT = 2**64 - 1


def index_length(array: ArrayInfo) -> int:
    """Size in bytes of a shard's index."""
    return 16 * prod(array.per_shard) + (4 if array.index_crc else 0)


def read_index(array: ArrayInfo, data: bytes) -> NDArray[np.uint64] | None:
    """Table of offset and length, (*chunks a shard, 2); None where it is cut or damaged."""
    if len(data) != index_length(array):
        return None
    body = data[: 16 * prod(array.per_shard)]
    if array.index_crc:
        import google_crc32c

        if google_crc32c.value(body) != int.from_bytes(data[len(body) :], "little"):
            return None
    return np.frombuffer(body, f"{array.index_order}u8").reshape(*array.per_shard, 2)


def held_chunks(table: NDArray[np.uint64], size: int | None = None) -> NDArray[np.bool_]:
    """Which chunks a shard's index lists, and lie within its `size` where that is known."""
    offset, length = table[..., 0], table[..., 1]
    held: NDArray[np.bool_] = (offset != ABSENT) & (length > 0)
    if size is not None:
        held &= (offset <= size) & (length <= size) & (offset + length <= size)
    return held


def wanted_chunks(array: ArrayInfo, index: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which chunks of the shard at `index` lie in the array, rather than beyond its edge."""
    grid = array.per_shard
    wanted = np.ones(grid, bool)
    for axis, (i, n) in enumerate(zip(index, grid, strict=True)):
        first = (i * n + np.arange(n)) * array.chunks[axis]
        inside = first < array.shape[axis]
        wanted &= inside.reshape([-1 if a == axis else 1 for a in range(len(grid))])
    return wanted
