"""Any box of one stored array, chunk by chunk, straight from its bytes.

In: an array's checked metadata and one range of indices an axis. Out: the values, native byte
order. A chunk is fetched, checked (`checks`), decoded in the calling thread and copied to where it
belongs. Numbers behind at most one usual codec, which is nearly all there is, are decoded here
at the codec's pace; zarr's event loop halves it. Whatever else Zarr allows is left to zarr.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import product
from math import prod
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from voxelmill.ngff import ArrayInfo
from voxelmill.plugin import Array
from voxelmill.store.cache import chunk_cache
from voxelmill.store.checks import BLOSC_HEADER, Checks
from voxelmill.store.objects import Objects, join, objects_at
from voxelmill.store.shards import index_length

Place: TypeAlias = tuple[int, ...]
Tables: TypeAlias = dict[Place, NDArray[np.uint64] | None]
Keep: TypeAlias = Callable[[Place], bool]
_GZIP = 16 + zlib.MAX_WBITS
_DECODERS: dict[tuple[str, ...], Callable[[bytes, Any], Any]] = {
    (): lambda data, _: np.frombuffer(data, np.uint8),
    ("blosc",): lambda data, out: imagecodecs.blosc_decode(data, numthreads=1, out=out),
    ("zstd",): lambda data, out: imagecodecs.zstd_decode(data, out=out),
    ("zlib",): lambda data, _: np.frombuffer(zlib.decompress(data), np.uint8),
    ("gzip",): lambda data, _: np.frombuffer(zlib.decompress(data, _GZIP), np.uint8),
}


@dataclass(frozen=True)
class StoredArray:
    """One array of the dataset at `url`."""

    url: str
    checks: Checks

    @property
    def array(self) -> ArrayInfo:
        """Its metadata."""
        return self.checks.array

    @cached_property
    def objects(self) -> Objects:
        """Where it is stored."""
        return objects_at(self.url)

    def read(self, picks: Sequence[range], keep: Keep = lambda _: False) -> Array:
        """Read what lies at the product of `picks`, one ascending range an axis.

        Parameters
        ----------
        picks : sequence of range
            None of them empty, all in the array.
        keep : callable
            Whether the decoded chunk at a place in the grid of chunks is worth keeping.
        """
        dtype = np.dtype(self.array.dtype)
        out = np.empty([len(p) for p in picks], dtype.newbyteorder("="))
        axes = [list(_spans(p, c)) for p, c in zip(picks, self.array.chunks, strict=True)]
        tables = self._tables(axes) if self._plain and self.array.shards else {}

        def put(spans: tuple["Span", ...]) -> None:
            place = tuple(s.chunk for s in spans)
            load = partial(self._chunk, place, tables)
            cache = chunk_cache()
            chunk = cache.get(self._key(place), load) if keep(place) else cache.load(load)
            out[tuple(s.target for s in spans)] = chunk[tuple(s.source for s in spans)]

        self.objects.each(put, list(product(*axes)))
        return out

    @cached_property
    def _plain(self) -> bool:
        document = json.loads(self.array.document)
        in_order = document.get("order", "C") == "C" and '"transpose"' not in self.array.document
        return in_order and self.array.codecs in _DECODERS

    def _key(self, place: Place) -> tuple[object, ...]:
        """Name of a chunk in the cache: with the object's age, so that a new file is read anew."""
        key = join(self.checks.prefix, self.array.key(self._object(place)))
        return (self.url, self.array, place, self.checks.sparse, self.objects.stamp(key), key)

    def _object(self, place: Place) -> Place:
        return tuple(i // n for i, n in zip(place, self.array.per_shard, strict=True))

    def _tables(self, axes: Sequence[Sequence["Span"]]) -> Tables:
        """Indexes of all shards that are touched."""
        shards = sorted({self._object(tuple(s.chunk for s in spans)) for spans in product(*axes)})
        return dict(zip(shards, self.objects.each(self._table, shards), strict=True))

    def _table(self, shard: Place) -> NDArray[np.uint64] | None:
        key, length = join(self.checks.prefix, self.array.key(shard)), index_length(self.array)
        if self.array.index_at_end:
            data = self.objects.get_tail(key, length)
        else:
            data = self.objects.get_range(key, 0, length)
        if not self.checks.present(key, None if data is None else len(data)):
            return None
        return self.checks.index(key, data or b"")

    def _chunk(self, place: Place, tables: Tables) -> Array:
        data = self._bytes(place, tables) if self._plain else None
        return self._by_zarr(place) if data is None else self._decoded(place, data)

    def _bytes(self, place: Place, tables: Tables) -> bytes | None:
        """Stored bytes of a chunk; None where it is absent and may be."""
        at = self._object(place)
        key, expected = join(self.checks.prefix, self.array.key(at)), None
        if self.array.shards is None:
            data = self.objects.get(key)
        else:
            table = tables[at]
            if table is None:
                return None
            inner = tuple(i % n for i, n in zip(place, self.array.per_shard, strict=True))
            offset, expected = (int(v) for v in table[inner])
            if expected == 0 or offset == 2**64 - 1:
                return None
            data = self.objects.get_range(key, offset, expected)
        if not self.checks.present(key, None if data is None else len(data)) or data is None:
            return None
        self.checks.chunk(key, data[:BLOSC_HEADER], len(data), expected)
        return data

    def _decoded(self, place: Place, data: bytes) -> Array:
        dtype = np.dtype(self.array.dtype)
        out = np.empty(prod(self.array.chunks) * dtype.itemsize, np.uint8)
        found = _DECODERS[self.array.codecs](data, out)
        if found.size != out.size:
            key = join(self.checks.prefix, self.array.key(self._object(place)))
            raise self.checks.bad(key, "is truncated")
        chunk: Array = found.view(dtype).reshape(self.array.chunks)
        return chunk

    def _by_zarr(self, place: Place) -> Array:
        """Let zarr decode a chunk, or fill it with the fill value; clipped at the array's edge."""
        starts = [i * c for i, c in zip(place, self.array.chunks, strict=True)]
        array = _zarr_array(self.url, self.checks)
        ends = zip(starts, self.array.chunks, strict=True)
        return np.array(array[tuple(slice(a, a + c) for a, c in ends)])


@dataclass(frozen=True)
class Span:
    """Along one axis: a chunk, what is taken of it, and where that goes."""

    chunk: int
    source: slice
    target: slice


def _spans(pick: range, chunk: int) -> Iterator[Span]:
    """Cut an ascending range into spans, one a chunk that it touches."""
    for number in range(pick[0] // chunk, pick[-1] // chunk + 1):
        start = number * chunk
        first = max(0, -(-(start - pick.start) // pick.step))
        last = min(len(pick), -(-(start + chunk - pick.start) // pick.step))
        if first < last:
            source = slice(pick[first] - start, pick[last - 1] - start + 1, pick.step)
            yield Span(number, source, slice(first, last))


@lru_cache(maxsize=256)
def _zarr_array(url: str, checks: Checks) -> Any:  # noqa: ANN401
    from voxelmill.store.strict import build_array

    return build_array(objects_at(url).zarr_store(), checks)
