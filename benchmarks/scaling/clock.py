"""Time a command as it would take with its cores to itself.

On a machine that others use too, threads wait for a core. The kernel counts that per thread
(``/proc/<pid>/task/<tid>/schedstat``: nanoseconds run, nanoseconds waited). Several times a second
that tells which share of what it wanted each thread got. An interval counts for the mean share,
each thread weighing as much as it ran: event loops, which run little and wait as long for a core as
any, hardly count. It counts for no less than what all have run, on all cores.
"""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import cpu_count
from pathlib import Path

from benchmarks.scaling.scenes import environment

EVERY_S = 0.2
SHORT = 3
"""Runs of what takes a few seconds only, on a machine that has its moods."""
CORES = cpu_count() or 1


@dataclass(frozen=True)
class Took:
    """How long a command took."""

    wall_s: float
    """As elapsed."""
    own_s: float
    """With the cores to itself."""


def own(elapsed: float, threads: Sequence[tuple[float, float]], cores: int = CORES) -> float:
    """Seconds that an interval would have taken undisturbed.

    Parameters
    ----------
    elapsed : float
        Seconds of the interval.
    threads : sequence of (float, float)
        Seconds that each thread ran in it, and that it waited for a core.
    cores : int
    """
    run = sum(ran for ran, _ in threads)
    if not run:
        return 0.0 if any(waited for _, waited in threads) else elapsed
    share = sum(ran * ran / (ran + waited) for ran, waited in threads if ran) / run
    return min(elapsed, max(elapsed * share, run / cores))


@dataclass
class Waits:
    """What the threads of a process tree have run and waited, seconds by thread."""

    found: dict[int, tuple[float, float]] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Note all threads of `root` and of all processes below it."""
        for pid in family(root):
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                try:
                    run, waited, _ = (thread / "schedstat").read_text().split()
                except OSError:
                    continue
                self.found[int(thread.name)] = int(run) / 1e9, int(waited) / 1e9

    def since(self, before: Mapping[int, tuple[float, float]]) -> list[tuple[float, float]]:
        """Seconds that each thread has run and waited since it was as `before`."""
        found = []
        for thread, (run, waited) in self.found.items():
            ran, had = before.get(thread, (0.0, 0.0))
            found.append((run - ran, waited - had))
        return found


def family(root: int) -> set[int]:
    """A process and all below it."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(text[1])
    found = {root}
    while more := {p for p, up in parents.items() if up in found} - found:
        found |= more
    return found


def middle(command: Sequence[str], folder: Path, place: Path | None = None) -> Took:
    """Run a short command several times, as `timed`; what took the median time."""
    found = sorted((timed(command, folder, place) for _ in range(SHORT)), key=lambda t: t.own_s)
    return found[SHORT // 2]


def timed(command: Sequence[str], folder: Path, place: Path | None = None) -> Took:
    """Run a command in `place`, by default in `folder`, where its log goes.

    Raises
    ------
    RuntimeError
        It failed; the text ends with what it said.
    """
    waits, ended, start = Waits(), threading.Event(), time.perf_counter()
    spent = [0.0]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=place or folder, stdout=log, stderr=log, env=environment()
        )

        def watch() -> None:
            since = start
            while True:
                over = ended.wait(EVERY_S)
                before = dict(waits.found)
                waits.look(process.pid)
                now = time.perf_counter()
                spent[0] += own(now - since, waits.since(before))
                since = now
                if over:
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        wall = time.perf_counter() - start
        ended.set()
        watcher.join()
    if code:
        said = (folder / "log").read_text()[-2000:]
        raise RuntimeError(f"{' '.join(command)}: exit code {code}; {said}")
    return Took(wall, min(wall, spent[0]))
