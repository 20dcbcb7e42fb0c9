"""The session: kept privately, in a keyring or a file, changed by one process at a time."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from access_tokens import session
from voxelmill.access import ring
from voxelmill.access.refresh import fresh
from voxelmill.access.session import Vault, state_folder
from voxelmill.plugin import AccessDenied, BadConfig


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "state" / "voxelmill")


def test_what_was_written_is_read(vault: Vault) -> None:
    for written in (session(), session("OTHER", name="Alice", ca="/ca.pem")):
        with vault.held():
            vault.write(written)
        assert vault.read() == written
    assert vault.path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in vault.folder.iterdir()] == ["session.json"]


def test_no_text_of_a_session_shows_a_token() -> None:
    one = session()
    for text in (repr(one), str(one), repr(one.tokens), one.model_dump_json(), f"{one.tokens}"):
        assert "SECRET" not in text
    assert one.alive().access_token.get_secret_value() == "SECRET-access"


@pytest.mark.parametrize(
    "text", ["", "SECRET", '{"tokens": {"access_token": "SECRET"}}', '["SECRET"]']
)
def test_a_damaged_file_is_named_and_not_shown(vault: Vault, text: str) -> None:
    with vault.held():
        vault.write(session())
    vault.path.write_text(text)
    with pytest.raises(AccessDenied, match="not a session file") as caught:
        vault.read()
    assert "SECRET" not in str(caught.value)


def test_nobody_is_logged_in(vault: Vault) -> None:
    with pytest.raises(AccessDenied, match=r"nobody is logged in.*voxelmill login"):
        fresh(vault)
    assert not vault.folder.exists()


def test_a_session_that_others_could_read_is_not_used(vault: Vault) -> None:
    with vault.held():
        vault.write(session())
    vault.path.chmod(0o644)
    with pytest.raises(AccessDenied, match="chmod 600"):
        fresh(vault)


def test_an_ended_session_says_so_without_asking_anybody(vault: Vault) -> None:
    with vault.held():
        vault.write(session(tokens=None, name="Alice"))
    with pytest.raises(AccessDenied, match=r"session of Alice.*has ended.*voxelmill login"):
        fresh(vault)


@pytest.mark.parametrize(("left_s", "spare_s"), [(3600, 120), (150, 120), (1830, 3600)])
def test_tokens_that_last_are_not_refreshed(vault: Vault, left_s: int, spare_s: int) -> None:
    """The issuer of this session does not exist, so asking it would be an error."""
    with vault.held():
        vault.write(session(left_s=left_s))
    assert fresh(vault, spare_s=spare_s).access_token.get_secret_value() == "SECRET-access"


def test_the_folder_is_that_of_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state_folder() == tmp_path / ".local/state/voxelmill"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == tmp_path / ".local/state/voxelmill"
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert state_folder() == Path("/elsewhere/voxelmill")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 1000620000)
    with pytest.raises(BadConfig, match=r"no home folder\. Set XDG_STATE_HOME"):
        state_folder()


def test_one_thread_at_a_time_changes_it(vault: Vault) -> None:
    inside, most = 0, 0

    def change() -> None:
        nonlocal inside, most
        with vault.held():
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_killed_process_lets_go(vault: Vault) -> None:
    code = (
        "import sys, time; from pathlib import Path; from voxelmill.access.session import Vault\n"
        "with Vault(Path(sys.argv[1])).held(): print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, vault.folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.wait()
    before = time.monotonic()
    with vault.held():
        assert time.monotonic() - before < 5


BACKEND = '''
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

class Boxed(KeyringBackend):
    """A keyring with a service behind it, whose box is a file."""
    priority = float(os.environ.get("BOX_PRIORITY", "5"))
    box = pathlib.Path(os.environ["BOX"])
    def _all(self):
        return json.loads(self.box.read_text()) if self.box.exists() else {}
    def get_password(self, service, name):
        return self._all().get(f"{service} {name}")
    def set_password(self, service, name, text):
        self.box.write_text(json.dumps(self._all() | {f"{service} {name}": text}))
    def delete_password(self, service, name):
        kept = self._all()
        if kept.pop(f"{service} {name}", None) is None:
            raise PasswordDeleteError(name)
        self.box.write_text(json.dumps(kept))
'''
USE = """
import pickle, sys
from pathlib import Path
from voxelmill.access import ring
from voxelmill.access.session import Vault
vault, session = Vault(Path(sys.argv[1])), pickle.load(sys.stdin.buffer)
name = ring.usable()
with vault.held():
    vault.write(session.model_copy(update={"keyring": bool(name)}))
assert vault.read().tokens == session.tokens
print(name)
if len(sys.argv) > 2:
    with vault.held():
        vault.remove(vault.read())
"""


def in_keyring(vault: Vault, *more: str, **env: str) -> str:
    """Write a session in a process of its own that has a keyring; the keyring's name."""
    pytest.importorskip("keyring")
    (vault.folder.parents[1] / "boxed.py").write_text(BACKEND)
    found = dict(os.environ) | {
        "BOX": str(vault.folder.parents[1] / "box.json"),
        "PYTHON_KEYRING_BACKEND": "boxed.Boxed",
        "PYTHONPATH": os.pathsep.join([str(vault.folder.parents[1]), *sys.path]),
    }
    command = [sys.executable, "-c", USE, str(vault.folder), *more]
    done = subprocess.run(
        command, env=found | env, input=pickle.dumps(session()), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_with_a_keyring_no_token_is_in_the_file(vault: Vault) -> None:
    assert in_keyring(vault)
    assert "SECRET" not in vault.path.read_text()
    assert json.loads(vault.path.read_text())["subject"] == "alice"
    box = vault.folder.parents[1] / "box.json"
    assert "SECRET-refresh" in box.read_text()
    # Here there is no such keyring.
    with pytest.raises(AccessDenied, match=r"keyring that is not open here.*--file"):
        vault.read()
    in_keyring(vault, "remove")
    assert "SECRET" not in box.read_text()
    assert not vault.path.exists()


def test_who_logs_in_with_a_file_leaves_nothing_in_the_keyring(vault: Vault) -> None:
    in_keyring(vault)
    in_keyring(vault, BOX_PRIORITY="0.5")
    assert "SECRET-access" in vault.path.read_text()
    assert "SECRET" not in (vault.folder.parents[1] / "box.json").read_text()


@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="needs a keyring service: gnome-keyring-daemon and dbus-run-session",
)
def test_a_real_keyring(vault: Vault, tmp_path: Path) -> None:
    pytest.importorskip("keyring")
    (tmp_path / "run").mkdir(mode=0o700)
    env = dict(os.environ) | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    script = (
        "echo -n pw | gnome-keyring-daemon --unlock --components=secrets >&2; exec 3<session; "
        f'exec {sys.executable} -c "$USE" {vault.folder} <&3'
    )
    (tmp_path / "session").write_bytes(pickle.dumps(session()))
    done = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", script],
        cwd=tmp_path, env=env | {"USE": USE}, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert b"SecretService" in done.stdout
    assert "SECRET" not in vault.path.read_text()


def test_a_keyring_that_protects_nothing_is_not_used(vault: Vault) -> None:
    assert in_keyring(vault, BOX_PRIORITY="0.5") == ""
    assert "SECRET-access" in vault.path.read_text()


def test_without_a_service_there_is_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keyring")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    code = "from voxelmill.access import ring; print(repr(ring.usable()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "''\n"
    assert ring.SERVICE == "voxelmill"
