"""Keys of a login for botocore: found by itself, whatever else there is, and shown to nobody."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from botocore.session import Session
from pydantic import SecretStr

from entrances import Sts, end, log_in, sts
from voxelmill.access.keychain import FOLDER
from voxelmill.access.keys import Keys
from voxelmill.access.session import Vault
from voxelmill.access.supply import SUPPLY
from voxelmill.steps import signing
from voxelmill.steps.signing import FILE, environment, signed
from voxelmill.storeoptions import Oidc, StoreOptions, use_stores

URL = "s3://bucket/week 47"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("VOXELMILL_STORES", "{}")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.chdir(tmp_path)
    log_in()
    with sts() as found:
        auth = Oidc(kind="oidc", role_arn="arn:aws:iam:::role/r", duration_s=900)
        use_stores({"s3://bucket": StoreOptions(endpoint=found.url, auth=auth)})
        yield found


def printed() -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "voxelmill", "keys", URL], text=True,
                          capture_output=True, check=False, timeout=60)  # fmt: skip


def test_botocore_finds_them_before_all_others(
    service: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = FILE\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    before = dict(os.environ)
    with signed(URL):
        found = Session().get_credentials()
    assert dict(os.environ) == before
    frozen = found.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == (
        "KEY1", "SECRET-key", "SECRET-session")  # fmt: skip
    assert "SECRET" not in FILE.read_text()


def test_botocore_asks_again_when_others_are_due_and_not_before(service: Sts) -> None:
    with signed(URL):
        found = Session().get_credentials()
    for _ in range(3):
        assert found.get_frozen_credentials().access_key == "KEY1"
    assert len(service.asked) == 1
    said = json.loads(printed().stdout)
    kept = next((Vault().folder / FOLDER).glob("*.json"))
    true = json.loads(kept.read_text())
    due = datetime.fromisoformat(said["Expiration"]).timestamp() - 15 * 60
    assert due == pytest.approx(true["expires_at"] - 225, abs=2)


@pytest.mark.parametrize(("life_s", "left_s"), [(43200, 9360), (3600, 600), (900, 100)])
def test_keys_that_are_due_and_cannot_be_renewed_are_good(
    service: Sts, monkeypatch: pytest.MonkeyPatch, life_s: int, left_s: int
) -> None:
    """Botocore refuses those whose end, as it is told, has passed."""
    now = int(time.time())
    key = SecretStr("KEY")
    found = Keys(received_at=now + left_s - life_s, expires_at=now + left_s, access_key_id=key,
                 secret_access_key=key, session_token=key)  # fmt: skip
    monkeypatch.setattr(SUPPLY, "keys", lambda _: found)
    monkeypatch.setattr(signing.sys.stdout, "isatty", lambda: False)
    said = json.loads(signing.printed(URL))["Expiration"]
    again = datetime.fromisoformat(said).timestamp() - 15 * 60 - now
    assert 25 <= again <= 35, "it asks again in half a minute, not at every request"


def test_another_store_is_left_alone(service: Sts) -> None:
    before = {"AWS_ACCESS_KEY_ID": "k"}
    assert environment("s3://other/x", before) == before
    assert not FILE.exists()


def test_they_are_not_shown_on_a_terminal(service: Sts) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-m", "voxelmill", "keys", URL], stdout=theirs,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=60)  # fmt: skip
    assert done.returncode == 2
    assert "not for eyes" in done.stderr
    os.set_blocking(ours, False)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)
    os.close(ours)
    os.close(theirs)


def test_a_session_that_has_ended_is_one_line(service: Sts) -> None:
    end(Vault())
    done = printed()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "has ended" in done.stderr


def test_the_command_is_not_among_those_for_people() -> None:
    done = subprocess.run([sys.executable, "-m", "voxelmill", "--help"], text=True, check=True,
                          capture_output=True)  # fmt: skip
    assert " keys " not in done.stdout
