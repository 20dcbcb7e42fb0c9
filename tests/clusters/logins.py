"""Logins at the test provider: in this process, or by the command as a user calls it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from clusters import oidc
from voxelmill.access.session import Vault
from voxelmill.steps.login import Where, login

OPTIONS = ("--issuer", oidc.ISSUER, "--client-id", oidc.CLIENT)
ADDRESS = re.compile(rf"{oidc.ISSUER}/device\?user_code=\S+")


def log_in(user: str = "alice", *, refuse: bool = False) -> Vault:
    """Log in with a browser that is done before the first poll; where the session is."""

    def say(text: str) -> None:
        if found := ADDRESS.search(text):
            oidc.browse(found.group(), user, refuse=refuse)

    login(Where(oidc.ISSUER, oidc.CLIENT, oidc.ca()), say, file=True)
    return Vault()


def expire(vault: Vault) -> None:
    """Have a session's access token be at its end."""
    with vault.held():
        session = vault.read()
        tokens = session.alive().model_copy(update={"expires_at": 0})
        vault.write(session.model_copy(update={"tokens": tokens}))


def traces(secret: str) -> list[str]:
    """What shows that a text holds a token, also one that was cut."""
    # The first part of a signed token is the same in all of them.
    return [part[:40] for part in secret.split(".")[-2:]]


def command(*words: str) -> list[str]:
    """Command line of voxelmill."""
    return [sys.executable, "-m", "voxelmill", *words]


def environment() -> dict[str, str]:
    """What a user's shell says who has the private CA set up."""
    return dict(os.environ) | {"SSL_CERT_FILE": oidc.ca(), "PYTHONPATH": os.pathsep.join(sys.path)}


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """Call voxelmill."""
    return subprocess.run(command(*words), env=environment(), capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


class Started:
    """A `voxelmill login` that waits for its user."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            command("login", *OPTIONS, *options), env=environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # What a test run in the background ignores, its children would ignore, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self.said: list[str] = []
        self.url = self._until(ADDRESS)
        self._until(re.compile("waiting for you"))

    def _until(self, pattern: re.Pattern[str]) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.append(line)
            if found := pattern.search(line):
                return found.group()
        raise AssertionError("".join(self.said) + self.process.communicate()[1])

    def about(self) -> str:
        """Its command line and environment, as other users' `ps` may show them."""
        folder = Path("/proc", str(self.process.pid))
        return (folder / "cmdline").read_text() + (folder / "environ").read_text()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, and what it has said in all."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.said) + out, err
