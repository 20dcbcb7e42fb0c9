"""Zarr arrays for which damage is an error, not zeros and not what happens to lie in memory.

zarr and its stores turn "not found" into the fill value, read a shard of 0 bytes the same way, and
the blosc decoder believes the length in a chunk's own header, beyond the end of the chunk. So every
answer of a store is checked here before zarr sees it.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from zarr import Array, AsyncArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import StorePath, WrapperStore

from voxelmill.ngff import ArrayInfo
from voxelmill.plugin import StoreUnavailable
from voxelmill.store.shards import held_chunks, index_length, read_index, wanted_chunks

_BLOSC_HEADER = 16


def build_array(store: Store, path: str, array: ArrayInfo, place: str, sparse: bool) -> Array[Any]:
    """Zarr array at `path` of `store` with the metadata of `array`; makes no request."""
    checked = CheckedStore(store)
    checked.prefix, checked.array, checked.place, checked.sparse = path, array, place, sparse
    metadata = json.loads(array.document)
    return Array(AsyncArray(metadata=metadata, store_path=StorePath(checked, path)))


class CheckedStore(WrapperStore[Store]):
    """The chunks of one array; what is missing or damaged is StoreUnavailable."""

    array: ArrayInfo
    prefix: str
    place: str
    sparse: bool

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Content of `key`; None only where absent chunks mean background."""
        found = await self._store.get(key, prototype, byte_range)
        if found is None:
            if self.sparse:
                return None
            raise self._bad(key, "is missing", "Set sparse: allow where absent means background.")
        if len(found) == 0:
            raise self._bad(key, "is empty")
        self._check(key, found, byte_range)
        return found

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Content of parts of several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    def _bad(self, key: str, state: str, step: str = "Copy the image again.") -> StoreUnavailable:
        return StoreUnavailable(f"{self.place}: chunk {key} {state}; must be whole. {step}")

    def _check(self, key: str, data: Buffer, part: ByteRequest | None) -> None:
        if self.array.shards is None:
            self._check_chunk(key, data)
            return
        length = index_length(self.array)
        if part is None:
            self._check_shard(key, data, length)
        elif isinstance(part, SuffixByteRequest) or part == RangeByteRequest(0, length):
            self._check_index(key, data, None)
        elif isinstance(part, RangeByteRequest):
            if len(data) != part.end - part.start:
                raise self._bad(key, "is truncated")
            self._check_chunk(key, data)

    def _check_shard(self, key: str, data: Buffer, length: int) -> None:
        index = data[-length:] if self.array.index_at_end else data[:length]
        table = self._check_index(key, index, len(data))
        for offset, size in table[held_chunks(table)].tolist():
            self._check_chunk(key, data[offset : offset + size])

    def _check_index(self, key: str, data: Buffer, size: int | None) -> "np.ndarray[Any, Any]":
        table = read_index(self.array, data.to_bytes())
        if table is None:
            raise self._bad(key, "has a damaged index")
        listed = held_chunks(table)
        if size is not None and (listed & ~held_chunks(table, size)).any():
            raise self._bad(key, "is truncated")
        index = self.array.index(key.removeprefix(self.prefix).lstrip("/"))
        gaps = wanted_chunks(self.array, index) & ~listed
        if gaps.any() and not self.sparse:
            first = ",".join(map(str, np.argwhere(gaps)[0]))
            raise self._bad(
                key, f"lacks inner {first}", "Set sparse: allow where absent means background."
            )
        return table

    def _check_chunk(self, key: str, data: Buffer) -> None:
        if self.array.codecs[-1:] != ("blosc",):
            return
        # c-blosc 1 header: bytes 12 to 16 are the compressed size, little-endian
        size = int.from_bytes(data[12:_BLOSC_HEADER].to_bytes(), "little")
        if len(data) < max(size, _BLOSC_HEADER):
            raise self._bad(key, "is truncated")
