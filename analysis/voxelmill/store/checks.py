"""What a stored chunk or shard must be before it is decoded; all else is StoreUnavailable.

zarr and its stores turn "not found" into the fill value, read a shard of 0 bytes the same way, and
the blosc decoder believes the length in a chunk's own header, beyond the end of the chunk. So every
answer of a store is checked here first, whoever decodes it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxelmill.ngff import ArrayInfo
from voxelmill.plugin import StoreUnavailable
from voxelmill.store.shards import held_chunks, read_index, wanted_chunks

BLOSC_HEADER = 16
_STEP = "Set sparse: allow where absent means background."


@dataclass(frozen=True)
class Checks:
    """The chunks of the array at `prefix`; `place` names the dataset in errors."""

    array: ArrayInfo
    prefix: str
    place: str
    sparse: bool

    def present(self, key: str, size: int | None) -> bool:
        """Whether an object is there; False only where absent chunks mean background."""
        if size is None:
            if self.sparse:
                return False
            raise self.bad(key, "is missing", _STEP)
        if size == 0:
            raise self.bad(key, "is empty")
        return True

    def chunk(
        self, key: str, head: bytes | memoryview, size: int, expected: int | None = None
    ) -> None:
        """Check the first bytes of a chunk and its length, where `expected` is known."""
        if expected is not None and size != expected:
            raise self.bad(key, "is truncated")
        if self.array.codecs[-1:] != ("blosc",):
            return
        # c-blosc 1 header: bytes 12 to 16 are the compressed size, little-endian
        if size < max(int.from_bytes(head[12:BLOSC_HEADER], "little"), BLOSC_HEADER):
            raise self.bad(key, "is truncated")

    def index(self, key: str, data: bytes, size: int | None = None) -> NDArray[np.uint64]:
        """Table of a shard from its index; `size` is that of the shard, where it is known."""
        table = read_index(self.array, data)
        if table is None:
            raise self.bad(key, "has a damaged index")
        listed = held_chunks(table)
        if size is not None and (listed & ~held_chunks(table, size)).any():
            raise self.bad(key, "is truncated")
        index = self.array.index(key.removeprefix(self.prefix).lstrip("/"))
        gaps = wanted_chunks(self.array, index) & ~listed
        if gaps.any() and not self.sparse:
            first = ",".join(map(str, np.argwhere(gaps)[0]))
            raise self.bad(key, f"lacks inner {first}", _STEP)
        return table

    def bad(self, key: str, state: str, step: str = "Copy the image again.") -> StoreUnavailable:
        """Error that names the chunk and its state."""
        return StoreUnavailable(f"{self.place}: chunk {key} {state}; must be whole. {step}")
