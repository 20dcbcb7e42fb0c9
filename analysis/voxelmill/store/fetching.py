"""Stored bytes of chunks: those that lie side by side in a shard come with one request.

In: `Piece`, where the bytes of each chunk lie. Out: runs of them, and `Fetched`, their bytes.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from voxelmill.store.objects import Objects

Place: TypeAlias = tuple[int, ...]
MOST = 2 << 20
"""Bytes that are asked for at once: enough that requests cost little, few enough that several
are under way while a block is read."""


@dataclass(frozen=True)
class Piece:
    """The chunk at `place`: `length` bytes of an object, all if that is None; 0: not stored."""

    place: Place
    key: str
    start: int = 0
    length: int | None = None


def in_runs(pieces: Iterable[Piece], cached: Container[Place]) -> Iterator[tuple[Piece, ...]]:
    """Join pieces that follow each other without a gap, but for those that need no bytes."""
    run: tuple[Piece, ...] = ()
    for piece in sorted(pieces, key=lambda p: (p.key, p.start)):
        if run and (piece.place in cached or not _follows(run, piece)):
            yield run
            run = ()
        run = (*run, piece)
        if piece.place in cached:
            yield run
            run = ()
    if run:
        yield run


def _follows(run: tuple[Piece, ...], piece: Piece) -> bool:
    first, last = run[0], run[-1]
    if not (last.length and piece.length) or last.key != piece.key:
        return False
    end = piece.start + piece.length
    return last.start + last.length == piece.start and end - first.start <= MOST


class Fetched:
    """Bytes of a run, asked for when the first of its chunks is wanted.

    Parameters
    ----------
    objects : Objects
    run : tuple of Piece
    """

    def __init__(self, objects: Objects, run: tuple[Piece, ...]) -> None:
        self._objects, self._run = objects, run
        self._data: memoryview | None = None
        self._asked = False

    def of(self, piece: Piece) -> memoryview | None:
        """Bytes of one chunk, fewer where the object ends; None where there is no object."""
        if not self._asked:
            self._data, self._asked = self._ask(), True
        if self._data is None or piece.length is None:
            return self._data
        start = piece.start - self._run[0].start
        return self._data[start : start + piece.length]

    def _ask(self) -> memoryview | None:
        first, last = self._run[0], self._run[-1]
        if last.length is None:
            data = self._objects.get(first.key)
        else:
            length = last.start + last.length - first.start
            data = self._objects.get_range(first.key, first.start, length)
        return None if data is None else memoryview(data)
