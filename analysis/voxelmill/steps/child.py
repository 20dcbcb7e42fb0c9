"""Snakemake as a child process that never outlives its parent."""

import ctypes
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO

from voxelmill.watchdog import mark

PR_SET_PDEATHSIG = 1
"""``prctl(2)``: the signal that a process gets when its parent dies."""


KILLED = 128
"""Exit codes above it: killed by the signal of that number less this."""


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], output: IO[str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `command`; in the end wait for it.

    Killed with its parent where the system is Linux; the steps that it has started see that for
    themselves (`watchdog`). Ctrl-C reaches it from the terminal: it ends its jobs, and its parent
    waits for that.
    """
    named = dict(environment)
    mark(named)
    with (
        subprocess.Popen(  # noqa: S603
            command,
            env=named,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            preexec_fn=_death_note(),
        ) as process,
        _patience(),
    ):
        yield process
        process.wait()


def call(
    command: Sequence[str], environment: Mapping[str, str], output: IO[str] | None = None
) -> int:
    """Run `command`; return its exit code, above `KILLED` if a signal ended it."""
    with child(command, environment, output) as process:
        pass
    return exit_code(process)


def exit_code(process: "subprocess.Popen[bytes]") -> int:
    """Exit code of an ended process, as shells give it."""
    code: int = process.returncode
    return code if code >= 0 else KILLED - code


def _death_note() -> Callable[[], object] | None:
    if sys.platform != "linux":
        return None
    return partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def _patience() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
