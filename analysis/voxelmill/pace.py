"""How fast a run is and how long it will still take. Pure: numbers in, numbers out.

Steps differ in what a pixel costs. So work is counted in pixels that have gone through all steps: a
job counts as its pixels times the share of its step in the cost of a pixel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from voxelmill.layout import BATCH_STEPS
from voxelmill.tally import Portion

USUAL: Mapping[str, float] = {"qc": 1.0, "segment": 2.0, "measure": 3.0}
"""What a pixel costs in each step while no job has shown it: a guess, soon forgotten."""
WINDOW_S = 900.0
"""Shortest time over which the present speed is taken."""
JOBS_LONG = 3.0
"""The same in durations of a job: jobs that start together end together."""


def shares(timed: Mapping[str, Sequence[tuple[float, int]]]) -> dict[str, float]:
    """Share of each step in the cost of a pixel.

    Parameters
    ----------
    timed : mapping of step to sequence of (seconds, pixels)
        Finished jobs. A step without any is taken to be as much slower or faster than usual as the
        others are.
    """
    seen = {}
    for step, jobs in timed.items():
        seconds, pixels = sum(s for s, _ in jobs), sum(n for _, n in jobs)
        if seconds > 0 and pixels:
            seen[step] = seconds / pixels
    scale = mean(seen[s] / USUAL[s] for s in seen) if seen else 1.0
    cost = {step: seen.get(step, USUAL[step] * scale) for step in BATCH_STEPS}
    return {step: cost[step] / sum(cost.values()) for step in BATCH_STEPS}


def work(done: Mapping[str, Portion], share: Mapping[str, float]) -> float:
    """Pixels through all steps that `done` is worth."""
    return sum(share[step] * done[step].pixels for step in BATCH_STEPS)


def window(timed: Mapping[str, Sequence[tuple[float, int]]]) -> float:
    """Seconds over which to take the present speed: some jobs must end in it."""
    seconds = [s for jobs in timed.values() for s, _ in jobs]
    return max(WINDOW_S, JOBS_LONG * max(seconds, default=0.0))


@dataclass(frozen=True)
class Pace:
    """Speed of a run through all steps; None where nothing can be said yet."""

    images_minute: float | None
    mpx_second: float | None
    left_seconds: float | None


def pace(finished: float, seconds: float, left: float, whole: Portion) -> Pace:
    """Speed of work.

    Parameters
    ----------
    finished : float
        Work of `seconds`, in pixels through all steps.
    seconds : float
    left : float
        Work to be done.
    whole : Portion
        Images and pixels of the run: how large its images are.
    """
    if finished <= 0 or seconds <= 0 or not whole.pixels:
        return Pace(None, None, 0.0 if left <= 0 else None)
    speed = finished / seconds
    images = speed * whole.images / whole.pixels
    return Pace(60 * images, speed / 1e6, max(0.0, left) / speed)


def progress_line(
    clock: str, done: Mapping[str, Portion], whole: Portion, found: Pace, more: str = ""
) -> str:
    """``12:03 qc 96/480 images, segment 120/480, measure 80/480; 31.2 Mpx/s …; 14 min left``."""
    counts = [f"{step} {done[step].images}/{whole.images}" for step in BATCH_STEPS]
    counts[0] += " images"
    return f"{clock} " + "; ".join([", ".join(counts), *notes(found), *([more] if more else [])])


def notes(found: Pace) -> list[str]:
    """Speed and time left, as far as they are known."""
    left = f"{left_text(found.left_seconds)} left" if found.left_seconds else ""
    return [text for text in (pace_text(found), left) if text]


def pace_text(found: Pace) -> str:
    """``31.2 Mpx/s, 104 images/min``; empty where nothing is known."""
    if found.mpx_second is None or found.images_minute is None:
        return ""
    return f"{_short(found.mpx_second)} Mpx/s, {_short(found.images_minute)} images/min"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def left_text(seconds: float) -> str:
    """``40 s``, ``14 min``, ``3 h 10 min`` or ``2 d 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
