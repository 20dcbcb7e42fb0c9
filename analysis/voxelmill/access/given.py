"""Keys and tokens in a pod: pods share no file with the one who is logged in.

In: the name of a Secret, and of a run, from the environment. Out: what the driver of that run has
put there last; it does so as long as the run goes on. Only what ends soon is there: keys and access
tokens, never what renews them. See ``steps.kubekeys`` for the other end.
"""

from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from pydantic import SecretStr, ValidationError

from voxelmill.access.keys import Keys, Lasting, Token, Wanted
from voxelmill.kubeapi import Api
from voxelmill.plugin import SessionEnded, StoreUnavailable

VARIABLE = "VOXELMILL_KEYS"
"""Environment variable with ``<secret>/<run>``."""
TOKEN, ENDED = "token", "ended"

T = TypeVar("T", bound=Lasting)


@dataclass(frozen=True)
class Given:
    """Entries of one run in a Secret."""

    secret: str
    run: str
    api: Api = field(default_factory=Api, compare=False, repr=False)
    look_s: ClassVar[float] = 60.0
    # Hundreds of pods ask the same API server.

    @classmethod
    def of(cls, text: str) -> "Given":
        """As `VARIABLE` says."""
        secret, _, run = text.partition("/")
        return cls(secret, run)

    @property
    def told(self) -> str:
        """Value of `VARIABLE`."""
        return f"{self.secret}/{self.run}"

    def entry(self, name: str) -> str:
        """Key of an entry in the Secret."""
        return f"{self.run}.{name}"

    def keys(self, wanted: Wanted, refused: SecretStr | None = None) -> Keys:
        """Return keys that last; see `Keychain.keys`."""
        return self._read(Keys, wanted.name(), f"role {wanted.role_arn}", refused)

    def token(self, refused: SecretStr | None = None) -> Token:
        """Return an access token that lasts."""
        return self._read(Token, TOKEN, "a token", refused)

    def _read(self, kind: type[T], name: str, what: str, refused: SecretStr | None) -> T:
        entries = self.api.secret(self.secret)
        if ended := entries.get(self.entry(ENDED)):
            raise SessionEnded(ended.decode())
        try:
            found = kind.model_validate_json(entries.get(self.entry(name), b""))
        except ValidationError:
            found = None
        if found is None or found.id == refused or not found.lasts():
            raise StoreUnavailable(
                f"kubernetes: secret {self.secret}: nothing for {what} that lasts. Check that the "
                "run still goes on that keeps it"
            )
        return found
