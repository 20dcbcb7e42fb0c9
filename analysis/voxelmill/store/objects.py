"""Bytes by key under one root: the only place that knows folders from buckets and web servers.

In: the address of a dataset. Out: `Objects`, with one meaning of the three answers that matter:
content, None (there is no such object), or an error (the store refused or did not answer). Never
does one of them stand for another: a missing chunk that passes for an empty one becomes zeros.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from voxelmill.plugin import BadInput
from voxelmill.store.local import LocalObjects
from voxelmill.store.remote import RemoteObjects
from voxelmill.store.s3 import S3Objects
from voxelmill.store.zipped import ZipObjects, split_archive
from voxelmill.storeoptions import is_url

S = TypeVar("S")
T = TypeVar("T")


class Objects(Protocol):
    """Objects under a root, by key with '/' between parts."""

    def get(self, key: str) -> bytes | None:
        """Content of an object; None where there is none."""

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Content of each of several objects."""

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Part of an object; shorter where the object ends, None where there is none."""

    def get_tail(self, key: str, length: int) -> bytes | None:
        """Last bytes of an object, all where it is shorter; None where there is none."""

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Something that changes when an object does, where that costs no request."""

    def each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Do `work`, which reads objects, for each item; side by side where it waits."""

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored."""

    def zarr_store(self) -> Any:  # noqa: ANN401
        """Return the same root as a read-only zarr store."""


def normalise(url: str | os.PathLike[str]) -> str:
    """Return a dataset's address without a trailing slash."""
    return os.fspath(url).rstrip("/") or "/"


def join(*parts: str) -> str:
    """Key from its parts; empty ones are left out."""
    return "/".join(part for part in parts if part)


@lru_cache(maxsize=64)
def objects_at(url: str) -> Objects:
    """Objects under `url`: a local folder, one in a zipped OME-Zarr, s3:// or http(s)://.

    Raises
    ------
    BadInput
        A protocol that is not read.
    """
    if not is_url(url):
        archive = split_archive(url)
        return LocalObjects(Path(url)) if archive is None else ZipObjects(*archive)
    if url.startswith("s3://"):
        return S3Objects(url)
    if not url.startswith(("http://", "https://")):
        scheme = url.split("://", 1)[0]
        raise BadInput(f"{url}: {scheme}://; must be a local path, s3://, http:// or https://.")
    return RemoteObjects(url)
