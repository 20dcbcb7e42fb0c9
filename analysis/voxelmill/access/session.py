"""A login that lasts: who, where, and the tokens; kept for the processes of one user.

In and out: `Session`, read from and written to a `Vault`. That is one file,
``$XDG_STATE_HOME/voxelmill/session.json`` (default: ``~/.local/state``), with mode 0600 in a folder
with mode 0700; see `files` for what is refused. With a keyring the file says everything but the
tokens, which the keyring has. A session that the provider has ended stays as a note without tokens,
so that all who come later fail at once.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from voxelmill.access import ring
from voxelmill.access.files import make_folder, read_private, write_private
from voxelmill.access.tokens import Tokens
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable

PATIENCE_S = 180.0
"""Longest wait for another process that refreshes: its requests have time limits, too."""
AGAIN = "Run `voxelmill login`"


class Session(BaseModel):
    """Who is logged in, and where; without tokens, who was."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    issuer: str
    client_id: str
    subject: str
    name: str = ""
    ca: str = ""
    keyring: bool = False
    tokens: Tokens | None = None

    def alive(self) -> Tokens:
        """Return its tokens.

        Raises
        ------
        AccessDenied
            The session has ended.
        """
        if self.tokens is None:
            raise AccessDenied(
                f"login: the session of {self.name or self.subject} at {self.issuer} has ended. "
                f"{AGAIN}"
            )
        return self.tokens


def state_folder() -> Path:
    """Folder of voxelmill in the user's XDG state folder.

    Raises
    ------
    BadConfig
        The user has no home folder, as in a pod.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The specification: a relative one is to be ignored.
    if named.is_absolute():
        return named / "voxelmill"
    try:
        return Path.home() / ".local/state/voxelmill"
    except RuntimeError:
        raise BadConfig("login: this user has no home folder. Set XDG_STATE_HOME") from None


@dataclass(frozen=True)
class Vault:
    """Where a session is kept.

    Parameters
    ----------
    folder : Path
        Folder of the session file.
    """

    folder: Path = field(default_factory=state_folder)

    @property
    def path(self) -> Path:
        """The session file."""
        return self.folder / "session.json"

    def check(self) -> None:
        """Refuse a place that others can read, before anybody logs in."""
        read_private(self.path)

    def read(self) -> Session:
        """Return the session.

        Raises
        ------
        AccessDenied
            Nobody is logged in; others could read the file; or the keyring is not here.
        """
        session = self.note()
        if not session.keyring:
            return session
        text = ring.get(str(self.path))
        try:
            if text is not None:
                tokens = Tokens.model_validate_json(text)
                return session.model_copy(update={"tokens": tokens})
        except ValidationError:
            raise AccessDenied(f"{self.path}: not a session file. {AGAIN}") from None
        raise AccessDenied(
            f"login: the tokens are in a keyring that is not open here ({self.path}). Unlock it, "
            "or, for jobs on other machines: `voxelmill login --file`"
        )

    def note(self) -> Session:
        """Return what the file says: without tokens, where a keyring has them.

        Raises
        ------
        AccessDenied
            Nobody is logged in; or others could read the file.
        """
        data = read_private(self.path)
        if data is None:
            raise AccessDenied(f"login: nobody is logged in ({self.path}). {AGAIN}")
        try:
            return Session.model_validate_json(data)
        except ValidationError:
            raise AccessDenied(f"{self.path}: not a session file. {AGAIN}") from None

    def write(self, session: Session) -> None:
        """Keep a session in place of the one before; only under `held`."""
        tokens = session.tokens
        kept = session.model_dump(exclude={"tokens", "keyring"})
        if tokens is not None and session.keyring:
            ring.put(str(self.path), json.dumps(_revealed(tokens)))
            kept["keyring"] = True
        else:
            if self._in_keyring():
                ring.delete(str(self.path))
            kept["tokens"] = tokens and _revealed(tokens)
        write_private(self.path, json.dumps(kept, indent=1).encode() + b"\n")

    def _in_keyring(self) -> bool:
        """Whether the tokens of the session before are in the keyring."""
        try:
            return Session.model_validate_json(read_private(self.path) or b"").keyring
        except ValidationError:
            return False

    def remove(self, session: Session) -> None:
        """Forget a session; only under `held`."""
        self.path.unlink(missing_ok=True)
        if session.keyring:
            ring.delete(str(self.path))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep all other processes and threads from changing the session.

        The lock is one of the kernel's (flock), which a killed holder lets go of. Between nodes it
        is as good as the file system's: NFS and Lustre mounted with ``flock`` have it; where there
        is none at all nobody is kept out.

        Raises
        ------
        StoreUnavailable
            Another process has held it for minutes.
        """
        make_folder(self.folder)
        try:
            lock = LockFile(self.folder / "session.lock", patience_s=PATIENCE_S)
        except Held as holder:
            raise StoreUnavailable(
                f"{self.folder / 'session.lock'}: {holder} refreshes the login for minutes. End it"
            ) from None
        try:
            yield
        finally:
            lock.release()


def _revealed(tokens: Tokens) -> dict[str, object]:
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in dict(tokens).items()
    }
