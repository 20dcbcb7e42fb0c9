"""Any box of one stored array, chunk by chunk, straight from its bytes.

In: an array's checked metadata and one range of indices an axis. Out: the values, native byte
order. A chunk is fetched, checked (`checks`), decoded in the calling thread and copied to where it
belongs. Numbers behind at most one usual codec, which is nearly all there is, are decoded here
at the codec's pace; zarr's event loop halves it. Whatever else Zarr allows is left to zarr.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
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
from voxelmill.store.fetching import Fetched, Piece, Place, in_runs
from voxelmill.store.objects import Objects, join, objects_at
from voxelmill.store.shards import ABSENT, index_length
from voxelmill.store.spans import spans

Keep: TypeAlias = Callable[[Place], bool]
_GZIP = 16 + zlib.MAX_WBITS
_DECODERS: dict[tuple[str, ...], Callable[[Any, Any], Any]] = {
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
        axes = [list(spans(p, c)) for p, c in zip(picks, self.array.chunks, strict=True)]
        parts = {tuple(s.chunk for s in part): part for part in product(*axes)}
        kept = {place: self._key(place) for place in parts if keep(place)}
        cache = chunk_cache()

        def put(run: tuple[Piece, ...]) -> None:
            fetched = Fetched(self.objects, run)
            for piece in run:
                load = partial(self._chunk, piece, fetched)
                key = kept.get(piece.place)
                chunk = cache.load(load) if key is None else cache.get(key, load)
                part = parts[piece.place]
                out[tuple(s.target for s in part)] = chunk[tuple(s.source for s in part)]

        cached = {place for place, key in kept.items() if key in cache}
        self.objects.each(put, list(in_runs(self._pieces(parts), cached)))
        return out

    def _pieces(self, places: Iterable[Place]) -> list[Piece]:
        """Where the bytes of each chunk lie."""
        pieces = [Piece(place, self._object_key(place)) for place in places]
        if not self._plain or self.array.shards is None:
            return pieces
        keys = sorted({piece.key for piece in pieces})
        tables = dict(zip(keys, self.objects.each(self._table, keys), strict=True))
        return [self._in_shard(piece, tables[piece.key]) for piece in pieces]

    def _in_shard(self, piece: Piece, table: NDArray[np.uint64] | None) -> Piece:
        if table is None:
            return replace(piece, length=0)
        inner = tuple(i % n for i, n in zip(piece.place, self.array.per_shard, strict=True))
        start, length = (int(v) for v in table[inner])
        return replace(piece, start=start, length=0 if start == ABSENT else length)

    @cached_property
    def _plain(self) -> bool:
        document = json.loads(self.array.document)
        in_order = document.get("order", "C") == "C" and '"transpose"' not in self.array.document
        return in_order and self.array.codecs in _DECODERS

    def _key(self, place: Place) -> tuple[object, ...]:
        """Name of a chunk in the cache: with the object's age, so that a new file is read anew."""
        key = self._object_key(place)
        return (self.url, self.array, place, self.checks.sparse, self.objects.stamp(key), key)

    def _object_key(self, place: Place) -> str:
        """Key of the object that holds a chunk."""
        index = tuple(i // n for i, n in zip(place, self.array.per_shard, strict=True))
        return join(self.checks.prefix, self.array.key(index))

    def _table(self, key: str) -> NDArray[np.uint64] | None:
        """Index of a shard; None where it is absent and may be."""
        length = index_length(self.array)
        if self.array.index_at_end:
            data = self.objects.get_tail(key, length)
        else:
            data = self.objects.get_range(key, 0, length)
        if not self.checks.present(key, None if data is None else len(data)):
            return None
        return self.checks.index(key, data or b"")

    def _chunk(self, piece: Piece, fetched: Fetched) -> Array:
        data = self._bytes(piece, fetched) if self._plain else None
        return self._by_zarr(piece.place) if data is None else self._decoded(piece, data)

    def _bytes(self, piece: Piece, fetched: Fetched) -> memoryview | None:
        """Stored bytes of a chunk; None where it is absent and may be."""
        if piece.length == 0:
            return None
        data = fetched.of(piece)
        if not self.checks.present(piece.key, None if data is None else len(data)) or data is None:
            return None
        self.checks.chunk(piece.key, data[:BLOSC_HEADER], len(data), piece.length)
        return data

    def _decoded(self, piece: Piece, data: memoryview) -> Array:
        dtype = np.dtype(self.array.dtype)
        out = np.empty(prod(self.array.chunks) * dtype.itemsize, np.uint8)
        found = _DECODERS[self.array.codecs](data, out)
        if found.size != out.size:
            raise self.checks.bad(piece.key, "is truncated")
        chunk: Array = found.view(dtype).reshape(self.array.chunks)
        return chunk

    def _by_zarr(self, place: Place) -> Array:
        """Let zarr decode a chunk, or fill it with the fill value; clipped at the array's edge."""
        starts = [i * c for i, c in zip(place, self.array.chunks, strict=True)]
        array = _zarr_array(self.url, self.checks)
        ends = zip(starts, self.array.chunks, strict=True)
        return np.array(array[tuple(slice(a, a + c) for a, c in ends)])


@lru_cache(maxsize=256)
def _zarr_array(url: str, checks: Checks) -> Any:  # noqa: ANN401
    from voxelmill.store.strict import build_array

    return build_array(objects_at(url).zarr_store(), checks)
