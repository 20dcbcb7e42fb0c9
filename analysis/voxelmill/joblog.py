"""The log of a job says how the job is: when it started, where, whether it ended, and how.

In: a step that runs, with its log as stderr. Out: lines with `MARK` in that log, whose time is
renewed while the step lives; read back as a `JobLog` from any machine that sees the file. A job
that was killed has a start and no end, and a log that grows old.
"""

import os
import re
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Literal, ParamSpec

from voxelmill.usage import NOTHING, Used, read_used, used_text

MARK = "[voxelmill]"
BEAT_S = 30.0
"""How often a living step renews the time of its log."""
STALE_S = 180.0
"""Age of a log from which its step is taken for dead."""
HEAD, TAIL = 1 << 12, 1 << 14
LINE = re.compile(
    rf"^{re.escape(MARK)} (started|finished|failed) (\S+)(?: (?:by|using) (.+))?$", re.MULTILINE
)
OWNER = re.compile(r"process (\d+) on (\S+)")

End = Literal["", "finished", "failed"]
P = ParamSpec("P")


def logged(step: Callable[P, None]) -> Callable[P, None]:
    """Make a command mark its start and its end in its log, and renew that while it runs.

    Where stderr is no file, a person looks on or a program listens: nothing is written.
    """

    @wraps(step)
    def run(*args: P.args, **named: P.kwargs) -> None:
        with marked():
            step(*args, **named)

    return run


@contextmanager
def marked() -> Iterator[None]:
    """Do what `logged` says for a ``with`` block."""
    log = _log()
    if log is None:
        yield
        return
    _mark("started", f" by {me()}")
    with beating(lambda: os.utime(log)):
        try:
            yield
        except Exception:
            # Not where a person or the system ends it: whoever reads the log sees no end.
            _mark("failed")
            raise
    _mark("finished", f" using {used_text()}")


@contextmanager
def beating(touch: Callable[[], object]) -> Iterator[None]:
    """Renew the time of a file every so often, for others to see that this process lives."""
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(touch, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        # The file may be closed, and its number be another's, as soon as this returns.
        ended.set()
        beat.join()


def me() -> str:
    """Name of this process as `OWNER` reads it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def now_text() -> str:
    """Time of now in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _log() -> int | None:
    try:
        file = sys.stderr.fileno()
        return file if stat.S_ISREG(os.fstat(file).st_mode) else None
    except (OSError, ValueError):
        return None


def _mark(what: str, more: str = "") -> None:
    # A full disk is told by what the step itself writes.
    with suppress(OSError):
        sys.stderr.write(f"{MARK} {what} {now_text()}{more}\n")
        sys.stderr.flush()


def _beat(touch: Callable[[], object], ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with suppress(OSError):
            touch()


@dataclass(frozen=True)
class JobLog:
    """What a log says; times in seconds since 1970, 0 where it says none."""

    touched: float
    started: float = 0.0
    owner: str = ""
    end: End = ""
    ended: float = 0.0
    lines: tuple[str, ...] = ()
    """Its last lines, without marks."""
    used: Used = NOTHING
    """Processor time, and what the job was given, if it finished."""

    @property
    def reason(self) -> str:
        """Last line: the error, where there was one."""
        return self.lines[-1].removeprefix("voxelmill: ") if self.lines else ""

    @property
    def seconds(self) -> float:
        """How long the finished job took; 0 if it did not finish."""
        return max(0.0, self.ended - self.started) if self.end == "finished" else 0.0

    @property
    def silent(self) -> bool:
        """Whether it only says that all went well: there is no more in it that anybody needs."""
        return not self.lines and (self.end == "finished" or not self.started)

    def alive(self, now: float) -> bool:
        """Whether the job runs, or is about to say that it has started."""
        if self.end or now - self.touched > STALE_S:
            return False
        return lives(self.owner, self.touched, now) if self.started else not self.lines


def lives(owner: str, touched: float, now: float) -> bool:
    """Whether a process that renews a file lives.

    Parameters
    ----------
    owner : str
        Holds ``process <id> on <host>``.
    touched, now : float
        When the file was renewed, and now, in seconds. A process of this machine must be there as
        well: that is known at once, an old file only after `STALE_S`.
    """
    found = OWNER.search(owner)
    if found is None or now - touched > STALE_S:
        return False
    return found[2] != socket.gethostname() or _is_here(int(found[1]))


def _is_here(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_log(path: Path) -> JobLog | None:
    """Read the log of a job; None if it has none. Of a long one, only its start and its end."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            head = file.read(HEAD)
            file.seek(max(0, found.st_size - TAIL))
            tail = file.read(TAIL)
    except OSError:
        return None
    text = tail.decode(errors="replace")
    marks = {m[1]: m for m in LINE.finditer(head.decode(errors="replace"))}
    marks |= {m[1]: m for m in LINE.finditer(text)}
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(MARK)]
    log = JobLog(found.st_mtime, lines=tuple(lines))
    return _with_marks(log, marks)


def _with_marks(log: JobLog, marks: dict[str, re.Match[str]]) -> JobLog:
    start = marks.get("started")
    end = marks.get("failed") or marks.get("finished")
    return JobLog(
        log.touched,
        seconds_of(start[2]) if start else 0.0,
        (start[3] or "") if start else "",
        ("failed" if end[1] == "failed" else "finished") if end else "",
        seconds_of(end[2]) if end else 0.0,
        log.lines,
        read_used(end[3] or "") if end else NOTHING,
    )


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a text of `now_text`; 0 if it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
