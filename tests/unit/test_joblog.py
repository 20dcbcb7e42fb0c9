"""What a step writes into its log, and what that says of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from voxelmill.joblog import HEAD, MARK, STALE_S, TAIL, lives, read_log, seconds_of

STEP = """
import os, sys, time
from voxelmill import joblog
joblog.BEAT_S = 0.05

@joblog.logged
def step():
    sys.stderr.write("a note\\n")
    sys.stderr.flush()
    BODY

step()
"""


def start(log: Path, body: str) -> "subprocess.Popen[bytes]":
    with log.open("w") as file:
        return subprocess.Popen([sys.executable, "-c", STEP.replace("BODY", body)], stderr=file)


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_step_that_ends_well(tmp_path: Path) -> None:
    step = start(tmp_path / "log", "time.sleep(1)")
    assert step.wait() == 0
    log = read_log(tmp_path / "log")
    assert log
    assert log.end == "finished"
    assert log.owner == f"process {step.pid} on {socket.gethostname()}"
    assert 0 <= log.seconds <= 60
    assert abs(log.started - time.time()) < 60
    assert log.lines == ("a note",)
    assert not log.alive(time.time())


@pytest.mark.parametrize("error", ["ValueError('of luck')", "KeyError('of luck')"])
def test_a_step_that_fails_ends_with_its_error(tmp_path: Path, error: str) -> None:
    assert start(tmp_path / "log", f"raise {error}").wait() == 1
    log = read_log(tmp_path / "log")
    assert log
    assert log.end == "failed"
    assert log.reason.startswith(error[:8])
    assert log.lines[:2] == ("a note", "Traceback (most recent call last):")
    assert log.seconds == 0
    assert not log.alive(time.time())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_step_that_is_killed_has_no_end(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "log"
    step = start(path, "time.sleep(60)")
    wait(lambda: "a note" in path.read_text())
    log = read_log(path)
    assert log
    assert log.alive(time.time())
    step.send_signal(number)
    step.wait()
    log = read_log(path)
    assert log
    assert log.end == ""
    assert not log.alive(time.time()), "known at once where it ran"


def test_a_living_step_renews_its_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    step = start(path, "time.sleep(60)")
    try:
        wait(lambda: "a note" in path.read_text())
        os.utime(path, (0, 0))
        wait(lambda: path.stat().st_mtime > time.time() - 60)
    finally:
        step.kill()
        step.wait()
    os.utime(path, (0, 0))
    time.sleep(0.2)
    assert path.stat().st_mtime == 0


def test_nothing_is_written_for_a_person_or_a_program() -> None:
    command = [sys.executable, "-c", STEP.replace("BODY", "pass")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == "a note\n"


def test_a_log_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert read_log(path) is None
    path.write_text("bash: voxelmill: command not found\n\n")
    log = read_log(path)
    assert log
    assert (log.started, log.end) == (0.0, "")
    assert log.reason == "bash: voxelmill: command not found"
    assert not log.alive(time.time())
    path.write_text("")
    log = read_log(path)
    assert log
    assert log.reason == ""
    assert log.alive(time.time()), "it may be about to start"
    assert not log.alive(time.time() + 2 * STALE_S)


def test_of_a_long_log_start_and_end_are_read(tmp_path: Path) -> None:
    start_line = f"{MARK} started 2026-01-02T03:04:05+00:00 by process 1 on there\n"
    noise = "noise of a library\n" * (2 * (HEAD + TAIL) // 10)
    end = f"{MARK} failed 2026-01-02T03:05:05+00:00\nvoxelmill: no room\n"
    (tmp_path / "log").write_text(start_line + noise + end)
    log = read_log(tmp_path / "log")
    assert log
    assert log.owner == "process 1 on there"
    assert log.ended - log.started == 60
    assert log.reason == "no room"
    assert len("\n".join(log.lines)) <= TAIL


def test_who_lives() -> None:
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert lives(f"process {os.getpid()} on {here}", 100.0, 110.0)
    assert lives("process 1 on another-node", 100.0, 110.0)
    assert not lives("process 1 on another-node", 100.0, 101.0 + STALE_S)
    assert not lives(f"process {ended.pid} on {here}", 100.0, 110.0)
    assert not lives(f"process {os.getpid()} on {here}", 100.0, 101.0 + STALE_S), "its number again"
    assert not lives("nobody", 100.0, 110.0)


def test_a_time_that_is_none() -> None:
    assert seconds_of("yesterday") == 0.0
    assert seconds_of("1970-01-01T00:01:00+00:00") == 60.0
