"""A bucket, or a part of one, as `Objects`: S3 as Amazon, Ceph RadosGW and MinIO speak it.

In: ``s3://bucket/prefix`` and its `StoreOptions`. Out: `S3Objects`, which lists, writes and removes
besides. "Not found" is believed only of an answer that says NoSuchKey: an absent bucket, or the
page of a gateway, is an error, never an absent chunk.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from voxelmill.access.keys import Lasting
from voxelmill.access.supply import SUPPLY
from voxelmill.plugin import AccessDenied, BlocksFailed, StoreUnavailable
from voxelmill.slots import waiting
from voxelmill.store.remote import (
    RemoteObjects,
    side_by_side,
    store_errors,
)
from voxelmill.store.s3client import ambient, s3_client
from voxelmill.storeoptions import options_of

SPENT = ("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired")
"""What it says of temporary keys that it does not take any more."""
ABSENT = "NoSuchKey"
"""What the answer of an S3 service says of an object that is not there."""


@dataclass(frozen=True)
class Stored:
    """One object of a listing."""

    size: int
    etag: str
    modified: float = field(default=0.0, compare=False)
    """When it was put, in seconds since 1970; 0 where nobody says it."""


class S3Objects(RemoteObjects):
    """Objects of a bucket under a prefix.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        bucket, _, self._root = url.removeprefix("s3://").partition("/")
        # One client a bucket: connections are kept for all images and labels there.
        self._base = f"s3://{bucket}"

    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none.

        Asked with its first byte: the answer to a HEAD does not say NoSuchKey.
        """
        options: Any = {"range": (0, 1)}
        return self._ask(
            key, lambda store, full: int(store.get(full, options=options).meta["size"])
        )

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored.

        One listing; where that is not allowed, one HEAD each, and an absent key is refused.
        """
        try:
            found = self.listing(prefix)
        except AccessDenied:
            return super().sizes(prefix, keys)
        return {key: found[key].size for key in keys if key in found}

    def listing(self, prefix: str = "") -> dict[str, Stored]:
        """All objects under a prefix, by the rest of their keys.

        Raises
        ------
        StoreUnavailable, AccessDenied
            There is no such bucket, the store did not answer, or refused to.
        """
        with waiting():
            return dict(self._listed(prefix))

    def level(self, prefix: str = "") -> tuple[list[str], dict[str, Stored]]:
        """Folders and objects right under a prefix, by the rest of their keys; raises the same."""
        start = self._start(prefix)
        whole = self._full(prefix) or None
        with self._listing_errors(prefix), waiting():
            found = self._made(lambda store: store.list_with_delimiter(whole))
        folders = [name.removeprefix(start).rstrip("/") for name in found["common_prefixes"]]
        return sorted(folders), dict(_stored(start, found["objects"]))

    def paths(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """All keys that are `wanted`, sorted, page by page; raises as `listing` does."""
        last = ""
        for key, _ in self._listed(""):
            if key < last:
                raise StoreUnavailable(f"{self._url}: lists its objects out of order")
            last = key
            if wanted(key):
                yield key

    def _listed(self, prefix: str) -> Iterator[tuple[str, Stored]]:
        whole = self._full(prefix) or None

        def begun(store: Any) -> tuple[Any, Iterator[Any]]:  # noqa: ANN401 - a page of obstore's
            pages = iter(store.list(whole, chunk_size=1000))
            return next(pages, ()), pages

        with self._listing_errors(prefix):
            first, others = self._made(begun)
            for page in chain([first], others):
                yield from _stored(self._start(prefix), page)

    @contextmanager
    def _listing_errors(self, prefix: str) -> Iterator[None]:
        from obstore.exceptions import GenericError

        with store_errors(f"{self._base}/{self._start(prefix)}"):
            try:
                yield
            except (FileNotFoundError, GenericError) as error:
                if isinstance(error, GenericError) and "status code: 404" not in str(error):
                    raise
                raise self._gone(prefix, error) from error

    def _start(self, prefix: str) -> str:
        whole = self._full(prefix)
        return f"{whole}/" if whole else ""

    def put(self, key: str, content: bytes) -> None:
        """Write one object; it is there whole, or not at all.

        Raises
        ------
        BlocksFailed
            The store did not take it: no fault of the data, which are not quarantined for it.
        """
        try:
            with store_errors(f"{self._url}/{key}"), waiting():
                full = self._full(key)
                self._made(lambda store: store.put(full, content, use_multipart=False))
        except FileNotFoundError as error:
            raise BlocksFailed(f"{self._gone(key, error)}. Nothing was written") from error
        except (AccessDenied, StoreUnavailable) as error:
            raise BlocksFailed(f"{error} It was not written. Mend that and run again") from error

    def remove(self, prefix: str) -> None:
        """Remove all objects under a prefix."""
        start = f"{prefix}/" if prefix else ""
        side_by_side(self.delete, [f"{start}{key}" for key in self.listing(prefix)])

    def delete(self, key: str) -> None:
        """Remove one object; there may be none."""
        with store_errors(f"{self._url}/{key}"), waiting():
            self._made(lambda store: store.delete(self._full(key)))

    def _entry(self) -> Lasting | None:
        return SUPPLY.keys(options_of(self._url))

    def _another(self, entry: Lasting, error: Exception) -> Lasting | None:
        taken_back = any(f"<Code>{code}<" in str(error) for code in SPENT)
        return SUPPLY.keys(options_of(self._url), refused=entry.id) if taken_back else None

    def _client(self, entry: Any, url: str) -> Any:  # noqa: ANN401 - stores of obstore share no type
        return s3_client(url, options_of(self._url), ambient(), entry)

    def _absent(self, key: str, error: FileNotFoundError) -> None:
        if ABSENT not in str(error):
            raise self._gone(key, error)

    def _gone(self, key: str, error: Exception) -> StoreUnavailable:
        text = str(error)
        what = "no such bucket" if "NoSuchBucket" in text else "404, but not from an S3 service"
        return StoreUnavailable(
            f"{self._url}/{key}: {what}. Check the address, and `endpoint` under `stores`"
        )


def _stored(start: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Stored]]:
    for entry in entries:
        modified = entry["last_modified"].timestamp()
        stored = Stored(entry["size"], _bare(entry["e_tag"]), modified)
        yield entry["path"].removeprefix(start), stored


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')
