"""Which chunks of an image are stored. Taken before a step reads: absence would read as zeros.

In: an Image and a level. Out: Inventory, with counts, bytes, the first missing keys and a digest
of what is there. Chunk contents are not read, but for the indexes of shards.

    1. sizes    the stored objects among the expected ones; an object of 0 bytes counts as missing
    2. shards   each shard's index: which of its inner chunks it holds
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from voxelmill.ngff import ArrayInfo, Image
from voxelmill.store.objects import Objects, join, objects_at
from voxelmill.store.shards import held_chunks, index_length, read_index, wanted_chunks

SHOWN = 5
"""Missing keys that are named."""


@dataclass(frozen=True)
class Inventory:
    """Stored chunks of one level of an image.

    Attributes
    ----------
    stored, expected : int
        Chunks that are there, and chunks of a complete array; inner chunks where it is sharded.
    bytes : int
        Size of the stored objects.
    missing : tuple of str
        First few keys that are missing.
    digest : str
        SHA-256 over the sorted lines 'key size' of the stored objects.
    """

    stored: int
    expected: int
    bytes: int
    missing: tuple[str, ...]
    digest: str

    @property
    def complete(self) -> bool:
        """No chunk is missing."""
        return self.stored == self.expected


def inventory(image: Image, level: int = 0, listed: Mapping[str, int] | None = None) -> Inventory:
    """Count the stored chunks of one level.

    Parameters
    ----------
    image : Image
    level : int
        Index into ``image.levels``.
    listed : mapping of str to int, optional
        Sizes of all that is stored of the dataset, by key, where somebody has listed it.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    scale = image.levels[level]
    array = scale.array
    prefix = join(image.path, scale.path)
    objects = objects_at(image.url)
    keys = (array.key(index) for index in array.indices())
    if listed is None:
        sizes = objects.sizes(prefix, keys)
    else:
        sizes = {key: listed[full] for key in keys if (full := join(prefix, key)) in listed}
    lines = "".join(f"{key} {size}\n" for key, size in sorted(sizes.items()))
    if array.shards is None:
        expected = array.objects
        stored = sum(size > 0 for size in sizes.values())
        absent = (key for key in map(array.key, array.indices()) if not sizes.get(key))
        missing = tuple(islice(absent, SHOWN)) if stored < expected else ()
    else:
        stored, expected, missing = _inner(objects, prefix, array, sizes)
    return Inventory(
        stored=stored,
        expected=expected,
        bytes=sum(sizes.values()),
        missing=tuple(f"{prefix}/{key}" for key in missing),
        digest=hashlib.sha256(lines.encode()).hexdigest(),
    )


def _inner(
    objects: Objects, prefix: str, array: ArrayInfo, sizes: dict[str, int]
) -> tuple[int, int, tuple[str, ...]]:
    stored = expected = 0
    missing: list[str] = []
    indices = list(array.indices())
    keys = [array.key(index) for index in indices]
    tables = objects.each(
        lambda key: _held(objects, f"{prefix}/{key}", array, sizes.get(key, 0)), keys
    )
    for index, key, table in zip(indices, keys, tables, strict=True):
        wanted = wanted_chunks(array, index)
        held = table & wanted
        expected += int(wanted.sum())
        stored += int(held.sum())
        missing += islice(_names(key, wanted, held), SHOWN - len(missing))
    return stored, expected, tuple(missing)


def _held(objects: Objects, key: str, array: ArrayInfo, size: int) -> NDArray[np.bool_]:
    """Which inner chunks a shard holds; none where its index is damaged."""
    length = index_length(array)
    data = None
    if size >= length:
        data = objects.get_range(key, size - length if array.index_at_end else 0, length)
    table = None if data is None else read_index(array, data)
    if table is None:
        return np.zeros(array.per_shard, bool)
    return held_chunks(table, size)


def _names(key: str, wanted: NDArray[np.bool_], held: NDArray[np.bool_]) -> Iterator[str]:
    if wanted.any() and not held.any():
        yield key
        return
    for inner in np.argwhere(wanted & ~held):
        yield f"{key} inner {','.join(map(str, inner))}"
