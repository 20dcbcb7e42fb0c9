"""What watches processes, while these come and go."""

import os
import signal
import threading
from pathlib import Path

import pytest

from voxelmill.steps import guard

PID = 4_000_000_000
"""Of no process: beyond what Linux gives."""


def test_threads_that_end_while_it_looks() -> None:
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            one = threading.Thread(target=lambda: None)
            one.start()
            one.join()

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3000):
            assert guard._children(os.getpid()) == []
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("error", [FileNotFoundError, ProcessLookupError])
def test_a_process_that_ends_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    def gone(_: Path) -> bytes:
        raise error

    monkeypatch.setattr(Path, "read_bytes", gone)
    assert guard._children(os.getpid()) == []
    assert guard._command(os.getpid()) == b""
    assert guard._children(PID) == []


def test_a_process_that_ends_before_the_signal_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        if pid == PID:
            raise ProcessLookupError
        sent.append((pid, number))

    monkeypatch.setattr(guard, "snakemakes", lambda: [PID, PID + 1])
    monkeypatch.setattr(os, "kill", kill)
    guard.tell_to_end()
    guard.Guard(list, lambda: None)._kill()
    guard.wind_down(threading.Event(), 0.0)
    assert sent == [(PID + 1, signal.SIGTERM), (PID + 1, signal.SIGKILL), (PID + 1, signal.SIGKILL)]
