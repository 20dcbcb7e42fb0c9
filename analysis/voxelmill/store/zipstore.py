"""What lies under one key of a zipped OME-Zarr, for the codecs that are left to zarr."""

from pathlib import Path
from typing import Self

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore, ZipStore


class Inside(WrapperStore[ZipStore]):
    """A read-only store whose root is not that of the archive."""

    prefix: str

    @classmethod
    def of(cls, path: Path, prefix: str) -> Self:
        """Store of what lies under `prefix` in the archive at `path`."""
        store = cls(ZipStore(path, mode="r", read_only=True))
        store.prefix = prefix
        return store

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Content of `key`, or a part of it."""
        name = "/".join(part for part in (self.prefix, key) if part)
        return await self._store.get(name, prototype, byte_range)
