"""Objects behind a network: what web servers and S3 share. The only module on obstore.

In: the address of a root. Out: `RemoteObjects`, read by key; `S3Objects` (in ``s3``) lists and
writes besides. Requests that fail for a passing reason (429, 5xx, a reset, a cut or stalled body)
are made again for two minutes, longer than a server takes to restart; one that is refused is not.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from threading import current_thread
from typing import Any, TypeVar

from pydantic import SecretStr

from voxelmill.access.keys import Lasting
from voxelmill.access.supply import SUPPLY
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable
from voxelmill.slots import waiting
from voxelmill.storeoptions import Bearer, Oidc, StoreOptions, gets_token, options_of

CONNECTIONS = 32
"""Requests in flight at a time."""
THREAD = "voxelmill-request"
RETRY: Any = {
    # Pauses are drawn by chance, and short ones too: the time decides.
    "max_retries": 10_000,
    "retry_timeout": timedelta(minutes=2),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=5),
        "base": 2,
    },
}
"""How often, and how long, a request that fails for a passing reason is made again."""
CONNECT_S, STALL_S = "10s", "30s"
"""How long a connection may take, and a pause in an answer."""

NEW_S = 60
"""A token as young as that is not made anew because a service refuses it."""
PIECE = 1 << 20
"""Bytes, at least, of a piece of a body that is gone through."""
BODIES, FIRST_S = 3, 0.2
"""How often an answer may break off, and the first pause after that; each is twice the last."""

_TRIED = re.compile(r" in ([\d.]+)s, after (\d+) retries")
_STATUS = re.compile(r"status code: (\d{3}[\w ]*)")
_CAUSE = re.compile(r'message: "([^"]+)"')
"""What the operating system says, deep in the text of an error of obstore."""

S = TypeVar("S")
T = TypeVar("T")


class RemoteObjects:
    """A web server: keys are read one by one, because it cannot list.

    Parameters
    ----------
    url : str
        Root.
    """

    def __init__(self, url: str) -> None:
        self._url = self._base = url
        self._root = ""
        """Key, under what the client reaches, that stands before all others."""

    def get(self, key: str) -> bytes | None:
        """Body of a GET; None on 404."""
        return self._ask(key, lambda store, full: bytes(store.get(full).bytes()))

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Body of each of several GETs, made side by side."""
        return side_by_side(self.get, keys)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Body of a GET with a Range header; None on 404."""
        return self._ask(
            key, lambda store, full: bytes(store.get_range(full, start=start, length=length))
        )

    def get_tail(self, key: str, length: int) -> bytes | None:
        """Body of a GET with a Range header for the last bytes; None on 404."""
        options: Any = {"range": {"suffix": length}}
        return self._ask(key, lambda store, full: bytes(store.get(full, options=options).bytes()))

    def through(self, key: str, use: Callable[[Iterator[bytes]], T]) -> T | None:
        """What `use` makes of an answer's body, which comes in pieces; None on 404.

        It is called anew where an answer breaks off.
        """
        return self._ask(
            key, lambda store, full: use(map(bytes, store.get(full).stream(min_chunk_size=PIECE)))
        )

    def paths(self, wanted: Callable[[str], bool]) -> Iterator[str]:
        """Nothing: a web server cannot list."""
        return iter(())

    def size(self, key: str) -> int | None:
        """Length in the answer to a HEAD; None on 404."""
        return self._size("", key)

    def stamp(self, key: str) -> tuple[int, ...] | None:
        """Nothing: asking would cost a request for each chunk."""

    def each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """Do `work`, which makes requests, for all items side by side."""
        with waiting():
            return side_by_side(work, items)

    def sizes(self, prefix: str, keys: Iterable[str]) -> dict[str, int]:
        """Size in bytes of each of `keys` under `prefix` that is stored; one HEAD each."""
        wanted = list(keys)
        found = side_by_side(partial(self._size, prefix), wanted)
        return {k: size for k, size in zip(wanted, found, strict=True) if size is not None}

    def zarr_store(self) -> Any:  # noqa: ANN401
        """Return the same root as a read-only zarr store."""
        # zarr takes longer to import than metadata to read
        from voxelmill.store.entered import EnteredStore

        return EnteredStore(
            self._entry, lambda entry: self._client(entry, self._url), self._another
        )

    def _entry(self) -> Lasting | None:
        """What a request is made with now; None: nothing that a login gives."""
        return SUPPLY.token() if gets_token(self._url) else None

    def _another(self, entry: Lasting, error: Exception) -> Lasting | None:
        """Another one, where the store refuses one that should still be good; None: it is good."""
        return _another_token(entry, error)

    def _client(self, entry: Any, url: str) -> Any:  # noqa: ANN401 - stores of obstore share no type
        return _http_store(url, options_of(url), entry and entry.access_token)

    def _made(self, request: Callable[[Any], T]) -> T:
        """Make a request; where what it is made with has been taken back, once more."""
        from obstore.exceptions import BaseError

        entry = self._entry()
        try:
            return request(self._client(entry, self._base))
        except BaseError as error:
            entry = self._another(entry, error) if entry else None
            if entry is None:
                raise
        return request(self._client(entry, self._base))

    def _absent(self, key: str, error: FileNotFoundError) -> None:
        """Called on 404; raises where that does not prove that there is no such object."""

    def _size(self, prefix: str, key: str) -> int | None:
        full = f"{prefix}/{key}" if prefix else key
        return self._ask(full, lambda store, name: int(store.head(name)["size"]))

    def _full(self, key: str) -> str:
        return "/".join(part for part in (self._root, key) if part)

    def _ask(self, key: str, request: Callable[[Any, str], T]) -> T | None:
        with store_errors(f"{self._url}/{key}"), waiting():
            try:
                return patiently(lambda: self._made(lambda store: request(store, self._full(key))))
            except FileNotFoundError as error:
                self._absent(key, error)
                return None


def _another_token(token: Lasting, error: Exception) -> Lasting | None:
    old = time.time() - token.received_at > NEW_S
    return SUPPLY.token(refused=token.id) if old and " 401 " in str(error) else None


@lru_cache(maxsize=64)
def _http_store(url: str, options: StoreOptions, token: SecretStr | None) -> Any:  # noqa: ANN401
    from obstore.store import HTTPStore

    found = client_options(options)
    if token is not None:
        # Not passed on by a redirect to another host or port: a test looks.
        found["default_headers"] = {"Authorization": f"Bearer {token.get_secret_value()}"}
    return HTTPStore.from_url(url, client_options=found, retry_config=RETRY)


def client_options(options: StoreOptions) -> Any:  # noqa: ANN401 - a TypedDict of obstore
    """Time-outs, plain http, and the certificate of a private CA.

    Raises
    ------
    BadConfig
        Its file cannot be read.
    """
    found = {"allow_http": True, "connect_timeout": CONNECT_S, "read_timeout": STALL_S}
    # No limit to a whole answer: a large one on a slow line is no fault as long as bytes come.
    found["timeout"] = "10m"
    if ca := options.ca or os.environ.get("AWS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE"):
        try:
            found["root_certificate"] = Path(ca).read_bytes()
        except OSError as error:
            raise BadConfig(
                f"stores: ca: {ca} cannot be read ({error.strerror}). Give a PEM file, here or in "
                "AWS_CA_BUNDLE"
            ) from None
    return found


def patiently(request: Callable[[], T]) -> T:
    """Make a request again whose answer breaks off: obstore does so only before a body begins."""
    from obstore import exceptions

    for tried in range(BODIES - 1):
        try:
            return request()
        except exceptions.GenericError as error:
            if "response body" not in str(error):
                raise
        time.sleep(FIRST_S * 2**tried)
    return request()


def side_by_side(ask: Callable[[S], T], keys: Sequence[S], most: int = CONNECTIONS) -> list[T]:
    """Call `ask` for each key, `most` at a time; results in their order.

    What is called so, and calls this itself, has its turn one by one.
    """
    if len(keys) < 2 or current_thread().name.startswith(THREAD):
        return [ask(key) for key in keys]
    with ThreadPoolExecutor(min(most, len(keys)), thread_name_prefix=THREAD) as pool:
        return list(pool.map(ask, keys))


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn obstore's errors into AccessDenied or StoreUnavailable that name `place`.

    Their cause is not kept: it has whole answers of services, which may name keys.
    """
    from obstore import exceptions

    try:
        yield
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise _refusal(place, error) from None
    except exceptions.BaseError as error:
        # Of a listing, obstore does not tell a refusal from other failures.
        if re.search(r"status code: 40[13]", str(error)):
            raise _refusal(place, error) from None
        raise StoreUnavailable(f"{place}: {reason(error)}.") from None


def _refusal(place: str, error: Exception) -> AccessDenied:
    match options_of(place).auth:
        case Oidc(role_arn=role):
            # Raises, where it is the login that is amiss.
            SUPPLY.keys(options_of(place))
            who = f" Role {role} may not; name another one, or ask for the right"
        case Bearer() if gets_token(place):
            # As above.
            _another_token(SUPPLY.token(), error)
            who = " It was asked with the token of the login (`voxelmill whoami`)"
        case _:
            who = ""
    status = _STATUS.search(str(error))
    said = status[1].strip() if status and "<Code>" not in str(error) else reason(error)
    return AccessDenied(f"{place}: the store refuses it ({said}).{who}")


def reason(error: BaseException) -> str:
    """First line of an error's text, short; or the code that an S3 service gave."""
    text = str(error).strip()
    if code := re.search(r"<Code>(\w+)</Code>", text):
        return code[1]
    if (tried := _TRIED.search(text)) and (cause := _CAUSE.search(text)):
        return f"no answer in {float(tried[1]):.0f} s, tried {int(tried[2]) + 1} times: {cause[1]}"
    lines = text.splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")[:160]
