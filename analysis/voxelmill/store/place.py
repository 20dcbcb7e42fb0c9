"""Where documents, shards and labels are written: a folder, or a part of a bucket.

In: the root of a tree, as text. Out: a `Place`, to which parts are added with ``/`` as to a path;
and what is there: its content, and `Facts` of all objects under it.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path
from typing import TypeAlias

from voxelmill.plugin import BadConfig
from voxelmill.store.objects import join, objects_at
from voxelmill.store.s3 import S3Objects, Stored
from voxelmill.storeoptions import is_url


@dataclass(frozen=True)
class StorePath:
    """A key, or the start of keys, in a bucket."""

    bucket: str
    """``s3://bucket``."""
    key: str = ""

    def __truediv__(self, part: str) -> "StorePath":
        """Add a part."""
        return StorePath(self.bucket, join(self.key, part))

    def joinpath(self, *parts: str) -> "StorePath":
        """Add several parts."""
        return StorePath(self.bucket, join(self.key, *parts))

    def __str__(self) -> str:
        """Return the address."""
        return join(self.bucket, self.key)

    @property
    def objects(self) -> S3Objects:
        """The bucket."""
        found = objects_at(self.bucket)
        if not isinstance(found, S3Objects):
            raise BadConfig(f"{self}: nothing can be written there. Name a folder or s3://")
        return found


Place: TypeAlias = Path | StorePath


@dataclass(frozen=True)
class Facts:
    """What is stored under a place: enough to tell whether something is lost or has changed.

    Attributes
    ----------
    objects, bytes : int
        How many, and how large together.
    sha256 : str
        Over the sorted lines 'path size ETag'; the ETag is the MD5 of the content, as that of any
        S3 object which was put in one piece.
    """

    objects: int
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, int | str]:
        """JSON value for a record."""
        return {"objects": self.objects, "bytes": self.bytes, "sha256": self.sha256}


def place_at(root: str) -> Place:
    """Place of an address.

    Raises
    ------
    BadConfig
        Nothing can be written there.
    """
    if not is_url(root):
        return Path(root)
    scheme, _, rest = root.partition("://")
    if scheme != "s3":
        raise BadConfig(f"{root}: {scheme}:// is read only. Name a folder or s3://")
    bucket, _, key = rest.partition("/")
    return StorePath(f"s3://{bucket}", key.rstrip("/"))


def content(place: Place) -> bytes | None:
    """Content of a file or object; None where there is none.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    if not isinstance(place, Path):
        return place.objects.get(place.key)
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def remove(place: Place) -> None:
    """Remove all that is under a place."""
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.objects.remove(place.key)


def listing(place: Place) -> dict[str, Stored]:
    """All that is under a place; hidden files, which killed writers leave, are left out."""
    if not isinstance(place, Path):
        return place.objects.listing(place.key)
    files = (p for p in place.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {path.relative_to(place).as_posix(): _as_stored(path.read_bytes()) for path in files}


def facts(found: Mapping[str, Stored]) -> Facts:
    """Facts of a listing."""
    lines = "".join(f"{name} {one.size} {one.etag}\n" for name, one in sorted(found.items()))
    size = sum(one.size for one in found.values())
    return Facts(len(found), size, sha256(lines.encode()).hexdigest())


def _as_stored(content: bytes) -> Stored:
    return Stored(len(content), etag(content))


def etag(content: bytes) -> str:
    """ETag of an object that was put in one piece: its MD5."""
    return md5(content, usedforsecurity=False).hexdigest()
