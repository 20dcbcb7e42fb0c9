"""How much memory this process may use: what the machine has, and what a cluster or shell allows.

In: nothing but the system's own files. Out: the smallest `Limit`; `give_back` and `reuse` say what
becomes of freed memory. What other programs use at the moment does not count, so that the same run
is judged alike every time.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxelmill.cgroups import groups, text

NONE = 2**60
"""Control groups without a limit name a number above this one, or 'max'."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
TRIM_BYTES = 1 << 16
"""What Dask sets for the worker processes that it starts, unless told otherwise."""
MAPPED_BYTES, HELD_BYTES = 1 << 25, 1 << 28
"""Larger pieces are mapped one by one (glibc's own upper bound); more than that is given back."""


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


def give_back() -> None:
    """Have this process return freed memory to the system; does nothing where libc cannot.

    By default glibc raises the size up to which it keeps freed memory whenever a larger piece is
    freed. With chunks that stay and temporaries that go, the heap then grows with the number of
    blocks: by a quarter from an image of 8192 x 8192 to one of 32 768 x 32 768, by 6 % without.
    """
    _mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)


def reuse() -> None:
    """Have this process keep freed memory for what comes next; does nothing where libc cannot.

    For steps over images of one block each: what one image needs, the next needs again in the same
    sizes, so the heap does not grow. To fetch every array anew from the system takes a third of
    the processor time of such steps.
    """
    _mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
    _mallopt(M_TRIM_THRESHOLD, HELD_BYTES)


def _mallopt(parameter: int, value: int) -> None:
    if sys.platform == "linux":
        setting = getattr(ctypes.CDLL(None), "mallopt", None)
        if setting is not None:
            setting(parameter, value)


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
    for folder, second in groups(root, "memory"):
        found = text(folder / ("memory.max" if second else "memory.limit_in_bytes")).strip()
        if found.isdigit() and int(found) < NONE:
            yield Limit(int(found), "control group (container or job)")
