"""How fast a run has been, from the times of its records and of some of its logs.

In: a `Survey`. Out: its `Pace` now, and over all. Records are only asked for their time,
and only in folders that have changed lately.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voxelmill.joblog import read_log
from voxelmill.layout import BATCH_STEPS, Layout
from voxelmill.pace import Pace, pace, shares, window, work
from voxelmill.steps.jobsurvey import Survey
from voxelmill.tally import Portion, Tally, total

SAMPLES = 60
"""About how many finished jobs of a step are asked when they started, and how long they took."""


@dataclass(frozen=True)
class Timed:
    """What some finished jobs say."""

    jobs: dict[str, list[tuple[float, int]]]
    """Seconds and pixels by step, of jobs that still have a log: aggregated datasets have none."""
    started: float
    """When the first of them started, or else ended, in seconds since 1970; 0: unknown."""


def timed(tally: Tally) -> Timed:
    """Look at some finished jobs of every step and dataset."""
    few = max(1, SAMPLES // max(1, len(tally.batches)))
    found: dict[str, list[tuple[float, int]]] = {step: [] for step in BATCH_STEPS}
    moments = []
    for dataset, batches in tally.batches.items():
        layout = Layout(tally.results / dataset)
        for step in BATCH_STEPS:
            done = sorted(tally.done(dataset, step))
            for batch in done[:: max(1, len(done) // few)]:
                log = read_log(layout.log(step, batch))
                if log is not None and log.started and log.end == "finished":
                    found[step].append((log.seconds, batches[batch].pixels))
                    moments.append(log.started)
                else:
                    moments.append(layout.record(step, batch).stat().st_mtime)
    return Timed(found, min(moments, default=0.0))


@dataclass(frozen=True)
class Speed:
    """Speed lately and over all."""

    now: Pace
    overall: Pace
    over_seconds: float
    """How long "lately" is."""


def speed(survey: Survey) -> Speed:
    """Find out how fast a run is, and how long it will take if it goes on so."""
    known = timed(survey.tally)
    share = shares(known.jobs)
    done, whole = survey.tally.count(), survey.tally.all
    folders = dict(_folders(survey.tally))
    last = max(folders.values(), default=0.0)
    end = survey.now.time if survey.active else last
    first = known.started or last
    start = max(end - window(known.jobs), survey.now.since or first)
    lately = dict.fromkeys(BATCH_STEPS, Portion())
    for (dataset, step), changed in folders.items():
        if changed > start:
            lately[step] += _since(survey.tally, dataset, step, start)
    left = work(dict.fromkeys(BATCH_STEPS, whole), share) - work(done, share) - _lost(survey, share)
    return Speed(
        pace(work(lately, share), end - start, left, whole),
        pace(work(done, share), last - first, left, whole),
        end - start,
    )


def _lost(survey: Survey, share: dict[str, float]) -> float:
    """Work that will not be done: of jobs that have stopped."""
    batches = survey.tally.batches
    jobs = (job for job in survey.stopped if job.step in share)
    return sum(share[job.step] * batches[job.dataset][job.batch].pixels for job in jobs)


def _folders(tally: Tally) -> Iterator[tuple[tuple[str, str], float]]:
    """When records of a dataset and step were last written."""
    for dataset in tally.batches:
        for step in BATCH_STEPS:
            folder = _folder(tally, dataset, step)
            if tally.done(dataset, step):
                yield (dataset, step), folder.stat().st_mtime


def _folder(tally: Tally, dataset: str, step: str) -> Path:
    return Layout(tally.results / dataset).record(step, "x").parent


def _since(tally: Tally, dataset: str, step: str, start: float) -> Portion:
    """Batches whose records are younger than `start`."""
    folder = str(_folder(tally, dataset, step))
    names = tally.done(dataset, step)
    # There may be tens of thousands: a `Path` takes longer to make than its file to be asked.
    young = (n for n in names if os.stat(f"{folder}/{n}.json").st_mtime > start)  # noqa: PTH116
    return total(tally.batches[dataset], young)
