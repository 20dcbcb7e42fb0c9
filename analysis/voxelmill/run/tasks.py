"""What runs on a worker: consecutive tasks, one after the other, each with its own outcome.

A task costs Dask milliseconds whatever it does, so short ones travel together as a `Chunk`. A
chunk stops after `LIMIT_S` and hands back what it has; `Pace` says how many tasks to put into one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2

from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable

REFUSALS = (BadInput, StoreUnavailable, AccessDenied)
"""Errors that speak of the data, not of the program."""
AIM_S = 0.1
"""How long a chunk should take: enough to hide the cost of sending it."""
LIMIT_S = 0.5
"""After this a chunk starts no further task: what it has done waits no longer for the ledger."""
MOST = 500
"""Tasks in a chunk."""

Item = tuple[str, tuple[Any, ...]]
"""Key and arguments of a task."""


@dataclass(frozen=True)
class Outcome:
    """What came of a task: its JSON value, or the reason why its data could not be used."""

    value: Any = None
    reason: str | None = None


@dataclass
class Done:
    """Outcomes of the first tasks of a chunk, and how long they took."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Chunk:
    """Tasks that travel together."""

    function: Callable[..., Any]
    arguments: tuple[tuple[Any, ...], ...]

    def __call__(self) -> Done:
        """Do the first tasks, one at least.

        Any other error than those that speak of the data goes on to the driver, with the outcomes
        of the tasks before it (see `finished_before`).
        """
        # One thread a core is busy already; OpenCV's own would only compete with them.
        cv2.setNumThreads(1)
        done = Done()
        start = time.monotonic()
        for arguments in self.arguments:
            try:
                done.outcomes.append(_attempt(self.function, arguments))
            except Exception as error:
                vars(error)["done_before"] = done
                raise
            finally:
                done.seconds = time.monotonic() - start
            if done.seconds > LIMIT_S:
                break
        return done


def _attempt(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Outcome:
    try:
        return Outcome(function(*arguments))
    except REFUSALS as error:
        return Outcome(reason=str(error))


def finished_before(error: BaseException) -> Done | None:
    """What a chunk had done before one of its tasks raised `error`; None: it is not known."""
    done: Done | None = vars(error).get("done_before")
    return done


def describe(error: BaseException) -> str:
    """One line about what a task raised."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Pace:
    """Size of the next chunk, from how long tasks took.

    Parameters
    ----------
    tasks : int
        Tasks still to do.
    threads : int
        Chunks that run at the same time.
    least : int
        Tasks of a chunk that are never worth parting.
    """

    def __init__(self, tasks: int, threads: int, least: int = 1) -> None:
        self._left, self._threads = tasks, max(1, threads)
        self._least = self._size = least

    def next(self) -> int:
        """Tasks to send next; fewer towards the end, so that no worker runs dry."""
        share = self._left // (4 * self._threads)
        size = max(self._least, min(self._size, share, MOST))
        self._left -= size
        return size

    def learn(self, tasks: int, seconds: float, returned: int = 0) -> None:
        """Note how long a chunk took, and how many of its tasks came back undone."""
        self._left += returned
        wanted = int(AIM_S * tasks / max(seconds, 1e-6))
        # At most doubled: the first tasks may be empty corners of the image.
        self._size = max(1, min(wanted, 2 * self._size))
