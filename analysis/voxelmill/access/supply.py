"""Keys and tokens of stores for this process: asked for at every request, and cheap.

In: the options of a store with an `auth`. Out: `Keys` or `Token` that last. They come from the
login of this user (`keychain`), or in a pod from a Secret that the driver of the run keeps
(`given`). What was found is believed for some seconds, so that a login that ends, or another one,
is noticed soon; one thread looks while the others wait.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import ClassVar, Generic, Protocol, TypeVar

from pydantic import SecretStr

from voxelmill.access.given import VARIABLE, Given
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Keys, Lasting, Token, Wanted
from voxelmill.plugin import BadConfig, NoCredentials, StoreUnavailable
from voxelmill.storeoptions import Oidc, StoreOptions

NOTHING_S = 5.0
"""How long it is believed that there is nothing."""
AGAIN_S = 30.0
"""The same of what could not be renewed when it was due."""
PATIENCE_S = 120.0
"""How long a provider or an STS that does not answer is waited for: as a store is."""
PAUSE_S, LONGEST_S = 0.5, 5.0

T = TypeVar("T", bound=Lasting)


class Source(Protocol):
    """Where keys and tokens come from; see `Keychain`."""

    look_s: ClassVar[float]
    """How long what was found is believed."""

    def keys(self, wanted: Wanted, refused: SecretStr | None = None) -> Keys:
        """Return keys that last."""

    def token(self, refused: SecretStr | None = None) -> Token:
        """Return an access token that lasts."""


def source() -> Source:
    """Source of this process."""
    named = os.environ.get(VARIABLE)
    return _given(named) if named else Keychain()


@lru_cache(maxsize=1)
def _given(named: str) -> Given:
    return Given.of(named)


def wanted(options: StoreOptions) -> Wanted | None:
    """What keys a store is entered with; None if with none of a login.

    Raises
    ------
    BadConfig
        It does not say where they are had.
    """
    auth = options.auth
    if not isinstance(auth, Oidc):
        return None
    sts = auth.sts or options.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if not sts:
        raise BadConfig(
            f"stores: auth: {auth.role_arn}: no STS to ask; allowed: `sts`, such as "
            "https://sts.eu-north-1.amazonaws.com, or `endpoint`. Set one"
        )
    ca = options.ca or os.environ.get("AWS_CA_BUNDLE", "")
    return Wanted(sts.rstrip("/"), auth.role_arn, auth.duration_s, ca)


class Memo(Generic[T]):
    """The last answer to one question."""

    def __init__(self, look_s: float) -> None:
        self._look_s = look_s
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._found: T | NoCredentials | None = None

    def get(self, ask: Callable[[], T], refused: SecretStr | None) -> T:
        """Return what was answered, unless it is too old, or `refused`; else ask."""
        with self._lock:
            found, age = self._found, time.monotonic() - self._looked
            if isinstance(found, NoCredentials) and age < NOTHING_S:
                raise type(found)(str(found))
            if isinstance(found, Lasting) and found.id != refused and found.lasts():
                most = self._look_s if found.fresh else AGAIN_S
                if age < most:
                    return found
            try:
                self._found = patiently(ask)
            except NoCredentials as error:
                self._found = error
                raise
            finally:
                self._looked = time.monotonic()
            return self._found


class Supply:
    """What this process has found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[tuple[Source, Wanted], Memo[Keys]] = {}
        self._tokens: dict[Source, Memo[Token]] = {}

    def keys(self, options: StoreOptions, refused: SecretStr | None = None) -> Keys | None:
        """Keys for a store; None if it wants none of a login.

        Parameters
        ----------
        options : StoreOptions
        refused : SecretStr, optional
            Id of a key that the store does not take any more.

        Raises
        ------
        SessionEnded, NoCredentials
            There are none.
        """
        want, by = wanted(options), source()
        if want is None:
            return None
        with self._lock:
            memo = self._keys.setdefault((by, want), Memo(by.look_s))
        return memo.get(partial(by.keys, want, refused), refused)

    def token(self, refused: SecretStr | None = None) -> Token:
        """Access token of the login; `refused`: one that a service does not take.

        Raises
        ------
        SessionEnded, NoCredentials
            There is none.
        """
        by = source()
        with self._lock:
            memo = self._tokens.setdefault(by, Memo(by.look_s))
        return memo.get(partial(by.token, refused), refused)


def patiently(ask: Callable[[], T]) -> T:
    """Ask again for a while where there is no answer.

    Raises
    ------
    NoCredentials
        There was none for all that time.
    """
    end, pause = time.monotonic() + PATIENCE_S, PAUSE_S
    while True:
        try:
            return ask()
        except StoreUnavailable as error:
            if time.monotonic() + pause > end:
                text = str(error).rstrip(".")
                raise NoCredentials(f"{text}, and run it again; tried for two minutes") from None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_S)


SUPPLY = Supply()
"""Of this process."""
