"""Refresh at a real provider that rotates: by many at once, killed, replayed, forged."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters import logins, oidc
from clusters.slurmctl import until
from voxelmill.access.refresh import fresh
from voxelmill.access.session import Vault
from voxelmill.access.web import Web
from voxelmill.plugin import AccessDenied, StoreUnavailable

pytestmark = [pytest.mark.oidc, pytest.mark.smoke, pytest.mark.timeout(120)]
FRESH = """
import sys, time, pathlib, hashlib
from voxelmill.access.refresh import fresh
print("ready", flush=True)
while len(sys.argv) > 1 and not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.005)
token = fresh().access_token.get_secret_value()
print(hashlib.sha256(token.encode()).hexdigest())
"""


@pytest.fixture
def vault(openid: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """A session whose access token is at its end."""
    monkeypatch.setenv("OIDC_TEST_ROOT", str(oidc.root()))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    oidc.tell()
    vault = logins.log_in()
    logins.expire(vault)
    return vault


def start(*words: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", FRESH, *words], env=logins.environment(),
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_refresh_rotates_and_keeps_the_session(vault: Vault) -> None:
    before = vault.read().alive()
    tokens = fresh(vault)
    assert tokens == vault.read().alive()
    for name in ("access_token", "refresh_token", "id_token"):
        assert getattr(tokens, name) != getattr(before, name)
    assert tokens.expires_at > time.time() + 3000
    assert fresh(vault) == tokens
    assert oidc.counts()["refresh"] == 1


def test_eight_processes_at_once_refresh_once(vault: Vault, tmp_path: Path) -> None:
    oidc.tell(before_ms=300, after_ms=300)
    gun = tmp_path / "gun"
    processes = [start(str(gun)) for _ in range(8)]
    gun.touch()
    said = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert len(said) == 1
    assert (oidc.counts()["refresh"], oidc.counts()["refresh granted"]) == (1, 1)
    logins.expire(vault)
    assert fresh(vault).expires_at > time.time()


def test_threads_at_once_refresh_once(vault: Vault) -> None:
    found: list[str] = []

    def ask() -> None:
        found.append(fresh(vault).access_token.get_secret_value())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert oidc.counts()["refresh"] == 1


def test_short_lives_are_no_reason_to_refresh_at_every_call(vault: Vault) -> None:
    oidc.tell(access_s=60, id_s=60)
    tokens = [fresh(vault, spare_s=120, id_token=True) for _ in range(3)]
    assert len(set(tokens)) == 1
    assert oidc.counts()["refresh"] == 1


def test_an_id_token_is_refreshed_for_itself(vault: Vault) -> None:
    oidc.tell(id_s=2)
    first = fresh(vault)
    time.sleep(2)
    assert fresh(vault) == first
    oidc.tell()
    second = fresh(vault, id_token=True)
    assert second.id_expires_at > time.time() + 3000


def test_killed_before_the_provider_has_acted_the_session_lives(vault: Vault) -> None:
    oidc.tell(before_ms=1500)
    process = start()
    until(lambda: oidc.counts().get("refresh"))
    process.kill()
    process.wait()
    time.sleep(1.7)
    assert "refresh granted" not in oidc.counts()
    oidc.tell()
    assert fresh(vault).expires_at > time.time()


def test_killed_after_that_a_person_has_to_log_in_again_and_is_told(vault: Vault) -> None:
    oidc.tell(after_ms=5000)
    process = start()
    until(lambda: oidc.counts().get("refresh granted"))
    process.kill()
    process.wait()
    oidc.tell()
    ends_with_a_login(vault)


def test_an_old_refresh_token_that_is_used_again_ends_the_session(vault: Vault) -> None:
    old = vault.read().alive().refresh_token
    assert old is not None
    fresh(vault)
    form = {"grant_type": "refresh_token", "refresh_token": old, "client_id": oidc.CLIENT}
    with Web(oidc.ca()) as web:
        assert web.post(f"{oidc.ISSUER}/token", form).error == "invalid_grant"
    logins.expire(vault)
    oidc.tell()
    ends_with_a_login(vault)


def ends_with_a_login(vault: Vault) -> None:
    """Check that the next command says so, that those after it ask nobody, and that one may."""
    for asked in (1, 1):
        done = logins.call("whoami")
        assert done.returncode == 2
        assert "has ended" in done.stderr
        assert done.stderr.endswith("Run `voxelmill login`\n")
        assert oidc.counts()["refresh"] == asked
    assert "token" not in vault.path.read_text().replace('"tokens": null', "")
    logins.log_in()
    assert fresh(vault).expires_at > time.time()


@pytest.mark.parametrize(
    ("fault", "why"),
    [({"sign": "tampered"}, "bad_signature"), ({"sign": "none"}, "alg"),
     ({"claims": {"sub": "eve"}}, "wrong sub"), ({"skew_s": 600}, "future.*clock")],
)  # fmt: skip
def test_a_forged_answer_is_refused_and_does_not_cost_the_session(
    vault: Vault, fault: dict[str, object], why: str
) -> None:
    """One machine with a wrong clock must not log out all others."""
    before = vault.read().alive()
    oidc.tell(**fault)
    with pytest.raises(StoreUnavailable, match=why):
        fresh(vault)
    kept = vault.read().alive()
    assert (kept.access_token, kept.id_token) == (before.access_token, before.id_token)
    oidc.tell()
    assert fresh(vault).expires_at > time.time()


@pytest.mark.parametrize("fault", [{"errors": 1}, {"listening": False}])
def test_a_provider_that_is_down_ends_nothing(vault: Vault, fault: dict[str, object]) -> None:
    before = vault.read()
    oidc.tell(**fault)
    try:
        with pytest.raises(StoreUnavailable):
            fresh(vault)
    finally:
        oidc.tell()
    assert vault.read() == before
    assert fresh(vault).expires_at > time.time()


def test_a_lost_answer_is_not_asked_for_twice(vault: Vault) -> None:
    oidc.tell(hang_up=1)
    with pytest.raises(StoreUnavailable):
        fresh(vault)
    assert oidc.counts()["refresh"] == 1
    assert fresh(vault).expires_at > time.time()


def test_who_comes_while_one_logs_out_finds_nobody(vault: Vault) -> None:
    errors: list[str] = []

    def ask(use: Callable[[], object]) -> None:
        try:
            use()
        except AccessDenied as error:
            errors.append(str(error))

    with vault.held():
        thread = threading.Thread(target=ask, args=(lambda: fresh(vault),))
        thread.start()
        time.sleep(0.5)
        vault.remove(vault.read())
    thread.join()
    assert len(errors) == 1
    assert "nobody is logged in" in errors[0]
    assert "refresh" not in oidc.counts()
