"""A run that depends on a login: what is handed on, and how it ends when the login does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from entrances import Sts, end, log_in, sts
from voxelmill.access.given import TOKEN
from voxelmill.access.session import Vault
from voxelmill.plugin import SessionEnded, StoreUnavailable
from voxelmill.steps import launch, loginguard
from voxelmill.steps.guard import snakemakes
from voxelmill.steps.launch import Snakemake
from voxelmill.steps.loginguard import LoginGuard
from voxelmill.storeoptions import Bearer, Oidc, StoreOptions

ROLE = "arn:aws:iam:::role/r"


@dataclass
class Shared:
    """What was handed on."""

    entries: dict[str, bytes] = field(default_factory=dict)
    ends: list[str] = field(default_factory=list)

    def arrive(self) -> None:
        """Nothing was left."""

    def put(self, entries: Mapping[str, bytes]) -> None:
        """Keep it."""
        self.entries |= entries

    def end(self, why: str = "") -> None:
        """Note it."""
        self.ends.append(why)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(loginguard, "PERIOD_S", 0.05)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    log_in()
    with sts() as found:
        yield found


def guard(service: Sts, share: Shared | None = None) -> LoginGuard:
    stores = {
        "s3://": StoreOptions(endpoint=service.url, auth=Oidc(kind="oidc", role_arn=ROLE)),
        "s3://b": StoreOptions(endpoint=service.url, auth=Oidc(kind="oidc", role_arn=ROLE)),
        "https://a.org": StoreOptions(auth=Bearer(kind="bearer")),
        "s3://public": StoreOptions(endpoint=service.url, anonymous=True),
    }
    return LoginGuard.of(stores, share)


def test_a_run_that_wants_no_login_is_let_alone(tmp_path: Path) -> None:
    one = LoginGuard.of({"s3://": StoreOptions(endpoint="https://a.org")}, Shared())
    assert not one.needed
    assert one.share is None
    with one.shared(), one.watching(lambda _: None):
        assert threading.active_count() >= 1
    assert not one.over(1)


def test_what_ends_soon_is_handed_on_and_nothing_else(service: Sts) -> None:
    share = Shared()
    with guard(service, share).shared():
        assert len(share.entries) == 2
        token = json.loads(share.entries.pop(TOKEN))
        (keys,) = map(json.loads, share.entries.values())
        assert token["access_token"] == "SECRET-access"  # noqa: S105 - of nobody
        assert keys["session_token"] == "SECRET-session"  # noqa: S105 - of nobody
        assert "refresh" not in str([token, keys])
        assert "SECRET-id" not in str([token, keys])
    assert share.ends == [""]
    assert len(service.asked) == 1, "two prefixes with one role are one set of keys"


def test_a_session_that_ends_stops_the_run_once(service: Sts) -> None:
    share, stops = Shared(), []
    one = guard(service, share)
    with one.shared(), one.watching(lambda _: stops.append(time.monotonic())):
        time.sleep(0.3)
        assert stops == []
        end(Vault())
        time.sleep(0.5)
    assert len(stops) == 1
    assert "has ended" in share.ends[0]
    assert one.over(0)
    with pytest.raises(SessionEnded, match=r"Run `voxelmill login`, then the same command again"):
        one.refuse()


class Silent(Shared):
    """A cluster that answers no more when the run is over."""

    def end(self, why: str = "") -> None:
        """Take nothing away."""
        raise StoreUnavailable("kubernetes: no answer (x). Try later")


def test_a_cluster_that_is_away_at_the_end_changes_no_end(
    service: Sts, capsys: pytest.CaptureFixture[str]
) -> None:
    with guard(service, Silent()).shared():
        pass
    said = "voxelmill: kubernetes: no answer (x). Try later; the keys of this run are left there\n"
    assert capsys.readouterr().err == said
    with pytest.raises(SessionEnded, match="has ended"), guard(service, Silent()).shared():
        raise SessionEnded("login: the session of x has ended")


def test_a_provider_that_is_down_stops_nothing(service: Sts) -> None:
    one, stops = guard(service), []
    service.status = 503
    with one.shared(), one.watching(lambda _: stops.append(1)):
        time.sleep(0.5)
    assert stops == []
    assert not one.over(1)
    with pytest.raises(StoreUnavailable):
        one.look()


def test_a_run_without_a_login_does_not_begin(service: Sts) -> None:
    end(Vault())
    with pytest.raises(SessionEnded, match="same command again"), guard(service).shared():
        raise AssertionError("begun")


def test_a_failure_is_asked_whether_it_was_for_want_of_a_login(service: Sts) -> None:
    one = guard(service)
    assert not one.over(1)
    end(Vault())
    assert not one.over(0)
    assert one.over(1)


def test_snakemake_is_told_to_start_no_more_jobs(
    service: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, of which one job runs: that ends well, the next one is not started."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    input: 'b'\n"
        "rule b:\n    input: 'a'\n    output: 'b'\n    shell: 'touch b'\n"
        "rule a:\n    output: 'a'\n    shell: 'touch began; sleep 3; touch a'\n"
    )
    one = guard(service)
    snakemake = Snakemake(("--cores", "1"), None, one)

    def lose() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.1)
        end(Vault())

    threading.Thread(target=lose, daemon=True).start()
    with pytest.raises(SessionEnded, match="what is finished is kept"):
        snakemake.run()
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()
    log_in()
    again = Snakemake(("--cores", "1"), None, guard(service))
    assert again.run() == 0
    assert (tmp_path / "b").exists()


class Away:
    """A cluster that does not answer."""

    flags: ClassVar[list[str]] = []
    stuck_s = 3.0

    def environment(self, before: dict[str, str]) -> dict[str, str]:
        """As it is."""
        return before

    def cancel(self) -> None:
        """Cancel nothing."""
        raise StoreUnavailable("kubernetes: no answer. Try later")


@pytest.mark.parametrize("cluster", [None, Away()], ids=["here", "on a cluster that is away"])
def test_a_snakemake_that_does_not_end_is_killed(
    service: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Away | None
) -> None:
    """One that has got the signal while it held a lock: here it takes none, and does nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "STUCK_S", 3.0)
    (tmp_path / "Snakefile").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "open('began', 'w').close()\n"
        "time.sleep(0 if '--unlock' in sys.argv else 100)\n"
    )

    def lose() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.1)
        end(Vault())

    threading.Thread(target=lose, daemon=True).start()
    before = time.monotonic()
    with pytest.raises(SessionEnded):
        Snakemake(("--cores", "1"), cluster, guard(service)).run()
    assert time.monotonic() - before < 60


@pytest.mark.parametrize("locked", [False, True])
def test_a_snakemake_that_is_killed_leaves_no_lock_or_says_so(
    service: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """It takes the signal as an order to die as long as it reads its workflow.

    Without a login it cannot be unlocked where it reads the results with that, here what began.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    output: 'a'\n    shell: 'touch began; sleep 30; touch a'\n"
        + ("if os.path.exists('began'):\n    raise OSError('no login')\n" if locked else "")
    )
    one = Snakemake(("--cores", "1"), None, guard(service))

    def kill() -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.1)
        end(Vault())
        for pid in snakemakes():
            os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(SessionEnded):
        one.run()
    assert one.locked == locked
    (tmp_path / "began").unlink()
    assert left_locked() == locked
    one.unlock()
    assert not one.locked
    assert not left_locked()


def left_locked() -> bool:
    """Whether Snakemake refuses the working directory."""
    words = ["-m", "snakemake", "--cores", "1", "--touch"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return "LockException" in done.stderr + done.stdout
