"""A folder as `Objects`."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from voxelmill.plugin import AccessDenied, StoreUnavailable

S = TypeVar("S")
T = TypeVar("T")
PIECE = 1 << 20
"""Bytes that are read at a time of a file that is gone through."""


class LocalObjects:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, key: str) -> bytes | None:
        """Content of a file; None where there is none."""
        path = self._root / key
        with local_errors(path):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Content of each of several files."""
        return [self.get(key) for key in keys]

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Part of a file."""
        path = self._root / key
        with local_errors(path):
            try:
                with path.open("rb") as file:
                    file.seek(start)
                    return file.read(length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def get_tail(self, key: str, length: int) -> bytes | None:
        """Last bytes of a file."""
        path = self._root / key
        with local_errors(path):
            try:
                with path.open("rb") as file:
                    file.seek(-min(length, file.seek(0, os.SEEK_END)), os.SEEK_END)
                    return file.read(length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""
        path = self._root / key
        with local_errors(path):
            try:
                return path.stat().st_size if path.is_file() else None
            except (FileNotFoundError, NotADirectoryError):
                return None

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Inode, size and time of change of a file; None where there is none."""
        try:
            found = (self._root / key).stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Do `work` for each item, one after the other."""
        return [work(item) for item in items]

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored; one walk of the folder."""
        root = self._root / prefix
        with local_errors(root):
            found = dict(_walk(str(root), ""))
        return {key: found[key] for key in keys if key in found}

    def through(self, key: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        """What `use` makes of a file's content, which comes in pieces; None: there is no file."""
        path = f"{self._root}/{key}"
        with local_errors(Path(path)):
            try:
                file = os.open(path, os.O_RDONLY)
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                return use(iter(lambda: os.read(file, PIECE), b""))
            except IsADirectoryError:
                return None
            finally:
                os.close(file)

    def paths(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """All files, sorted, but those that are not `wanted` themselves or by their folder.

        A folder that cannot be listed comes with a slash at its end.
        """
        return _sorted(str(self._root), "", wanted)

    def zarr_store(self) -> Any:  # noqa: ANN401
        """Return the same root as a read-only zarr store."""
        from zarr.storage import LocalStore  # zarr takes longer to import than metadata to read

        return LocalStore(self._root, read_only=True)


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name, entry.stat().st_size


def _sorted(folder: str, prefix: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Files by their whole paths: ``a.b`` comes before ``a/b``."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(f"{e.name}/" if _is_folder(e) else e.name for e in entries)
    except OSError:
        yield prefix
        return
    for name in names:
        path = prefix + name
        if not wanted(path.removesuffix("/")):
            continue
        if name.endswith("/"):
            yield from _sorted(f"{folder}/{name}", path, wanted)
        else:
            yield path


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself: whoever opens it is told so.
        return False


@contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into AccessDenied or StoreUnavailable that name `path`."""
    try:
        yield
    except PermissionError as error:
        raise AccessDenied(f"{path}: permission denied; must be readable.") from error
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror or error}.") from error
