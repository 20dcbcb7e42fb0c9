"""What a login opens: temporary keys and the access token, for all processes of one user.

In: the session of the vault. Out: `Keys` and `Token` that last a while. Keys are kept beside the
session, in files as private as that one, so that hundreds of jobs ask the STS once an hour and
not each for itself. A provider or an STS that is down, or answers wrongly, does not matter as long
as what there is still lasts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import SecretStr, ValidationError

from voxelmill.access.files import make_folder, read_private, write_private
from voxelmill.access.keys import Keys, Token, Wanted
from voxelmill.access.refresh import fresh
from voxelmill.access.session import PATIENCE_S, Session, Vault
from voxelmill.access.sts import assume
from voxelmill.access.tokens import Tokens
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import AccessDenied, NoCredentials, SessionEnded, StoreUnavailable

FOLDER = "keys"

T = TypeVar("T")


@dataclass(frozen=True)
class Keychain:
    """Keys of the one who is logged in.

    Parameters
    ----------
    vault : Vault
        Where the session is.
    """

    vault: Vault = field(default_factory=Vault)
    look_s: ClassVar[float] = 5.0

    def keys(self, wanted: Wanted, refused: SecretStr | None = None) -> Keys:
        """Return keys that last.

        Parameters
        ----------
        wanted : Wanted
        refused : SecretStr, optional
            Id of a key that the store does not take any more.

        Raises
        ------
        SessionEnded
            Nobody is logged in, also where keys are left that would still open the store.
        NoCredentials
            The STS refuses, and there are no keys that last.
        StoreUnavailable
            The provider or the STS does not answer, or not as it should, and there are no keys that
            last. Later it may.
        """
        path = self._path(wanted)
        kept = _read(path, refused)
        if kept and kept.fresh:
            return kept
        with _held(path):
            kept = _read(path, refused)
            if kept and kept.fresh:
                return kept
            try:
                new = self._ask(wanted)
            except SessionEnded:
                raise
            except (NoCredentials, StoreUnavailable):
                # A refusal, too, may be the page of a proxy; if it is one it will be there later.
                if kept and kept.lasts():
                    return kept
                raise
            write_private(path, new.revealed())
        return new

    def token(self, refused: SecretStr | None = None) -> Token:
        """Return an access token that lasts; not the one that a service has `refused`.

        Raises
        ------
        SessionEnded, StoreUnavailable
            As `keys`.
        """
        try:
            return _token(_as_a_person(lambda: fresh(self.vault, refused=refused)))
        except StoreUnavailable:
            found = _token(_as_a_person(lambda: self.vault.read().alive()))
            if found.id == refused or not found.lasts():
                raise
            return found

    def session(self) -> Session:
        """Who is logged in; no keyring is asked for the tokens.

        Raises
        ------
        SessionEnded
            Nobody is.
        """
        note = _as_a_person(self.vault.note)
        if not note.keyring:
            _as_a_person(note.alive)
        return note

    def forget(self) -> None:
        """Delete the keys that are kept; stores take them until their end."""
        for path in (self.vault.folder / FOLDER).glob("*.json"):
            path.unlink(missing_ok=True)

    def _ask(self, wanted: Wanted) -> Keys:
        tokens = _as_a_person(lambda: fresh(self.vault, id_token=True))
        found = assume(wanted, tokens.id_token)
        if not found.lasts():
            raise NoCredentials(
                f"{wanted.sts}: keys that end at once. Set this machine's clock, or theirs"
            )
        return found

    def _path(self, wanted: Wanted) -> Path:
        # Of another login at the same place there may be some, too.
        who = self.session()
        name = wanted.name(who.issuer, who.client_id, who.subject)
        return self.vault.folder / FOLDER / f"{name}.json"


def _as_a_person(ask: Callable[[], T]) -> T:
    """Call what refuses only where a person has to act."""
    try:
        return ask()
    except AccessDenied as error:
        raise SessionEnded(str(error)) from None


def _token(tokens: Tokens) -> Token:
    return Token(
        access_token=tokens.access_token,
        received_at=tokens.received_at,
        expires_at=tokens.expires_at,
    )


def _read(path: Path, refused: SecretStr | None) -> Keys | None:
    """Keys that were kept, but for those that are not taken any more."""
    data = _as_a_person(lambda: read_private(path))
    try:
        found = Keys.model_validate_json(data) if data else None
    except ValidationError:
        return None
    return found if found and found.id != refused else None


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Let one process at a time ask for keys."""
    make_folder(path.parent)
    try:
        lock = LockFile(path.with_suffix(".lock"), patience_s=PATIENCE_S)
    except Held as holder:
        place = path.with_suffix(".lock")
        raise StoreUnavailable(f"{place}: {holder} asks for keys since minutes. End it") from None
    try:
        yield
    finally:
        lock.release()
