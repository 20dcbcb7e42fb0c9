"""Going through all files of a tree, however many, with memory for a few pieces of them.

In: the address of a folder, a part of a bucket or of a web server. Out: a `Tree`: its paths as they
are listed, and each file's content in pieces; and `sweep`, threads that take items as they come.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import Protocol, TypeVar

from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.store.local import LocalObjects
from voxelmill.store.objects import objects_at
from voxelmill.store.remote import THREAD, RemoteObjects
from voxelmill.store.s3 import S3Objects
from voxelmill.store.zipped import open_archive
from voxelmill.storeoptions import is_url

S = TypeVar("S")
T = TypeVar("T")
AT_ONCE = 64
"""Items that are taken at a time, for whichever thread is free."""


class Tree(Protocol):
    """Files under a root, by path with '/' between parts."""

    def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def through(self, key: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        """What `use` makes of a file's content, which comes in pieces; None: there is no file."""

    def paths(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """All files that are wanted, sorted; none where they cannot be listed."""


def tree_at(address: str) -> Tree:
    """Tree at a folder, s3:// or http(s)://.

    Raises
    ------
    BadInput
        There is no such folder.
    """
    if is_url(address):
        found = objects_at(address)
        if isinstance(found, RemoteObjects):
            return found
    if not Path(address).is_dir():
        raise BadInput(f"{address}: no such folder; allowed: a folder, s3:// or http(s)://")
    return LocalObjects(Path(address))


def folders_at(address: str) -> list[str]:
    """Names of the folders directly under an address; none where they cannot be listed."""
    found = tree_at(address)
    if isinstance(found, S3Objects):
        return found.level()[0]
    if isinstance(found, LocalObjects):
        return sorted(entry.name for entry in Path(address).iterdir() if entry.is_dir())
    return []


def damaged_entries(archive: Path) -> list[str]:
    """Names of the entries of a zipped OME-Zarr that are damaged; none if it cannot be opened."""
    try:
        found = open_archive(archive)
    except StoreUnavailable:
        return []
    return found.damaged() if found else []


def sweep(work: Callable[[S], None], items: Iterable[S], threads: int) -> None:
    """Call `work` by threads for all items, which are taken from their iterator as needed.

    The first error of one ends all, and is raised.
    """
    lock, over, rest = Lock(), Event(), iter(items)
    ready: deque[S] = deque()

    def each() -> Iterator[S]:
        while not over.is_set():
            try:
                yield ready.popleft()
            except IndexError:
                with lock:
                    if not ready:
                        ready.extend(islice(rest, AT_ONCE))
                    if not ready:
                        return

    def run() -> None:
        try:
            for item in each():
                work(item)
        except BaseException:
            over.set()
            raise

    with ThreadPoolExecutor(threads, thread_name_prefix=THREAD) as pool:
        try:
            for done in [pool.submit(run) for _ in range(threads)]:
                done.result()
        finally:
            over.set()
