"""Zarr arrays for which damage is an error, not zeros: every answer of their store is checked.

For the codecs that ``chunks`` leaves to zarr.
"""

import json
from collections.abc import Iterable
from typing import Any

from zarr import Array, AsyncArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import StorePath, WrapperStore

from voxelmill.store.checks import BLOSC_HEADER, Checks
from voxelmill.store.shards import held_chunks, index_length


def build_array(store: Store, checks: Checks) -> Array[Any]:
    """Zarr array with the metadata that were checked on opening; makes no request."""
    checked = CheckedStore(store)
    checked.checks = checks
    metadata = json.loads(checks.array.document)
    return Array(AsyncArray(metadata=metadata, store_path=StorePath(checked, checks.prefix)))


class CheckedStore(WrapperStore[Store]):
    """The chunks of one array; what is missing or damaged is StoreUnavailable."""

    checks: Checks

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Content of `key`; None only where absent chunks mean background."""
        found = await self._store.get(key, prototype, byte_range)
        if not self.checks.present(key, None if found is None else len(found)):
            return None
        if found is not None:
            self._check(key, found, byte_range)
        return found

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Content of parts of several keys."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    def _check(self, key: str, data: Buffer, part: ByteRequest | None) -> None:
        if self.checks.array.shards is None:
            self._check_chunk(key, data, None)
            return
        length = index_length(self.checks.array)
        if part is None:
            self._check_shard(key, data, length)
        elif isinstance(part, SuffixByteRequest) or part == RangeByteRequest(0, length):
            self.checks.index(key, data.to_bytes())
        elif isinstance(part, RangeByteRequest):
            self._check_chunk(key, data, part.end - part.start)

    def _check_shard(self, key: str, data: Buffer, length: int) -> None:
        index = data[-length:] if self.checks.array.index_at_end else data[:length]
        table = self.checks.index(key, index.to_bytes(), len(data))
        for offset, size in table[held_chunks(table)].tolist():
            self._check_chunk(key, data[offset : offset + size], None)

    def _check_chunk(self, key: str, data: Buffer, expected: int | None) -> None:
        self.checks.chunk(key, data[:BLOSC_HEADER].to_bytes(), len(data), expected)
