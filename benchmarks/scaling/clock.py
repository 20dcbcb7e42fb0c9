"""Time a command as it would take with its cores to itself.

On a machine that others use too, threads wait for a core. The kernel counts that per thread
(``/proc/<pid>/task/<tid>/schedstat``: nanoseconds run, nanoseconds waited). Several times a second
that tells how many cores the command wanted (run + waited), at most those there are, and how many
it got. An interval counts for the time in which the wanted cores would have done as much.
"""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import cpu_count
from pathlib import Path

from benchmarks.scaling.scenes import environment

EVERY_S = 0.2
CORES = cpu_count() or 1


@dataclass(frozen=True)
class Took:
    """How long a command took."""

    wall_s: float
    """As elapsed."""
    own_s: float
    """With the cores to itself."""


def own(elapsed: float, run: float, waited: float, cores: int = CORES) -> float:
    """Seconds that an interval would have taken undisturbed.

    Parameters
    ----------
    elapsed, run, waited : float
        Seconds: of the interval; in which threads ran in it, all together; in which they waited.
    cores : int
    """
    wanted = min((run + waited) / elapsed, cores) if elapsed else 0.0
    return elapsed * min(1.0, run / elapsed / wanted) if wanted else elapsed


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

    @property
    def total(self) -> tuple[float, float]:
        """Seconds run and waited by all threads that were seen."""
        run, waited = zip(*self.found.values(), strict=True) if self.found else ((), ())
        return sum(run), sum(waited)


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
            since, before = start, (0.0, 0.0)
            while True:
                over = ended.wait(EVERY_S)
                waits.look(process.pid)
                now, total = time.perf_counter(), waits.total
                run, waited = total[0] - before[0], total[1] - before[1]
                spent[0] += own(now - since, run, waited)
                since, before = now, total
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
