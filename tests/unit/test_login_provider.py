"""The login commands at a provider that is correct, and not what everybody expects."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from access_tokens import CLIENT, KEY, claims, session, signed
from voxelmill.access.device import Code, Request, begin
from voxelmill.access.provider import discover
from voxelmill.access.session import Session, Vault
from voxelmill.access.web import Web
from voxelmill.plugin import AccessDenied, BadConfig
from voxelmill.steps.login import invitation, logout
from voxelmill.steps.whoami import whoami
from webserver import serving

DEVICE = {"device_code": "SECRET", "user_code": "AB-CD", "expires_in": 60, "interval": 1,
          "verification_uri": "https://a.org/d"}  # fmt: skip
Answer = tuple[int, dict[str, object]]


@dataclass
class Provider:
    """A provider: what it answers at each path, and the forms that it was sent."""

    url: str = ""
    good: str = "SECRET-access"
    answers: dict[str, Answer] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """Its discovery document."""
        names = {
            "jwks_uri": "jwks",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "revocation_endpoint": "revoke",
            "device_authorization_endpoint": "device",
        }
        return {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in names.items()}

    def answer(self, path: str, header: str, form: dict[str, str]) -> Answer:
        """Status and body for a request."""
        if path.endswith("openid-configuration"):
            return 200, self.document()
        if path == "/jwks":
            return 200, {"keys": [KEY.as_dict(private=False)]}
        if path == "/userinfo" and header != f"Bearer {self.good}":
            return 401, {"error": "invalid_token"}
        if found := self.answers.get(f"{path} {form.get('token_type_hint')}"):
            return found
        return self.answers.get(path, (200, {}))


@pytest.fixture
def provider() -> Iterator[Provider]:
    state, lock = Provider(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(text).items()}
            with lock:
                state.forms.append(form)
            self._answer(form)

        def _answer(self, form: dict[str, str]) -> None:
            header = self.headers.get("Authorization", "")
            status, content = state.answer(self.path, header, form)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serving(Handler) as state.url:
        yield state


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Vault()


def keep(vault: Vault, one: Session) -> Session:
    with vault.held():
        vault.write(one)
    return one


def code(provider: Provider, **changes: object) -> Code:
    provider.answers["/device"] = 200, DEVICE | changes
    with Web() as web:
        return begin(web, discover(web, provider.url), Request(CLIENT, "openid"))


def test_a_device_answer_may_have_nulls_and_no_pause(provider: Provider) -> None:
    found = code(provider, interval=0, verification_uri_complete=None, expires_in=None)
    assert (found.interval, found.verification_uri_complete, found.expires_in) == (1, "", 600)
    assert code(provider, interval=None).interval == 5


def test_a_device_answer_that_is_none_names_who_can_help(provider: Provider) -> None:
    with pytest.raises(AccessDenied, match=r"bad or missing user_code .* Tell the provider"):
        code(provider, user_code=None)
    for url in ("https://[bad", "https://a.org:abc", "https://a..b.org"):
        with pytest.raises(BadConfig, match="verification_uri: 'https"):
            code(provider, verification_uri=url)


def test_a_long_address_is_shown_whole() -> None:
    url = f"https://a.org/device?realm={'x' * 300}&user_code=AB-CD"
    shown = invitation(Code.model_validate(DEVICE | {"verification_uri_complete": url}))
    assert url in shown


REFUSED, UNSUPPORTED = ({"error": e} for e in ("invalid_client", "unsupported_token_type"))


@pytest.mark.parametrize(
    ("refresh", "access", "failed"),
    [
        ((200, {}), (200, {}), ""),
        ((200, {}), (400, UNSUPPORTED), ""),
        ((200, {}), (400, REFUSED), "invalid_client"),
        ((503, {}), (200, {}), "status 503"),
        ((401, REFUSED), (401, REFUSED), "invalid_client"),
        ((400, UNSUPPORTED), (200, {}), "unsupported_token_type"),
    ],
)
def test_both_tokens_are_revoked_as_far_as_the_provider_can(
    provider: Provider, vault: Vault, refresh: Answer, access: Answer, failed: str
) -> None:
    keep(vault, session(issuer=provider.url))
    provider.answers = {"/revoke refresh_token": refresh, "/revoke access_token": access}
    said: list[str] = []
    assert logout(said.append) is (failed == "")
    assert [form["token"] for form in provider.forms] == ["SECRET-refresh", "SECRET-access"]
    assert said[-1].count(failed or "NOT revoked") == bool(failed)
    assert "SECRET" not in said[-1]
    assert not vault.path.exists()


def test_an_access_token_that_nothing_revokes_is_told(provider: Provider, vault: Vault) -> None:
    one = session(issuer=provider.url)
    keep(vault, session(issuer=provider.url,
                        tokens=one.alive().model_copy(update={"refresh_token": None})))  # fmt: skip
    provider.answers["/revoke"] = 400, UNSUPPORTED
    assert not logout(lambda _: None)


def test_a_token_that_was_revoked_is_made_anew_once(provider: Provider, vault: Vault) -> None:
    keep(vault, session(issuer=provider.url))
    provider.good = "SECRET-second"
    token = signed(claims(iss=provider.url))
    provider.answers = {
        "/token": (200, {"access_token": "SECRET-second", "token_type": "Bearer",
                         "expires_in": 60, "id_token": token}),
        "/userinfo": (200, {"sub": "alice", "name": "Alice", "ga4gh_passport_v1": None}),
    }  # fmt: skip
    who = whoami()
    assert (who["name"], who["passport"]) == ("Alice", None)
    assert [form["grant_type"] for form in provider.forms] == ["refresh_token"]
    provider.good = "another"
    with pytest.raises(AccessDenied, match=r"userinfo refused \(invalid_token\)"):
        whoami()
    assert len(provider.forms) == 2


def test_where_nothing_renews_a_token_the_session_stays(provider: Provider, vault: Vault) -> None:
    one = session(issuer=provider.url)
    tokens = one.alive().model_copy(update={"refresh_token": None})
    keep(vault, one.model_copy(update={"tokens": tokens}))
    provider.good = "another"
    with pytest.raises(AccessDenied, match="userinfo refused"):
        whoami()
    assert vault.read().tokens == tokens
