"""The list of checksums of a dataset: read once, whole, and gone through line by line.

In: a tree with ``checksums.md5``. Out: a `SumList`, kept in a temporary file where it is long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from voxelmill.plugin import AccessDenied, StoreUnavailable
from voxelmill.store.sweep import Tree
from voxelmill.verification import LIST, Sums, parse_line, sums

IN_MEMORY = 1 << 24
"""Bytes of a list that are kept in memory."""


@dataclass
class SumList:
    """A list as it was read; `sums` None: there is none, or it cannot be read for an `error`.

    `bad` is the number of its first line that is no checksum; 0: all are.
    """

    file: IO[bytes]
    sums: Sums | None
    lines: int = 0
    bad: int = 0
    ordered: bool = True
    error: str = ""

    def entries(self) -> Iterator[tuple[str, str]]:
        """Path and MD5 of each line that is whole, sorted by path."""
        found = (parsed for _, parsed in self._parsed() if parsed)
        return found if self.ordered else iter(sorted(set(found)))

    def look(self) -> None:
        """Count the lines; find out whether they are sorted, and which is none."""
        last = ""
        for number, parsed in self._parsed():
            self.lines = number
            if parsed is None:
                self.bad = self.bad or number
                continue
            self.ordered = self.ordered and last < parsed[0]
            last = parsed[0]

    def _parsed(self) -> Iterator[tuple[int, tuple[str, str] | None]]:
        self.file.seek(0)
        for number, line in enumerate(self.file, start=1):
            yield number, parse_line(line.decode(errors="surrogateescape"))


@contextmanager
def read_list(tree: Tree) -> Iterator[SumList]:
    """Read the list of a tree; one that cannot be read is as good as none."""
    with SpooledTemporaryFile(IN_MEMORY) as file:

        def keep(pieces: Iterator[bytes]) -> Sums:
            file.seek(0)
            file.truncate()
            return sums(_kept(pieces, file), full=True)

        try:
            found = SumList(file, tree.through(LIST, keep))
        except (AccessDenied, StoreUnavailable) as error:
            file.truncate(0)
            found = SumList(file, None, error=str(error))
        found.look()
        yield found


def _kept(pieces: Iterator[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece
