"""A web server as `Objects`: read-only, and without a listing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from voxelmill.plugin import AccessDenied, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import HTTPStore

CONNECTIONS = 32
"""Requests in flight at a time to a web server."""
RETRY: Any = {
    "max_retries": 10,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
"""How often, and how long, a request that fails for a passing reason is made again."""

S = TypeVar("S")
T = TypeVar("T")


class HttpObjects:
    """A web server: keys are read one by one, because it cannot list."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, key: str) -> bytes | None:
        """Body of a GET; None on 404."""
        return self._ask(key, lambda store: bytes(store.get(key).bytes()))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Body of each of several GETs, made side by side."""
        return _side_by_side(self.get, keys)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Body of a GET with a Range header; None on 404."""
        return self._ask(key, lambda store: bytes(store.get_range(key, start=start, length=length)))

    def get_tail(self, key: str, length: int) -> bytes | None:
        """Body of a GET with a Range header for the last bytes; None on 404."""
        options: Any = {"range": {"suffix": length}}
        return self._ask(key, lambda store: bytes(store.get(key, options=options).bytes()))

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Nothing: asking would cost a request for each chunk."""

    def each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Do `work`, which makes requests, for all items side by side."""
        return _side_by_side(work, items)

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored; one HEAD each."""
        wanted = list(keys)
        found = _side_by_side(partial(self._size, prefix), wanted)
        return {k: size for k, size in zip(wanted, found, strict=True) if size is not None}

    def zarr_store(self) -> Any:  # noqa: ANN401
        """Return the same root as a read-only zarr store."""
        from zarr.storage import ObjectStore  # zarr takes longer to import than metadata to read

        return ObjectStore(_http_store(self._url), read_only=True)

    def _size(self, prefix: str, key: str) -> int | None:
        full = f"{prefix}/{key}" if prefix else key
        return self._ask(full, lambda store: int(store.head(full)["size"]))

    def _ask(self, key: str, request: "Callable[[HTTPStore], T]") -> T | None:
        with store_errors(f"{self._url}/{key}"):
            try:
                return request(_http_store(self._url))
            except FileNotFoundError:
                return None


@lru_cache(maxsize=64)
def _http_store(url: str) -> "HTTPStore":
    from obstore.store import HTTPStore

    options: Any = {"allow_http": True, "connect_timeout": "10s", "timeout": "60s"}
    return HTTPStore.from_url(url, client_options=options, retry_config=RETRY)


def _side_by_side(ask: Callable[[S], T], keys: Sequence[S]) -> list[T]:
    if len(keys) < 2:
        return [ask(key) for key in keys]
    with ThreadPoolExecutor(min(CONNECTIONS, len(keys))) as pool:
        return list(pool.map(ask, keys))


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn obstore's errors into AccessDenied or StoreUnavailable that name `place`."""
    from obstore import exceptions

    try:
        yield
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise AccessDenied(f"{place}: the store refuses to serve it ({reason(error)}).") from error
    except exceptions.BaseError as error:
        raise StoreUnavailable(f"{place}: {reason(error)}.") from error


def reason(error: BaseException) -> str:
    """First line of an error's text, short."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")[:160]
