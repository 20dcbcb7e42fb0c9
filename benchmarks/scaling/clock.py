"""Time a command as it would take with its cores to itself.

On a machine that others use too, threads wait for a core. The kernel counts that per thread
(``/proc/<pid>/task/<tid>/schedstat``: nanoseconds run, nanoseconds waited); threads of a command
that keeps no more of them busy than there are cores wait for others only. So the undisturbed time
is the elapsed one times run / (run + waited): the same where nobody disturbs.
"""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.scaling.scenes import environment

EVERY_S = 0.05


@dataclass(frozen=True)
class Took:
    """How long a command took."""

    wall_s: float
    """As elapsed."""
    share: float
    """Of the time in which its threads could have run, that in which they ran."""

    @property
    def own_s(self) -> float:
        """Seconds with the cores to itself."""
        return self.wall_s * self.share


@dataclass
class Waits:
    """What the threads of a process tree have run and waited, nanoseconds by thread."""

    found: dict[int, tuple[int, int]] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Note all threads of `root` and of all processes below it."""
        for pid in family(root):
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                try:
                    run, waited, _ = (thread / "schedstat").read_text().split()
                except OSError:
                    continue
                self.found[int(thread.name)] = int(run), int(waited)

    @property
    def share(self) -> float:
        """Part of the time in which the threads could have run that they ran."""
        run = sum(r for r, _ in self.found.values())
        waited = sum(w for _, w in self.found.values())
        return run / (run + waited) if run else 1.0


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


def timed(command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None) -> Took:
    """Run a command in `folder`.

    Raises
    ------
    RuntimeError
        It failed; the text ends with what it said.
    """
    waits, ended, start = Waits(), threading.Event(), time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log,
                                   env={**environment(), **(more or {})})  # fmt: skip

        def watch() -> None:
            while not ended.wait(EVERY_S):
                waits.look(process.pid)

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        wall = time.perf_counter() - start
        ended.set()
        watcher.join()
    if code:
        said = (folder / "log").read_text()[-2000:]
        raise RuntimeError(f"{' '.join(command)}: exit code {code}; {said}")
    return Took(wall, waits.share)
