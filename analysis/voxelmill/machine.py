"""How much memory this process may use: what the machine has, and what a cluster or shell allows.

In: nothing but the system's own files. Out: the smallest `Limit`. What other programs use at the
moment does not count, so that the same run is judged alike every time. `reuse_memory` has a process
work in the memory that it has.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NONE = 2**60
"""Control groups without a limit name a number above this one, or 'max'."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEPT_BYTES, LARGE_BYTES = 1 << 30, 1 << 25
"""Freed memory that a process keeps; arrays mapped apart (glibc takes no larger number)."""
MALLOC = {
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
    "MALLOC_MMAP_THRESHOLD_": str(LARGE_BYTES),
    "MALLOC_ARENA_MAX": "1",
}
"""The same as environment variables, for processes that are started."""


@dataclass(frozen=True)
class Limit:
    """Most memory in bytes, and what sets it."""

    size: int
    source: str


def limit(root: Path = Path("/")) -> Limit | None:
    """Smallest limit there is; None where the system tells nothing.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.
    """
    found = [*_physical(), *_address_space(), *_groups(root)]
    return min(found, key=lambda each: each.size, default=None)


def reuse_memory() -> None:
    """Have this process keep freed memory for the next block; does nothing where libc cannot.

    Otherwise each block's temporaries are fresh pages: the kernel clears them, they are in no
    cache, and threads wait for each other's page faults. That costs a tenth of the time, and
    more with two workers. What is kept for long (decoded chunks) is mapped apart, so that the
    rest of the heap is as large as one block's temporaries, however many blocks there are. One
    arena: those that glibc gives to threads consist of pieces of 64 MiB, which large arrays break.
    """
    if sys.platform == "linux":
        setting = getattr(ctypes.CDLL(None), "mallopt", None)
        if setting is not None:
            setting(M_TRIM_THRESHOLD, KEPT_BYTES)
            setting(M_MMAP_THRESHOLD, LARGE_BYTES)
            setting(M_ARENA_MAX, 1)


def _physical() -> Iterator[Limit]:
    names = os.sysconf_names if hasattr(os, "sysconf") else {}
    if {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        yield Limit(size, "memory of this machine")


def _address_space() -> Iterator[Limit]:
    if sys.platform == "win32":
        return
    import resource

    size, _ = resource.getrlimit(resource.RLIMIT_AS)
    if size != resource.RLIM_INFINITY:
        yield Limit(size, "ulimit -v")


def _groups(root: Path) -> Iterator[Limit]:
    """Limits of the process's control group and all above it, version 1 or 2."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            mounts, file = ["sys/fs/cgroup", "sys/fs/cgroup/unified"], "memory.max"
        elif "memory" in controllers.split(","):
            mounts, file = ["sys/fs/cgroup/memory"], "memory.limit_in_bytes"
        else:
            continue
        inside = Path(path.lstrip("/"))
        for mount in mounts:
            # In a container the path may be that of the host: its own group is then the root.
            for group in (inside, *inside.parents):
                text = _text(root / mount / group / file).strip()
                if text.isdigit() and int(text) < NONE:
                    yield Limit(int(text), "control group (container or job)")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
