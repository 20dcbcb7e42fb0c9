"""Buckets behind a login: a RadosGW that believes the test provider, with a role for each person.

Also what a facility does for that, see docs/access.md; and all secrets that a run has had, for
those who look whether one has got out.
"""

import hashlib
import json
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
from botocore.session import Session

from clusters import oidc, rgw
from voxelmill.access.keychain import FOLDER, Keychain
from voxelmill.access.keys import Wanted
from voxelmill.access.session import Vault

PROVIDER = oidc.ISSUER.removeprefix("https://")
PEOPLE = ("alice", "bob")
PAGES = ("json/identity.json", "info/main/workers.html", "info/main/logs.html", "status", "metrics")
"""What the dashboard of a Dask scheduler may show."""


def role(person: str) -> str:
    return f"arn:aws:iam:::role/{person}"


KEYS = Wanted(rgw.ENDPOINT, role("alice"), 3600)


def auth(person: str = "alice", **more: object) -> dict[str, object]:
    """Options of a store for the configuration."""
    found = {"kind": "oidc", "role_arn": role(person), **more}
    return {"endpoint": rgw.ENDPOINT, "auth": found}


def policy(*statements: dict[str, object]) -> str:
    """A policy without spaces: RadosGW 16 reads a "+" in a form as itself, not as a space."""
    whole = {"Version": "2012-10-17", "Statement": list(statements)}
    return json.dumps(whole, separators=(",", ":"))


def register() -> None:
    """Have the store believe the provider, and give each person a role for buckets of their own."""
    rgw.trust(oidc.ca())
    iam = Session().create_client(
        "iam", endpoint_url=rgw.ENDPOINT, region_name="us-east-1",
        aws_access_key_id=rgw.IAM[0], aws_secret_access_key=rgw.IAM[1],
    )  # fmt: skip
    certificate = ssl.PEM_cert_to_DER_cert((oidc.root() / "server.pem").read_text())
    thumbprint = hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper()
    iam.create_open_id_connect_provider(
        Url=oidc.ISSUER, ClientIDList=[oidc.CLIENT], ThumbprintList=[thumbprint]
    )
    for person in PEOPLE:
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": [f"arn:aws:iam:::oidc-provider/{PROVIDER}"]},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {"StringEquals": {f"{PROVIDER}:sub": person}},
        }
        buckets = [f"arn:aws:s3:::{person}-*", f"arn:aws:s3:::{person}-*/*"]
        allow = {"Effect": "Allow", "Action": ["s3:*"], "Resource": buckets}
        iam.create_role(RoleName=person, AssumeRolePolicyDocument=policy(trust), Path="/")
        iam.put_role_policy(RoleName=person, PolicyName="own", PolicyDocument=policy(allow))


def client() -> Any:  # noqa: ANN401 - untyped library
    """A client of alice, who is logged in, that is not ours."""
    keys = Keychain().keys(KEYS)
    return rgw.client(
        (keys.access_key_id.get_secret_value(), keys.secret_access_key.get_secret_value()),
        keys.session_token.get_secret_value(),
    )


def age(vault: Vault) -> None:
    """Have keys be due, as they are after most of an hour."""
    for path in (vault.folder / FOLDER).glob("*.json"):
        found = json.loads(path.read_text())
        found["received_at"] = found["expires_at"] - 100 * 3600
        part = path.with_suffix(".aged")
        part.write_text(json.dumps(found))
        part.chmod(0o600)
        part.replace(path)


def revoke(vault: Vault) -> None:
    """End a session at the provider, as another device or an administrator may do."""
    token = vault.read().alive().refresh_token
    assert token
    form = {"token": token.get_secret_value(), "client_id": oidc.CLIENT}
    context = ssl.create_default_context(cafile=oidc.ca())
    answer = httpx.post(f"{oidc.ISSUER}/token/revocation", data=form, verify=context)
    assert answer.status_code == 200


def secrets_of(document: dict[str, Any]) -> set[str]:
    """Texts in what is kept for a login that nobody else may see."""
    found: set[str] = set()
    for name, value in document.items():
        if isinstance(value, dict):
            found |= secrets_of(value)
        elif name.endswith(("_token", "_key", "_key_id")) and isinstance(value, str):
            found.add(value)
    return found


class Witness:
    """Collects, while a run goes on, all secrets it is given, and what its processes show of them.

    Parameters
    ----------
    vault : Vault
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.secrets: set[str] = set()
        self.shown: list[str] = []
        """Processes whose command line or environment had a secret in it."""
        self.processes: set[str] = set()
        self.pages: list[bytes] = []
        """What their web servers have shown."""
        self._over = threading.Event()
        self._seen: set[int] = set()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the body runs."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            for file in (self.vault.path, *(self.vault.folder / FOLDER).glob("*.json")):
                with suppress(OSError, ValueError):
                    self.secrets |= secrets_of(json.loads(file.read_text()))
            self._look(self.secrets)

    def _look(self, secrets: set[str]) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes()
                about = words + (process / "environ").read_bytes()
                if b"voxelmill" not in about or int(process.name) == os.getpid():
                    continue
                self.processes.add(process.name)
                self._browse(int(process.name))
                if any(secret.encode() in about for secret in secrets):
                    self.shown.append(words.decode(errors="replace"))

    def _browse(self, process: int) -> None:
        with suppress(psutil.Error):
            for one in psutil.Process(process).net_connections("tcp"):
                if one.status != psutil.CONN_LISTEN or one.laddr.port in self._seen:
                    continue
                self._seen.add(one.laddr.port)
                for page in PAGES:
                    with suppress(httpx.HTTPError):
                        answer = httpx.get(f"http://127.0.0.1:{one.laddr.port}/{page}", timeout=2)
                        self.pages.append(answer.content)

    def leaks(self, *folders: Path) -> list[str]:
        """Files below folders with one of the secrets in them."""
        return [str(path) for folder in folders for path in folder.rglob("*")
                if path.is_file() and self.found_in(path.read_bytes())]  # fmt: skip

    def found_in(self, data: bytes) -> bool:
        """Whether bytes hold one of the secrets, as it is or as in an address."""
        texts = {text for secret in self.secrets for text in (secret, quote(secret, safe=""))}
        return any(text.encode() in data for text in texts)


def wait_for(path: Path, seconds: float = 120) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path}: not there after {seconds:.0f} s")
        time.sleep(0.1)
