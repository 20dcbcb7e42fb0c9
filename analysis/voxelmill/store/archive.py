"""A folder of Zarr as one file: zipped OME-Zarr, ``.ozx``.

In: a folder whose root is a Zarr group. Out: a ZIP archive with the same tree, stored without
compression, and its digest. All ``zarr.json`` come first, the root's before all others, then
breadth first; names are sorted, times and rights fixed, so the same tree gives the same bytes.

    entry, entry … | central directory | ZIP64 end | its locator | end, with a comment in JSON

Source: NGFF RFC-9; PKWARE's APPNOTE 6.3. Python's ``zipfile`` writes ZIP64 ends only where they are
needed, RFC-9 wants them always.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

LOCAL, CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L")
END64, LOCATOR, END = (
    struct.Struct("<4sQ2H2L4Q"),
    struct.Struct("<4sLQL"),
    struct.Struct("<4s4H2LH"),
)
LOCAL_EXTRA, CENTRAL_EXTRA = struct.Struct("<2H2Q"), struct.Struct("<2H3Q")
VERSION, UNIX, UTF8, STORED = 45, 3 << 8, 1 << 11, 0
MIDNIGHT, NEW_YEAR_1980 = 0, 1 << 5 | 1
REGULAR_FILE = 0o100644 << 16
ELSEWHERE, MANY = 2**32 - 1, 2**16 - 1
"""What a field of 32 or 16 bits holds where the ZIP64 field beside it counts."""
COMMENT = {"ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
DOCUMENT = "zarr.json"


@dataclass(frozen=True)
class Packed:
    """A written archive: its size in bytes, and the SHA-256 of them."""

    bytes: int
    sha256: str


class _Out:
    """A file that counts and digests what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size, self._sha256 = file, 0, sha256()

    def write(self, *parts: bytes) -> None:
        for part in parts:
            self._file.write(part)
            self._sha256.update(part)
            self.size += len(part)

    def packed(self) -> Packed:
        return Packed(self.size, self._sha256.hexdigest())


def pack(folder: Path, out: Path) -> Packed:
    """Write all files of a folder into one archive; it is there whole, or not at all.

    Parameters
    ----------
    folder : Path
        Root of the tree. Hidden files, which killed writers leave, are left out.
    out : Path
        Archive; one that is there is replaced.

    Raises
    ------
    OSError
        A file cannot be read or written.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            sink = _Out(file)
            _write(sink, folder)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return sink.packed()


def _write(out: _Out, folder: Path) -> None:
    directory = []
    for name in sorted(_names(folder), key=_rank):
        content, encoded, offset = (folder / name).read_bytes(), name.encode(), out.size
        facts = (VERSION, UTF8, STORED, MIDNIGHT, NEW_YEAR_1980, zlib.crc32(content))
        sizes, length = (ELSEWHERE, ELSEWHERE), len(content)
        extra = LOCAL_EXTRA.pack(1, 16, length, length)
        head = LOCAL.pack(b"PK\3\4", *facts, *sizes, len(encoded), len(extra))
        out.write(head, encoded, extra, content)
        extra = CENTRAL_EXTRA.pack(1, 24, length, length, offset)
        lengths = (len(encoded), len(extra), 0)
        head = CENTRAL.pack(
            b"PK\1\2", UNIX | VERSION, *facts, *sizes, *lengths, 0, 0, REGULAR_FILE, ELSEWHERE
        )
        directory.append(head + encoded + extra)
    start = out.size
    out.write(*directory)
    _end(out, len(directory), start)


def _end(out: _Out, entries: int, start: int) -> None:
    """Write what follows the central directory, which begins at `start`."""
    end64, size = out.size, out.size - start
    body = END64.size - 12
    out.write(
        END64.pack(b"PK\6\6", body, UNIX | VERSION, VERSION, 0, 0, entries, entries, size, start),
        LOCATOR.pack(b"PK\6\7", 0, end64, 1),
    )
    comment = json.dumps(COMMENT, separators=(",", ":")).encode()
    few, little, near = min(entries, MANY), min(size, ELSEWHERE), min(start, ELSEWHERE)
    out.write(END.pack(b"PK\5\6", 0, 0, few, few, little, near, len(comment)), comment)


def _names(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        for file in files:
            if not file.startswith("."):
                yield Path(place, file).relative_to(folder).as_posix()


def _rank(name: str) -> tuple[bool, int, str]:
    document = name.rpartition("/")[2] == DOCUMENT
    return not document, name.count("/") if document else 0, name
