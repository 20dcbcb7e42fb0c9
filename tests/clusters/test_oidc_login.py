"""Log in at a real OpenID provider, with a person who confirms, refuses or does nothing."""

import json
import logging
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters import logins, oidc
from voxelmill.access import device, settings
from voxelmill.access.answers import accept, granted
from voxelmill.access.provider import Keys, Provider, discover
from voxelmill.access.refresh import fresh
from voxelmill.access.session import Vault
from voxelmill.access.tokens import Expected
from voxelmill.access.web import Web
from voxelmill.plugin import AccessDenied, BadConfig, StoreUnavailable, VoxelmillError

pytestmark = [pytest.mark.oidc, pytest.mark.smoke, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def home(openid: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has never logged in, and a provider that does nothing odd."""
    monkeypatch.setenv("OIDC_TEST_ROOT", str(oidc.root()))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    oidc.tell()
    return tmp_path / "state"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(oidc.ca()) as web:
        yield web


@pytest.fixture
def provider(web: Web) -> Provider:
    return discover(web, oidc.ISSUER)


def begun(web: Web, provider: Provider) -> tuple[device.Request, device.Code]:
    request = device.Request(oidc.CLIENT, settings.scopes(provider.scopes_supported))
    return request, device.begin(web, provider, request)


def test_a_login_from_first_to_last(home: Path) -> None:
    login = logins.Started("--file")
    assert not home.exists()
    oidc.browse(login.url)
    code, out, err = login.end()
    assert (code, err) == (0, "")
    assert "Logged in as Dr. alice" in out
    assert f"kept in {home}/voxelmill/session.json" in out
    assert "\x1b" not in out, "no terminal, no QR code"
    vault = Vault(home / "voxelmill")
    assert vault.path.stat().st_mode & 0o777 == 0o600
    asked = "openid offline_access profile email eduperson_entitlement ga4gh_passport_v1"
    assert oidc.counts()["scope"] == asked

    who = logins.call("whoami")
    assert who.returncode == 0, who.stderr
    for text in ("alice", "Dr. alice <alice@example.org>", "renews itself",
                 "urn:geant:lifescience-ri.eu:group:bioimg:alice",
                 "AffiliationAndRole: researcher@example.org", ": verified",
                 "NOT verified (its issuer is not known here"):  # fmt: skip
        assert text in who.stdout
    known = json.loads(logins.call("whoami", "--json", "--visa-issuer", oidc.OTHER).stdout)
    assert [visa["verified"] for visa in known["passport"]] == [True, True]
    assert known["expires"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    refresh = vault.read().alive().refresh_token
    done = logins.call("logout")
    assert (done.returncode, done.stderr) == (0, "")
    assert [*vault.folder.iterdir()] == []
    assert oidc.counts()["/token/revocation"] == 2
    assert refresh is not None
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": oidc.CLIENT}
    with Web(oidc.ca()) as web:
        assert web.post(f"{oidc.ISSUER}/token", form).error == "invalid_grant"
    again = logins.call("whoami")
    assert again.returncode == 2
    assert again.stderr.startswith("voxelmill: login: nobody is logged in")


def test_the_user_refuses(home: Path) -> None:
    login = logins.Started()
    oidc.browse(login.url, refuse=True)
    code, _, err = login.end()
    assert code == 2
    assert "it was refused in the browser" in err
    assert err.count("\n") == 1
    assert not home.exists()


def test_ctrl_c_leaves_nothing_behind(home: Path) -> None:
    login = logins.Started()
    login.process.send_signal(signal.SIGINT)
    code, _, err = login.end()
    assert code == 130
    assert "Traceback" not in err
    assert not home.exists()


def test_nobody_confirms(home: Path) -> None:
    oidc.tell(device_s=3)
    code, _, err = logins.Started().end()
    assert code == 2
    assert "the code has expired before anybody confirmed it" in err
    assert not home.exists()


def test_the_provider_says_that_the_code_has_expired(web: Web, provider: Provider) -> None:
    oidc.tell(device_s=1)
    request, code = begun(web, provider)
    code = code.model_copy(update={"expires_in": 600})
    with pytest.raises(AccessDenied, match="has expired"):
        device.wait(web, provider, request, code, lambda _: time.sleep(1.2))


@pytest.mark.parametrize(("interval", "first"), [(0, 5), (1, 1), (7, 7)])
def test_slow_down_adds_five_seconds_each_time(
    web: Web, provider: Provider, interval: int, first: int
) -> None:
    oidc.tell(slow_down=2, interval=interval)
    request, code = begun(web, provider)
    oidc.browse(code.verification_uri_complete)
    pauses: list[float] = []
    assert device.wait(web, provider, request, code, pauses.append)["access_token"]
    assert pauses == [first, first + 5, first + 10]


@pytest.mark.parametrize("fault", ["errors", "hang_up"])
def test_the_provider_is_gone_for_a_while(web: Web, provider: Provider, fault: str) -> None:
    request, code = begun(web, provider)
    oidc.browse(code.verification_uri_complete)
    oidc.tell(**{fault: 3})
    pauses: list[float] = []
    assert device.wait(web, provider, request, code, pauses.append)["access_token"]
    assert pauses == [1, 2, 4, 8]


def test_the_provider_is_down(home: Path) -> None:
    vault = logins.log_in()
    oidc.tell(listening=False)
    try:
        with pytest.raises(StoreUnavailable, match="no answer"):
            logins.log_in()
        done = logins.call("whoami")
        assert done.returncode == 2
        assert done.stderr.startswith(f"voxelmill: {oidc.ISSUER}/.well-known")
        assert "no answer" in done.stderr
        assert vault.path.exists()
        done = logins.call("logout")
    finally:
        oidc.tell()
    assert done.returncode == 1
    assert "NOT revoked" in done.stdout
    assert not vault.path.exists()


def test_a_private_ca_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "environment", lambda: logins.os.environ | {
        "PYTHONPATH": ":".join(logins.sys.path)})  # fmt: skip
    done = logins.call("login", *logins.OPTIONS)
    assert done.returncode == 2
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert "--ca FILE" in done.stderr
    oidc.browse((login := logins.Started("--ca", oidc.ca())).url)
    assert login.end()[0] == 0
    # It is remembered.
    assert logins.call("whoami").returncode == 0


def test_a_place_that_others_can_read_is_refused_before_anybody_logs_in(home: Path) -> None:
    (home / "voxelmill").mkdir(parents=True, mode=0o755)
    done = logins.call("login", *logins.OPTIONS)
    assert done.returncode == 2
    assert f"chmod 700 {home}/voxelmill" in done.stderr
    assert "/device/auth" not in oidc.counts()


def test_the_provider_lists_no_scopes() -> None:
    oidc.tell(scopes=False)
    logins.log_in()
    assert oidc.counts()["scope"] == "openid offline_access profile email"


def test_a_client_that_is_not_registered() -> None:
    done = logins.call("login", "--issuer", oidc.ISSUER, "--client-id", "stranger")
    assert done.returncode == 2
    assert "client stranger may not log in (invalid_client" in done.stderr


@pytest.mark.parametrize("issuer", [f"{oidc.ISSUER}/", f"https://127.0.0.1:{oidc.PORT}"])
def test_another_spelling_of_the_issuer(web: Web, issuer: str) -> None:
    with pytest.raises(BadConfig, match=f"Give that: --issuer {oidc.ISSUER}$"):
        discover(web, issuer)


def test_the_proof_key_and_the_nonce_are_used(web: Web, provider: Provider) -> None:
    """The provider here checks the one, and puts the other into the ID token."""
    request, code = begun(web, provider)
    oidc.browse(code.verification_uri_complete)
    thief = device.Request(oidc.CLIENT, request.scope)
    with pytest.raises(AccessDenied, match="invalid_grant"):
        device.wait(web, provider, thief, code, lambda _: None)
    body = device.wait(web, provider, request, code, lambda _: None)
    keys = Keys(web, provider.jwks_uri)
    expected = Expected(oidc.ISSUER, oidc.CLIENT, nonce=request.nonce)
    assert accept(granted(body, oidc.ISSUER), keys, expected)[1]["nonce"] == request.nonce
    with pytest.raises(AccessDenied, match="wrong nonce"):
        accept(granted(body, oidc.ISSUER), keys, Expected(oidc.ISSUER, oidc.CLIENT, thief.nonce))


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"sign": "none"}, "alg"),
    ({"sign": "HS256"}, "HS256"),
    ({"sign": "tampered"}, "bad_signature"),
    ({"sign": "other"}, "bad_signature"),
    ({"claims": {"iss": "https://evil.org"}}, "wrong iss"),
    ({"claims": {"aud": "another-client"}}, "wrong aud"),
    ({"claims": {"aud": [oidc.CLIENT, "x"], "azp": "x"}}, "wrong azp"),
    ({"claims": {"nonce": "another"}}, "wrong nonce"),
    ({"claims": {"at_hash": "another"}}, "wrong at_hash"),
    ({"claims": {"exp": 1}}, "expired"),
    ({"skew_s": 120}, "future.*clock"),
    ({"skew_s": -3720}, "expired.*clock"),
    ({"userinfo": {"sub": "eve"}}, "another subject"),
]


@pytest.mark.parametrize(("fault", "why"), FORGED, ids=[str(fault) for fault, _ in FORGED])
def test_an_id_token_that_is_not_what_it_should_be(
    home: Path, fault: dict[str, Any], why: str
) -> None:
    if "userinfo" in fault:
        fault = {**fault, "claims": {"name": None}}
    oidc.tell(**fault)
    with pytest.raises(AccessDenied, match=why):
        logins.log_in()
    assert not home.exists()


@pytest.mark.parametrize("fault", [{"skew_s": 45}, {"skew_s": -3640}, {"nonce": False},
                                   {"at_hash": False}])  # fmt: skip
def test_what_may_differ(fault: dict[str, Any]) -> None:
    oidc.tell(**fault)
    assert logins.log_in().read().subject == "alice"


def test_a_new_key_is_fetched(web: Web, provider: Provider) -> None:
    keys = Keys(web, provider.jwks_uri)
    keys.now()
    oidc.tell(sign="new")
    request, code = begun(web, provider)
    oidc.browse(code.verification_uri_complete)
    body = device.wait(web, provider, request, code, lambda _: None)
    assert accept(granted(body, oidc.ISSUER), keys, Expected(oidc.ISSUER, oidc.CLIENT))[1]
    assert oidc.counts()["/jwks"] == 1


def test_visas_that_prove_nothing() -> None:
    logins.log_in("eve")
    done = logins.call("whoami", "--json", "--visa-issuer", oidc.OTHER)
    passport = json.loads(done.stdout)["passport"]
    why = ["bad_signature", "expired", "none", "jku", "not known", "somebody else", "no visa"]
    assert [part in visa["why_not"] for part, visa in zip(why, passport, strict=True)] == [True] * 7
    assert "other /stolen" not in oidc.counts()


def test_no_token_is_said_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not of any that the provider has handed out, whether it was kept or not."""
    caplog.set_level(logging.DEBUG)
    before = len(oidc.issued())
    login = logins.Started("--file")
    oidc.browse(login.url)
    time.sleep(0.2)
    said = [login.about(), *login.end()[1:]]
    said += [text for words in (("whoami",), ("whoami", "--json")) for text in output(*words)]
    vault = logins.log_in()
    again = {"sign": "tampered"}, "bad_signature", logins.log_in
    cut = {"hang_up": 1}, "no answer", lambda: fresh(vault)
    for fault, why, use in (again, cut):
        oidc.tell(**fault)
        logins.expire(vault)
        said += output("whoami")
        assert why in said[-1]
        oidc.tell(**fault)
        with pytest.raises(VoxelmillError) as caught:
            use()
        said += traceback.format_exception(caught.value)
    said += [*output("logout"), caplog.text, *(repr(r.__dict__) for r in caplog.records)]
    assert "httpx" in caplog.text
    secrets = oidc.issued()[before:]
    # Three logins, one of them refused, and one refresh.
    assert len(secrets) == 3 * 4 + 3
    assert min(map(len, secrets)) > 30
    marks = [trace for secret in secrets for trace in logins.traces(secret)]
    assert [text for text in said for mark in marks if mark in text] == []


def output(*words: str) -> tuple[str, str]:
    """What a command says."""
    done = logins.call(*words)
    return done.stdout, done.stderr
