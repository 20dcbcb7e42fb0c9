"""Watches a Snakemake that watches a cluster: one that waits for nothing is ended.

Snakemake's plugin counts on being told how every job ended. A job of which the cluster has
forgotten everything, or which ended in a state that it does not know, is waited for for ever. So
a Snakemake without any job in the queue, without a process of its own and without a word in its
log for `IDLE_S` is killed; what it has finished stays, and the next one goes on. So is one whose
jobs can never start; then the run is over.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from voxelmill.plugin import VoxelmillError

IDLE_S = 900.0
"""Five times the longest time between two questions of Snakemake about its jobs."""
LOOKS = 20
"""Looks in that time."""
VARIABLE = "VOXELMILL_IDLE_S"
"""Environment variable with another time."""
GONE = (FileNotFoundError, ProcessLookupError)
"""Errors of /proc where a process or thread has ended: before a file is opened, or after."""


class Hopeless(VoxelmillError):  # noqa: N818 - as its like in `plugin`
    """Whoever runs it again will find the same."""


class Guard:
    """What the watching thread has found.

    Parameters
    ----------
    jobs : callable
        Ids of the cluster's jobs of this run.
    mend : callable
        Called at every look: ends jobs that will never start; raises `Hopeless` if all are so.
    idle_s : float
        How long nothing may happen.
    """

    def __init__(
        self,
        jobs: Callable[[], list[str]],
        mend: Callable[[], object],
        idle_s: float = IDLE_S,
    ) -> None:
        self.fired = False
        """Whether a Snakemake was killed."""
        self.hopeless: Hopeless | None = None
        """Why the next one would do no better."""
        self._jobs, self._mend = jobs, mend
        self._idle_s, self._period_s = idle_s, idle_s / LOOKS
        self._end = threading.Event()

    def watch(self) -> None:
        """Look until told to end; kill a Snakemake that waits for nothing."""
        idle, seen = 0.0, ""
        while not self._end.wait(self._period_s):
            state = _state()
            try:
                self._mend()
                busy = state != seen or bool(self._jobs())
            except Hopeless as error:
                self.hopeless = error
                self._kill()
                return
            except VoxelmillError:
                # No answer is no reason to kill.
                busy = True
            idle, seen = (0.0 if busy else idle + self._period_s), state
            if idle >= self._idle_s:
                self._kill()
                idle = 0.0

    def _kill(self) -> None:
        self.fired = True
        _send(signal.SIGKILL)

    def end(self) -> None:
        """Stop looking."""
        self._end.set()


def patience() -> float:
    """Seconds that nothing may happen: `IDLE_S`, or what the environment says."""
    return float(os.environ.get(VARIABLE, IDLE_S))


@contextmanager
def guarded(guard: Guard | None) -> Iterator[None]:
    """Have `guard` watch while the body runs."""
    if guard is None:
        yield
        return
    thread = threading.Thread(target=guard.watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        guard.end()
        thread.join()


def tell_to_end() -> None:
    """Have Snakemake start no more jobs."""
    _send(signal.SIGTERM)


def wind_down(ended: threading.Event, idle_s: float) -> None:
    """Wait for the end of a Snakemake that was told to; kill one that does nothing for long.

    It does not survive a signal that comes while it notes the end of a job: its handler waits for
    a lock that it holds itself.
    """
    since, seen = time.monotonic(), ""
    while not ended.wait(min(1.0, idle_s / LOOKS)):
        state = _state()
        if state != seen or any(map(_children, snakemakes())):
            since, seen = time.monotonic(), state
        elif time.monotonic() - since > idle_s:
            _send(signal.SIGKILL)
            return


def _send(number: signal.Signals) -> None:
    """Send a signal to each Snakemake that is still there."""
    for process in snakemakes():
        with suppress(ProcessLookupError):
            os.kill(process, number)


def snakemakes() -> list[int]:
    """Snakemake processes that this process has started."""
    own = _children(os.getpid())
    return [pid for pid in own if b"snakemake" in _command(pid)]


def _command(pid: int) -> bytes:
    return _told(Path(f"/proc/{pid}/cmdline"))


def _children(pid: int) -> list[int]:
    """Child processes; none where the system does not tell."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except GONE:
        return []
    return [int(word) for one in threads for word in _told(one / "children").split()]


def _told(path: Path) -> bytes:
    """What the system tells of a process or thread: nothing, if that has ended just now."""
    try:
        return path.read_bytes()
    except GONE:
        return b""


def _state() -> str:
    """Processes under Snakemake, and how long its newest log is."""
    below = [child for pid in snakemakes() for child in _children(pid)]
    logs = sorted(Path(".snakemake/log").glob("*.log"))
    return f"{below} {logs[-1].stat().st_size if logs else 0}"
