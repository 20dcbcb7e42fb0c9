"""What pods enter stores with: a Secret that the driver of a run keeps up to date.

Pods share no file with the one who is logged in. They get temporary keys and access tokens, which
end soon; never what renews them, of which only one may have a copy. The Secret is one of the
namespace, with entries by run. Where the driver is a pod itself, its login comes from another
Secret, and goes back there whenever a refresh has changed it: the next driver needs that one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from shlex import quote

from voxelmill.access.files import read_private, write_private
from voxelmill.access.given import ENDED, VARIABLE, Given
from voxelmill.access.session import Vault
from voxelmill.kubeapi import Api
from voxelmill.plugin import SessionEnded
from voxelmill.steps.signing import config_text
from voxelmill.storeoptions import VARIABLE as STORES

SECRET = "voxelmill-keys"  # noqa: S105 - the name of one
"""Secret with the keys of all runs of a namespace."""
SESSION = "VOXELMILL_SESSION"
"""Environment variable of a driver in a pod: the Secret with its login, in `ENTRY`."""
ENTRY = "session.json"


@dataclass
class KeySecret:
    """Entries of one run; a `loginguard.Share`.

    Parameters
    ----------
    api : Api
    store : str
        Address of the results.
    """

    api: Api
    store: str
    _put: dict[str, bytes] = field(default_factory=dict, repr=False)
    _session: bytes = field(default=b"", repr=False)

    @property
    def given(self) -> Given:
        """The same as pods see it."""
        return Given(SECRET, sha256(self.store.encode()).hexdigest()[:12], self.api)

    def arrive(self) -> None:
        """Take over the login that was left for this driver, if it is a pod.

        Raises
        ------
        SessionEnded
            There is none.
        """
        name, vault = os.environ.get(SESSION), Vault()
        if not name or vault.path.exists():
            return
        found = self.api.secret(name).get(ENTRY)
        if not found:
            raise SessionEnded(
                f"kubernetes: secret {name}: no {ENTRY} in it. Make it as docs/access.md says"
            )
        with vault.held():
            write_private(vault.path, found)
        self._session = found

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Hand on entries that have changed, and the login itself if a refresh has changed it."""
        self._keep_session()
        given = self.given
        named = {given.entry(name): content for name, content in entries.items()}
        changed = {n: content for n, content in named.items() if self._put.get(n) != content}
        if changed:
            # A run that was ended for want of a login goes on.
            self.api.put_secret(SECRET, {**changed, given.entry(ENDED): None})
            self._put |= changed

    def end(self, why: str = "") -> None:
        """Take the entries away; `why` there will be no others, if pods may still look for them."""
        self._keep_session()
        gone: dict[str, bytes | None] = dict.fromkeys(self._put)
        if gone or why:
            ended = why.encode() if why else None
            self.api.put_secret(SECRET, {**gone, self.given.entry(ENDED): ended})
            self._put.clear()

    def _keep_session(self) -> None:
        name = os.environ.get(SESSION)
        if not name:
            return
        found = read_private(Vault().path) or b""
        if found != self._session:
            self.api.put_secret(name, {ENTRY: found})
            self._session = found

    def lacking(self) -> list[str]:
        """Rights that are needed for it and are not there."""
        names = [SECRET, *filter(None, [os.environ.get(SESSION)])]
        return [
            f"{verb} secrets/{name}"
            for name in names
            for verb in ("get", "patch")
            if not self.api.may(verb, "secrets", name=name)
        ]

    def precommand(self) -> str:
        """What a pod does before anything else: tells botocore and us where keys are."""
        exports = {VARIABLE: self.given.told, STORES: os.environ.get(STORES, "{}"),
                   "AWS_SHARED_CREDENTIALS_FILE": os.devnull}  # fmt: skip
        words = " ".join(f"{name}={quote(value)}" for name, value in exports.items())
        text = quote(config_text(self.store, "python"))
        return (
            f'export {words} AWS_CONFIG_FILE="$PWD/.aws-config" && printf %s {text} > .aws-config'
        )
