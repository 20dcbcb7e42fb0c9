"""Cores shared by more threads than there are cores: who waits for a store lets another compute.

So blocks are read ahead: with twice as many threads as cores, each core has a block to compute
while the next one comes over the network. A thread that was not given a core is not concerned.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

AHEAD = 2
"""Threads for each core where pixels or labels are behind a network."""
F = TypeVar("F", bound=Callable[..., Any])
_FIRST = "reads_first"
_mine = threading.local()
_lock = threading.Lock()
_all: dict[int, threading.Semaphore] = {}


def reads_first(function: F) -> F:
    """Mark a task that begins with reading, and so needs no core to begin."""
    vars(function)[_FIRST] = True
    return function


@contextmanager
def computing(cores: int, task: Callable[..., Any] | None = None) -> Iterator[None]:
    """Hold one of the `cores` of this process; wait until there is one.

    For a `task` that reads first, hold one from when it has read.
    """
    _mine.slots, _mine.held = _slots(cores), False
    try:
        if task is None or not hasattr(task, _FIRST):
            _take()
        yield
    finally:
        _leave()
        _mine.slots = None


@contextmanager
def waiting() -> Iterator[None]:
    """Leave the core that this thread holds, if it does, to others for this while."""
    slots: threading.Semaphore | None = getattr(_mine, "slots", None)
    if slots is None:
        yield
        return
    _leave()
    _mine.slots = None
    try:
        yield
    finally:
        _mine.slots = slots
        _take()


def _take() -> None:
    if not _mine.held:
        _mine.slots.acquire()
        _mine.held = True


def _leave() -> None:
    if _mine.held:
        _mine.slots.release()
        _mine.held = False


def _slots(cores: int) -> threading.Semaphore:
    with _lock:
        return _all.setdefault(cores, threading.Semaphore(cores))
