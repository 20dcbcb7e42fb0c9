"""What is known of one Zarr array: its extent, its grid of stored objects, and their keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod


@dataclass(frozen=True)
class ArrayInfo:
    """One Zarr array's own metadata; tuples are in stored axis order.

    Attributes
    ----------
    dtype : str
        Numpy type string with byte order as stored, e.g. '>u2'.
    chunks : tuple of int
        Smallest unit that is decoded.
    shards : tuple of int, optional
        Extent of one stored object where it holds several chunks.
    codecs : tuple of str
        Names of compressors and filters, in the order they are applied on writing.
    key_prefix, separator : str
        How a chunk's index becomes its key.
    index_at_end, index_crc : bool
        Where a shard keeps its index, and whether a CRC-32C follows it.
    index_order : str
        Byte order of the shard index, '<' or '>'.
    document : str
        The checked metadata document itself, without user attributes.
    """

    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    codecs: tuple[str, ...]
    key_prefix: str
    separator: str
    document: str
    index_at_end: bool = True
    index_crc: bool = True
    index_order: str = "<"
    dimension_names: tuple[str | None, ...] | None = None

    @property
    def stored(self) -> tuple[int, ...]:
        """Extent of one stored object: a shard, or a chunk where there are none."""
        return self.shards or self.chunks

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of stored objects along each axis of a complete array."""
        return tuple(-(-n // s) for n, s in zip(self.shape, self.stored, strict=True))

    @property
    def objects(self) -> int:
        """Number of stored objects of a complete array."""
        return prod(self.counts)

    @property
    def per_shard(self) -> tuple[int, ...]:
        """Number of chunks along each axis of one stored object."""
        return tuple(s // c for s, c in zip(self.stored, self.chunks, strict=True))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Grid indices of all stored objects."""
        return product(*(range(n) for n in self.counts))

    def key(self, index: tuple[int, ...]) -> str:
        """Key of a stored object, relative to the array."""
        parts = [self.key_prefix] if self.key_prefix else []
        return self.separator.join(parts + [str(i) for i in index])

    def index(self, key: str) -> tuple[int, ...]:
        """Grid index of the stored object at `key`: the inverse of `key`."""
        parts = key.split(self.separator)
        return tuple(int(part) for part in parts[1 if self.key_prefix else 0 :])
