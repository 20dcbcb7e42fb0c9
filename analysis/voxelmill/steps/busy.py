"""How busy this machine's cores are with other programs, while children of this process work."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STAT = Path("/proc/stat")
COUNTED = (1, 2, 3, 6, 7, 8)
"""Fields of a line of ``/proc/stat`` in which a core works, for us or for others."""


@dataclass(frozen=True)
class Clock:
    """A moment: the clock, what children have used, and what the usable cores have done."""

    elapsed: float
    used: float
    busy: float | None
    """None: the system does not tell."""

    @classmethod
    def now(cls) -> Self:
        """Now; of children only those that were waited for count."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return cls(time.monotonic(), children.ru_utime + children.ru_stime, _busy())

    def others(self, since: "Clock", cores: int) -> float:
        """Share of `cores` that other programs have used since then; 0 where nobody can tell."""
        if self.busy is None or since.busy is None:
            return 0.0
        others = self.busy - since.busy - (self.used - since.used)
        return max(0.0, others / max(1e-9, (self.elapsed - since.elapsed) * cores))


def _busy() -> float | None:
    try:
        lines = STAT.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    mine = {f"cpu{n}" for n in os.sched_getaffinity(0)}
    words = [line.split() for line in lines if line.split()[:1] and line.split()[0] in mine]
    ticks = sum(int(w[i]) for w in words for i in COUNTED if i < len(w))
    return ticks / os.sysconf("SC_CLK_TCK")
