"""How many cores this process may use: those of its affinity, fewer where a container is limited.

In: nothing but the system's own files. Out: a whole number, one at least.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

from voxelmill.cgroups import groups, text


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.
    """
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    return max(1, min([cores, *(ceil(share) for share in _shares(root))]))


def _shares(root: Path) -> Iterator[float]:
    """Cores' worth of time that each control group is given; none of those without a limit."""
    for folder, second in groups(root, "cpu"):
        names = ("cpu.max",) if second else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = " ".join(text(folder / name) for name in names).split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            yield int(words[0]) / int(words[1])
