"""A refresh at a provider that answers wrongly: what ends a session, and what passes."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from access_tokens import CLIENT, KEY, OTHER, claims, publish, session, signed
from entrances import Sts, sts
from voxelmill.access.keychain import Keychain
from voxelmill.access.keys import Wanted
from voxelmill.access.refresh import fresh
from voxelmill.access.session import Vault
from voxelmill.plugin import AccessDenied, SessionEnded, StoreUnavailable
from webserver import serving

PAGE = "<html>We will be back soon</html>"
PASSING = {
    "another way": (404, PAGE),
    "a firewall": (403, PAGE),
    "slow": (408, ""),
    "busy": (400, json.dumps({"error": "temporarily_unavailable"})),
    "a page": (200, PAGE),
    "a list": (200, "[]"),
    "half an answer": (200, json.dumps({"access_token": "x"})),
}


@dataclass
class Provider:
    """What a provider answers; by path, if not as it should."""

    folder: Path
    url: str = ""
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def granted(self, key: object = KEY) -> str:
        """New tokens."""
        found = {"access_token": "NEW-access", "token_type": "Bearer", "expires_in": 3600}
        more = {"refresh_token": "NEW-refresh", "id_token": signed(claims(iss=self.url), key)}
        return json.dumps(found | more)

    def answer(self, path: str) -> tuple[int, str]:
        """Status and body."""
        self.asked.append(path)
        file = self.folder / path.lstrip("/")
        usual = file.read_text() if file.is_file() else self.granted()
        return self.answers.get(path, (200, usual))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    found = Provider(tmp_path)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = found.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815 - as the server calls it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as found.url:
        publish(tmp_path, found.url)
        yield found


@pytest.fixture
def vault(provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    return expiring(provider, 0)


def expiring(provider: Provider, left_s: int) -> Vault:
    """A login whose tokens are at their end."""
    vault = Vault()
    with vault.held():
        vault.write(session(left_s=left_s, issuer=provider.url, client_id=CLIENT))
    return vault


@pytest.fixture
def service() -> Iterator[Sts]:
    with sts() as found:
        yield found


def wrong(provider: Provider, what: str) -> None:
    """Have it answer wrongly."""
    if what in PASSING:
        provider.answers["/token"] = PASSING[what]
    elif what == "no discovery":
        provider.answers["/.well-known/openid-configuration"] = (404, PAGE)
    elif what == "another's discovery":
        publish(provider.folder, provider.url, issuer="https://other.org")
    elif what == "no keys":
        provider.answers["/jwks"] = (200, PAGE)
    else:
        provider.answers["/token"] = (200, provider.granted(OTHER))


def mend(provider: Provider) -> None:
    """Have it answer as it should."""
    publish(provider.folder, provider.url)
    provider.answers = {}


ALL = [*PASSING, "no discovery", "another's discovery", "no keys", "forged"]


@pytest.mark.parametrize("what", ALL)
def test_an_answer_that_is_none_ends_no_session(
    provider: Provider, vault: Vault, what: str
) -> None:
    wrong(provider, what)
    with pytest.raises(StoreUnavailable) as caught:
        fresh(vault)
    said = str(caught.value)
    assert provider.url in said
    assert "\n" not in said
    assert "SECRET" not in said
    assert "NEW" not in said
    assert "voxelmill login" not in said
    assert "--issuer" not in said
    mend(provider)
    assert fresh(vault).access_token.get_secret_value() == "NEW-access"


@pytest.mark.parametrize("what", ALL)
def test_nor_does_it_matter_while_keys_and_tokens_last(
    provider: Provider, service: Sts, vault: Vault, what: str
) -> None:
    expiring(provider, 3600)
    wanted = Wanted(service.url, "arn:aws:iam:::role/r", 3600)
    first = Keychain().keys(wanted)
    (path,) = (vault.folder / "keys").glob("*.json")
    now = int(time.time())
    kept = json.loads(path.read_text()) | {"received_at": now - 3000, "expires_at": now + 600}
    path.write_text(json.dumps(kept))
    expiring(provider, 90)
    wrong(provider, what)
    assert Keychain().keys(wanted).id == first.id
    assert Keychain().token().access_token.get_secret_value() == "SECRET-access"
    assert "/.well-known/openid-configuration" in provider.asked


@pytest.mark.parametrize(
    ("code", "noted"),
    [("invalid_grant", True), ("invalid_client", False), ("unauthorized_client", False)],
)
def test_a_provider_that_says_so_ends_it(
    provider: Provider, vault: Vault, code: str, noted: bool
) -> None:
    provider.answers["/token"] = (400, json.dumps({"error": code}))
    with pytest.raises(AccessDenied, match="voxelmill login"):
        fresh(vault)
    assert (vault.read().tokens is None) == noted
    with pytest.raises(SessionEnded):
        Keychain().token()
