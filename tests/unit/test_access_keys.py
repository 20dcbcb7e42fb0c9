"""Temporary keys: asked for once, kept privately, renewed in time, of one login only."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrances import REFUSED, Sts, end, log_in, sts
from voxelmill.access import supply
from voxelmill.access.keychain import FOLDER, Keychain
from voxelmill.access.keys import Keys, Wanted
from voxelmill.access.session import Vault
from voxelmill.access.supply import Supply, wanted
from voxelmill.plugin import BadConfig, NoCredentials, SessionEnded, StoreUnavailable
from voxelmill.storeoptions import Oidc, StoreOptions

ROLE = "arn:aws:iam:::role/reader"


@pytest.fixture
def service() -> Iterator[Sts]:
    with sts() as found:
        yield found


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    return log_in()


def want(service: Sts) -> Wanted:
    return Wanted(service.url, ROLE, 3600)


def options(service: Sts) -> StoreOptions:
    return StoreOptions(endpoint=service.url, auth=Oidc(kind="oidc", role_arn=ROLE))


def kept(vault: Vault) -> list[Path]:
    return sorted((vault.folder / FOLDER).glob("*.json"))


def change(vault: Vault, **values: int) -> None:
    for path in kept(vault):
        path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_keys_are_asked_for_once(service: Sts, vault: Vault) -> None:
    first = Keychain().keys(want(service))
    assert Keychain().keys(want(service)) == first
    (asked,) = service.asked
    assert asked["RoleArn"] == ROLE
    assert asked["WebIdentityToken"] == "SECRET-id"
    assert first.secret_access_key.get_secret_value() == "SECRET-key"
    (path,) = kept(vault)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_no_text_of_keys_shows_them(service: Sts, vault: Vault) -> None:
    found = Keychain().keys(want(service))
    for text in (repr(found), str(found), f"{found}", found.model_dump_json(), str([found])):
        assert "SECRET" not in text
        assert "KEY1" not in text


def test_many_threads_ask_once(service: Sts, vault: Vault) -> None:
    found: set[str] = set()
    threads = [
        threading.Thread(target=lambda: found.add(_id(Keychain().keys(want(service)))))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"KEY1"}
    assert len(service.asked) == 1


def _id(keys: Keys | None) -> str:
    assert keys
    return keys.access_key_id.get_secret_value()


@pytest.mark.parametrize(("left", "renewed"), [(901, False), (890, True), (-5, True)])
def test_keys_are_renewed_in_the_last_quarter_of_their_life(
    service: Sts, vault: Vault, left: int, renewed: bool
) -> None:
    Keychain().keys(want(service))
    now = int(time.time())
    change(vault, received_at=now + left - 3600, expires_at=now + left)
    assert _id(Keychain().keys(want(service))) == ("KEY2" if renewed else "KEY1")


def test_keys_that_a_store_has_taken_back_are_renewed_at_once(service: Sts, vault: Vault) -> None:
    first = Keychain().keys(want(service))
    second = Keychain().keys(want(service), refused=first.id)
    assert _id(second) == "KEY2"
    # Whoever comes late with the same complaint finds that it has been done.
    assert _id(Keychain().keys(want(service), refused=first.id)) == "KEY2"


def test_a_clock_that_is_behind_makes_keys_last_no_longer(service: Sts, vault: Vault) -> None:
    service.life_s = 9000
    assert Keychain().keys(want(service)).expires_at <= time.time() + 3600


def test_a_clock_that_is_ahead_is_told(service: Sts, vault: Vault) -> None:
    service.life_s = -600
    with pytest.raises(NoCredentials, match="clock"):
        Keychain().keys(want(service))


@pytest.mark.parametrize("way", ["ended", "gone", "open"])
def test_without_a_session_there_are_no_keys_even_if_some_are_left(
    service: Sts, vault: Vault, way: str
) -> None:
    Keychain().keys(want(service))
    if way == "ended":
        end(vault)
    elif way == "gone":
        vault.path.unlink()
    else:
        vault.path.chmod(0o644)
    with pytest.raises(SessionEnded):
        Keychain().keys(want(service))


def test_another_login_gets_keys_of_its_own(service: Sts, vault: Vault) -> None:
    Keychain().keys(want(service))
    with vault.held():
        vault.write(vault.read().model_copy(update={"subject": "other"}))
    assert _id(Keychain().keys(want(service))) == "KEY2"


def test_to_log_out_is_to_forget_keys(service: Sts, vault: Vault) -> None:
    Keychain().keys(want(service))
    Keychain().forget()
    assert kept(vault) == []


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [(403, REFUSED, r"no keys for role .*reader \(AccessDenied\)\. Check role_arn, and that"),
     (400, REFUSED, "MaxSessionDuration"), (200, "<html>", "no answer of an STS"),
     (200, "<a><Credentials><AccessKeyId>x</AccessKeyId></Credentials></a>", "no answer of an"),
     (404, "", "no answer of an STS")],
)  # fmt: skip
def test_a_refusal_names_what_to_check(
    service: Sts, vault: Vault, status: int, answer: str, said: str
) -> None:
    service.status, service.answer = status, answer
    with pytest.raises(NoCredentials, match=said) as caught:
        Keychain().keys(want(service))
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, SessionEnded)


def test_a_token_goes_to_no_address_that_others_can_read(vault: Vault) -> None:
    with pytest.raises(BadConfig, match="https://"):
        Keychain().keys(Wanted("http://sts.example.org", ROLE, 3600))


def test_an_sts_that_is_down_does_not_matter_while_keys_last(service: Sts, vault: Vault) -> None:
    Keychain().keys(want(service))
    now = int(time.time())
    change(vault, received_at=now - 3500, expires_at=now + 100)
    service.status = 503
    assert _id(Keychain().keys(want(service))) == "KEY1"
    change(vault, received_at=now - 3590, expires_at=now + 10)
    with pytest.raises(StoreUnavailable):
        Keychain().keys(want(service))


def test_a_process_looks_now_and_then_only(
    service: Sts, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Supply()
    assert _id(found.keys(options(service))) == "KEY1"
    end(vault)
    assert _id(found.keys(options(service))) == "KEY1"
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    with pytest.raises(SessionEnded):
        found.keys(options(service))


def test_what_does_not_answer_is_waited_for(
    service: Sts, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.status = 503
    threading.Timer(1.0, lambda: setattr(service, "status", 200)).start()
    assert Supply().keys(options(service))
    monkeypatch.setattr(supply, "PATIENCE_S", 1.0)
    Keychain().forget()
    service.status = 503
    found = Supply()
    with pytest.raises(NoCredentials, match="tried for two minutes"):
        found.keys(options(service))
    before = time.monotonic()
    with pytest.raises(NoCredentials):
        found.keys(options(service))
    assert time.monotonic() - before < 0.5, "the next thread does not wait as long again"


def test_a_store_says_where_its_keys_are_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    auth = Oidc(kind="oidc", role_arn=ROLE)
    assert wanted(StoreOptions()) is None
    with pytest.raises(BadConfig, match="no STS"):
        wanted(StoreOptions(auth=auth))
    assert wanted(StoreOptions(endpoint="https://a.org/", auth=auth)) == Wanted(
        "https://a.org", ROLE, 3600
    )
    own = auth.model_copy(update={"sts": "https://sts.org", "duration_s": 900})
    assert wanted(StoreOptions(endpoint="https://a.org", auth=own)) == Wanted(
        "https://sts.org", ROLE, 900
    )


@pytest.mark.parametrize(
    ("status", "answer"), [(403, REFUSED), (404, ""), (200, "<html>"), (400, REFUSED)]
)
def test_nor_does_one_that_answers_wrongly(
    service: Sts, vault: Vault, status: int, answer: str
) -> None:
    Keychain().keys(want(service))
    now = int(time.time())
    change(vault, received_at=now - 3500, expires_at=now + 100)
    service.status, service.answer = status, answer
    assert _id(Keychain().keys(want(service))) == "KEY1"
    with pytest.raises(NoCredentials):
        Keychain().keys(want(service), refused=Keychain().keys(want(service)).id)
    change(vault, received_at=now - 3590, expires_at=now + 10)
    with pytest.raises(NoCredentials):
        Keychain().keys(want(service))
