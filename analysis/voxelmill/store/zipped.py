"""A zipped OME-Zarr (``.ozx``) as `Objects`, read in place.

In: the address of an archive, or of something inside it (``labels/0000.ozx/A/01/0``). Out: objects
by key. Entries are stored, not compressed, so each is a range of the file. The checksum of an entry
is verified when this process first touches it: what is damaged is an error, never other labels.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from voxelmill.plugin import AccessDenied, StoreUnavailable

S = TypeVar("S")
T = TypeVar("T")
SUFFIX = ".ozx"
HEAD = struct.Struct("<26x2H")
"""Of an entry: the last fields are the lengths of its name and of what follows the name."""
PIECE = 1 << 22


def split_archive(url: str) -> tuple[Path, str] | None:
    """Archive and the key inside it, of an address that leads into one; else None."""
    parts = Path(url).parts
    for n, part in enumerate(parts, start=1):
        if part.endswith(SUFFIX) and not (archive := Path(*parts[:n])).is_dir():
            return archive, "/".join(parts[n:])
    return None


class Archive:
    """An open archive; see `open_archive`."""

    def __init__(self, path: Path, stamp: tuple[int, ...]) -> None:
        self.path, self.stamp = path, stamp
        self._file = path.open("rb")
        try:
            with zipfile.ZipFile(self._file) as found:
                self.entries = {i.filename: i for i in found.infolist() if not i.is_dir()}
        except (zipfile.BadZipFile, ValueError, struct.error) as error:
            raise self._bad(str(error)) from error
        self._checked: dict[str, int] = {}

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Bytes of an entry.

        Raises
        ------
        StoreUnavailable
            It is not what was packed.
        """
        if name not in self._checked:
            self._checked[name] = self._check(self.entries[name])
        data = os.pread(self._file.fileno(), stop - start, self._checked[name] + start)
        if len(data) != stop - start:
            raise self._bad(f"{name} is cut short")
        return data

    def damaged(self) -> list[str]:
        """Names of the entries that are not what was packed."""
        found = []
        for name, entry in self.entries.items():
            try:
                self._check(entry)
            except StoreUnavailable:
                found.append(name)
        return found

    def _check(self, entry: zipfile.ZipInfo) -> int:
        """Where the content of an entry starts, if it is whole."""
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise self._bad(f"{entry.filename} is compressed or encrypted")
        head = os.pread(self._file.fileno(), HEAD.size, entry.header_offset)
        if len(head) != HEAD.size:
            raise self._bad(f"{entry.filename} is cut short")
        first: int = entry.header_offset + HEAD.size + sum(HEAD.unpack(head))
        crc = 0
        for offset in range(0, entry.file_size, PIECE):
            size = min(PIECE, entry.file_size - offset)
            crc = zlib.crc32(os.pread(self._file.fileno(), size, first + offset), crc)
        if crc != entry.CRC:
            raise self._bad(f"the checksum of {entry.filename} does not match")
        return first

    def _bad(self, why: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.path}: damaged or cut short ({why}); must be a whole archive of stored "
            "entries. If it holds labels of a run, run segment again, else copy it again"
        )


def open_archive(path: Path) -> Archive | None:
    """Open an archive, or find it open; None where there is none.

    Raises
    ------
    StoreUnavailable
        It is damaged or cut short.
    AccessDenied
        It must not be read.
    """
    try:
        found = path.stat()
        return _opened(path, (found.st_ino, found.st_size, found.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise AccessDenied(f"{path}: permission denied; must be readable.") from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror or error}.") from error


@lru_cache(maxsize=8)
def _opened(path: Path, stamp: tuple[int, ...]) -> Archive:
    return Archive(path, stamp)


class ZipObjects:
    """What lies under one key of an archive."""

    def __init__(self, path: Path, inside: str) -> None:
        self._path, self._inside = path, inside

    def _key(self, key: str) -> str:
        return "/".join(part for part in (self._inside, key) if part)

    def _read(self, key: str, span: Callable[[int], tuple[int, int]]) -> bytes | None:
        archive, name = open_archive(self._path), self._key(key)
        if archive is None or name not in archive.entries:
            return None
        return archive.read(name, *span(archive.entries[name].file_size))

    def get(self, key: str) -> bytes | None:
        """Content of an entry; None where there is none."""
        return self._read(key, lambda size: (0, size))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Content of each of several entries."""
        return [self.get(key) for key in keys]

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an entry."""
        return self._read(key, lambda size: (min(start, size), min(start + length, size)))

    def get_tail(self, key: str, length: int) -> bytes | None:
        """Last bytes of an entry."""
        return self._read(key, lambda size: (max(0, size - length), size))

    def size(self, key: str) -> int | None:
        """Bytes of an entry; None where there is none."""
        archive, name = open_archive(self._path), self._key(key)
        if archive is None or name not in archive.entries:
            return None
        return archive.entries[name].file_size

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Inode, size and time of change of the archive, place of the entry; None: not there."""
        archive, name = open_archive(self._path), self._key(key)
        if archive is None or name not in archive.entries:
            return None
        return *archive.stamp, archive.entries[name].header_offset

    def each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Do `work` for each item, one after the other."""
        return [work(item) for item in items]

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored."""
        archive, start = open_archive(self._path), self._key(prefix)
        found = {} if archive is None else archive.entries
        names = ((key, "/".join(p for p in (start, key) if p)) for key in keys)
        return {key: found[name].file_size for key, name in names if name in found}

    def zarr_store(self) -> Any:  # noqa: ANN401
        """Return the same root as a read-only zarr store."""
        from voxelmill.store.zipstore import Inside  # imports zarr

        return Inside.of(self._path, self._inside)
