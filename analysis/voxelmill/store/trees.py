"""What lies under a folder or a prefix: the datasets in it, and all that is stored of one.

In: an address, local or ``s3://``. Out: places of datasets, and of one dataset its `Tree`: sizes by
key, and a digest that changes with every file. Nothing is opened. A prefix is listed level by level
as far as the datasets, and then only those that are asked for.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.store.local import local_errors
from voxelmill.store.objects import join, objects_at
from voxelmill.store.s3 import S3Objects
from voxelmill.store.zipped import SUFFIX
from voxelmill.storeoptions import is_url

THREADS = 16


@dataclass(frozen=True)
class Below:
    """What was found below a folder.

    Attributes
    ----------
    datasets : tuple of str
        Their places below it, sorted, with '/' between parts.
    closed : mapping of str to str
        Folders that cannot be listed, and why.
    """

    datasets: tuple[str, ...]
    closed: Mapping[str, str]


@dataclass(frozen=True)
class Tree:
    """All that is stored of a dataset.

    Attributes
    ----------
    sizes : mapping of str to int
        Bytes by key; an archive is one file with the key ''.
    digest : str
        SHA-256 over the sorted lines 'key size time', with the time that the file says it has; on a
        store 'key size ETag'.
    newest : float
        Seconds since 1970 at which the file system (ctime) or the store has last changed a file.
    """

    sizes: Mapping[str, int]
    digest: str
    newest: float

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(self.sizes.values())


class _File(NamedTuple):
    key: str
    size: int
    mark: str
    """What changes when the file does."""
    changed: float


def find(folder: str, depth: int, wanted: Callable[[str], bool], skip: str = "") -> Below:
    """Find datasets by their names.

    Parameters
    ----------
    folder : str
        Local folder, or s3://bucket/prefix.
    depth : int
        How many folders down they may lie; nothing is looked for inside of one.
    wanted : callable
        Whether a name is that of a dataset.
    skip : str
        Address of a folder that is passed over: that of the results.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The folder itself cannot be listed.
    """
    level, found, closed = [""], [], dict[str, str]()
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(depth):
            below = []
            for place, names in zip(level, pool.map(partial(_names, folder), level), strict=True):
                if isinstance(names, Exception):
                    if not place:
                        raise names
                    closed[place] = str(names)
                    continue
                for child in (join(place, name) for name in names if not name.startswith(".")):
                    if wanted(child.rpartition("/")[2]):
                        found.append(child)
                    elif not _same(join(folder, child), skip):
                        below.append(child)
            level = below
    found = [place for place in found if not _same(join(folder, place), skip)]
    return Below(tuple(sorted(found)), closed)


def tree(url: str) -> Tree:
    """List all that is stored of a dataset.

    Raises
    ------
    StoreUnavailable, AccessDenied
        It cannot be listed.
    """
    if is_url(url):
        found = _bucket(url).listing()
        files = [_File(k, s.size, s.etag, s.modified) for k, s in found.items()]
    else:
        with local_errors(Path(url)):
            files = _walk(url)
    return Tree(
        {file.key: file.size for file in files},
        _digest(files),
        max((file.changed for file in files), default=0.0),
    )


def top(url: str) -> str:
    """Digest of the first level of a dataset alone: one request, whatever its size.

    Returns
    -------
    str
        Empty where there is nothing.

    Raises
    ------
    StoreUnavailable, AccessDenied
        It cannot be listed.
    """
    if is_url(url):
        folders, found = _bucket(url).level()
        files = [_File(k, s.size, s.etag, 0) for k, s in found.items()]
        return _digest([*files, *(_File(f"{folder}/", 0, "", 0) for folder in folders)])
    with local_errors(Path(url)):
        if not Path(url).is_dir():
            return _digest(_walk(url))
        with os.scandir(url) as entries:
            # What desktops leave in folders that somebody has looked into does not count.
            shown = [e for e in entries if not e.name.startswith(".") or e.name.startswith(".z")]
            return _digest(_file(entry, entry.name) for entry in shown)


def _digest(files: Iterable[_File]) -> str:
    lines = sorted(f"{file.key} {file.size} {file.mark}\n" for file in files)
    if not lines:
        return ""
    return sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _bucket(url: str) -> S3Objects:
    found = objects_at(url.rstrip("/"))
    if not isinstance(found, S3Objects):
        raise BadInput(f"{url}: cannot be listed; allowed: a folder, or s3://bucket/prefix")
    return found


def _names(folder: str, place: str) -> list[str] | StoreUnavailable | AccessDenied:
    """Folders and archives in a folder."""
    url = join(folder.rstrip("/"), place)
    try:
        if is_url(url):
            return _bucket(url).level()[0]
        with local_errors(Path(url)), os.scandir(url) as entries:
            return [e.name for e in entries if e.is_dir() or e.name.endswith(SUFFIX)]
    except (StoreUnavailable, AccessDenied) as error:
        return error


def _same(url: str, other: str) -> bool:
    if not other or is_url(url) != is_url(other):
        return False
    if is_url(url):
        return url.rstrip("/") == other.rstrip("/")
    return os.path.realpath(url) == os.path.realpath(other)


def _walk(url: str) -> list[_File]:
    """All files of a folder, level by level: a shared file system answers many at once."""
    if not Path(url).is_dir():
        found = Path(url).stat()
        return [_File("", found.st_size, str(found.st_mtime_ns), found.st_ctime)]
    files: list[_File] = []
    level = [""]
    with ThreadPoolExecutor(THREADS) as pool:
        while level:
            parts = [*pool.map(partial(_scan, url), level)]
            files += (file for here, _ in parts for file in here)
            level = [key for _, folders in parts for key in folders]
    return files


def _scan(root: str, folder: str) -> tuple[list[_File], list[str]]:
    files, folders = [], []
    try:
        with os.scandir(f"{root}/{folder}") as entries:
            for entry in entries:
                key = join(folder, entry.name)
                if entry.is_dir():
                    folders.append(key)
                elif entry.is_file():
                    files.append(_file(entry, key))
    except FileNotFoundError:
        # Somebody is at work here: the next listing will be another one.
        return files, folders
    return files, folders


def _file(entry: "os.DirEntry[str]", key: str) -> _File:
    found = entry.stat()
    size = 0 if entry.is_dir() else found.st_size
    return _File(key, size, str(found.st_mtime_ns), found.st_ctime)
