"""Who holds a results folder, and whose Snakemake lock may go."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from voxelmill.layout import running
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import BadInput, OutputExists
from voxelmill.steps.hold import STALE_S, hold
from voxelmill.watchdog import VARIABLE, mark

HOLDER = """
import sys
from pathlib import Path
from voxelmill.lockfile import LockFile

lock = LockFile(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
input()
"""


@contextmanager
def holder(path: Path, text: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLDER, str(path), text]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as found:
        assert found.stdout
        assert found.stdout.readline() == "held\n"
        yield found
        found.kill()


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lock_of_snakemake() -> Path:
    lock = Path(".snakemake/locks/0.input.lock")
    lock.parent.mkdir(parents=True)
    lock.write_text("results/x\n")
    return lock


def killed(text: str) -> None:
    Path("results").mkdir()
    with holder(running(Path("results")), text):
        pass


def unlocked() -> list[str]:
    """What a run that goes well does about Snakemake's lock; it leaves nothing behind."""
    calls: list[str] = []
    with hold(Path("results"), lambda: calls.append("unlock")):
        assert str(os.getpid()) in (running(Path("results"))).read_text()
    assert not (running(Path("results"))).exists()
    return calls


def test_the_lock_of_a_killed_run_goes(tmp_path: Path) -> None:
    lock_of_snakemake()
    killed(f"process 1 on here in {tmp_path}")
    assert unlocked() == ["unlock"]
    assert unlocked() == [], "only once"


def test_a_lock_without_a_killed_run_stays() -> None:
    lock_of_snakemake()
    assert unlocked() == []


def test_a_run_killed_elsewhere_says_nothing_about_the_lock_here() -> None:
    lock_of_snakemake()
    killed("process 1 on here in /elsewhere")
    assert unlocked() == []


def test_without_a_lock_nothing_is_unlocked(tmp_path: Path) -> None:
    killed(f"process 1 on here in {tmp_path}")
    assert unlocked() == []


def test_the_lock_of_a_snakemake_that_lives_stays(tmp_path: Path) -> None:
    lock_of_snakemake()
    killed(f"process 1 on here in {tmp_path}")
    command = [sys.executable, "-c", "import time; time.sleep(60)", "snakemake"]
    with subprocess.Popen(command) as live:
        assert unlocked() == []
        live.kill()


def test_a_run_that_lives_is_named() -> None:
    Path("results").mkdir()
    with (
        holder(running(Path("results")), "process 7 on there"),
        pytest.raises(OutputExists, match=r"results: another run works there \(process 7 on there"),
    ):
        unlocked()


@pytest.mark.parametrize(("error", "stays"), [(BadInput("x"), False), (KeyboardInterrupt(), True)])
def test_only_an_end_that_snakemake_may_not_have_seen_leaves_the_mark(
    error: BaseException, stays: bool
) -> None:
    with pytest.raises(type(error)), hold(Path("results"), lambda: None):
        raise error
    assert (running(Path("results"))).exists() is stays


def test_what_a_killed_run_was_writing_goes(tmp_path: Path) -> None:
    killed(f"process 1 on here in {tmp_path}")
    old, new, foreign = (
        Path("results/a/records/.0000.json.7.part"),
        Path("results/a/records/.0001.json.8.part"),
        Path("results/a/labels.ome.zarr/.x.part"),
    )
    for path in (old, new, foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    before = time.time() - 2 * STALE_S
    for path in (old, foreign):
        os.utime(path, (before, before))
    unlocked()
    assert [p.exists() for p in (old, new, foreign)] == [False, True, True]


def test_a_lock_file_waits_for_its_holder(tmp_path: Path) -> None:
    with holder(tmp_path / "lock", "first") as first:
        with pytest.raises(Held, match=r"^first$"):
            LockFile(tmp_path / "lock")
        first.kill()
        second = LockFile(tmp_path / "lock", patience_s=10.0)
    assert second.before == "first"
    second.release()
    assert not (tmp_path / "lock").exists()


def test_the_mark_of_a_run_names_its_process() -> None:
    environment: dict[str, str] = {}
    mark(environment)
    assert environment[VARIABLE].startswith(f"{os.getpid()} ")
