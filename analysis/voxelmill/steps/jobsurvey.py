"""Where a run stands: every job of every dataset, from the files of its results folder alone.

In: a results folder. Out: a `Survey`. Works on any machine that sees the folder, while jobs run
anywhere, and afterwards; writes nothing. Folders are listed by threads: a shared file system
answers many questions as fast as one.
"""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from voxelmill.joblog import read_log
from voxelmill.jobstates import Jobs, Now, Stopped, jobs, look, stopped
from voxelmill.layout import (
    BATCH_STEPS,
    DATASET_STEPS,
    ILLUMINATION,
    REVIEW,
    Layout,
    verdict,
    verdict_log,
)
from voxelmill.steps.gate import waits
from voxelmill.tally import Portion, Tally, batches_of, total

THREADS = 16
STEPS = (BATCH_STEPS[0], REVIEW, *BATCH_STEPS[1:], *DATASET_STEPS)
RECORDS = 40_000
"""About how many records are read, at most, to count quarantined images of unfinished datasets."""


@dataclass(frozen=True)
class Standing:
    """Where one dataset stands."""

    name: str
    whole: Portion
    steps: Mapping[str, Jobs]
    quarantined: int
    counted: bool
    """Whether all that may say so was asked; if not, there may be more."""
    waiting: bool = False
    """Whether it waits for the approval of its QC report."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        done = all(len(found.done) == found.total for found in self.steps.values())
        return done and not self.waiting

    @property
    def stopped(self) -> list[Stopped]:
        """Jobs that ended without a result."""
        return [job for found in self.steps.values() for job in found.stopped]


@dataclass(frozen=True)
class Survey:
    """Where all datasets stand."""

    tally: Tally
    now: Now
    datasets: tuple[Standing, ...]
    verdict: Stopped | None
    """Why the final check failed."""
    checked: bool
    """Whether it passed."""

    @cached_property
    def stopped(self) -> list[Stopped]:
        """Jobs that ended without a result, the final check last."""
        found = [job for dataset in self.datasets for job in dataset.stopped]
        return [*found, self.verdict] if self.verdict else found

    @property
    def running(self) -> int:
        """Jobs that run."""
        return sum(len(jobs.running) for d in self.datasets for jobs in d.steps.values())

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.checked and all(dataset.finished for dataset in self.datasets)

    @property
    def active(self) -> bool:
        """Whether anybody works."""
        return bool(self.now.run or self.running)

    def steps(self) -> dict[str, dict[str, int]]:
        """Jobs of each step by state, over all datasets."""
        summed: dict[str, dict[str, int]] = {step: {} for step in STEPS}
        for dataset in self.datasets:
            for step, found in dataset.steps.items():
                states = summed.setdefault(step, {})
                for state, n in found.counts().items():
                    states[state] = states.get(state, 0) + n
        return {step: counts for step, counts in summed.items() if counts or step != REVIEW}


def survey(results: Path, tally: Tally | None = None, *, own: bool = False) -> Survey:
    """Look where a run stands.

    Parameters
    ----------
    results : Path
    tally : Tally, optional
        That of an earlier survey: it knows what has not changed.
    own : bool
        Whether this process is the run that works there: jobs that failed before it are no more
        waiting for it.

    Raises
    ------
    BadInput
        `results` is no folder of a run.
    """
    tally = tally or Tally(results, batches_of(results))
    now = Now(time.time()) if own else look(results, time.time())
    with ThreadPoolExecutor(THREADS) as threads:
        unfinished = [
            n for n in tally.batches if not Layout(results / n).record("aggregate").exists()
        ]
        most = RECORDS // max(1, len(unfinished))
        found = tuple(threads.map(lambda name: standing(tally, name, now, most), tally.batches))
    checked = verdict(results).exists()
    failed = None if checked or not all(d.finished for d in found) else _verdict(results, now)
    return Survey(tally, now, found, failed, checked)


def standing(tally: Tally, dataset: str, now: Now, most: int) -> Standing:
    """Look where one dataset stands; read at most so many records to count what is quarantined."""
    layout, batches = Layout(tally.results / dataset), tally.batches[dataset]
    steps = {
        step: jobs(layout, step, batches.keys(), tally.done(dataset, step), now)
        for step in BATCH_STEPS
    }
    lit, gated = (
        layout.record(step).exists() or layout.log(step).exists() for step in (ILLUMINATION, REVIEW)
    )
    more = [step for step, there in ((REVIEW, gated), (ILLUMINATION, lit)) if there]
    for step in (*more, *DATASET_STEPS):
        done = frozenset({""} if layout.record(step).exists() else ())
        steps[step] = jobs(layout, step, frozenset({""}), done, now)
    lost, counted = _quarantined(layout, steps, most)
    return Standing(dataset, total(batches), steps, lost, counted, gated and waits(layout.root))


def _quarantined(layout: Layout, steps: Mapping[str, Jobs], most: int) -> tuple[int, bool]:
    """Count quarantined images, and whether that may be all of them."""
    try:
        aggregated = json.loads(layout.record("aggregate").read_bytes())
        return len(aggregated["quarantined"]), True
    except (OSError, ValueError, KeyError):
        pass
    # An image that *segment* leaves out, *measure* leaves out with the same reason.
    segmented = set(steps["segment"].done) - set(steps["measure"].done)
    records = [("qc", b) for b in sorted(steps["qc"].done)]
    records += [("segment", b) for b in sorted(segmented)]
    records += [("measure", b) for b in sorted(steps["measure"].done)]
    lost: set[str] = set()
    for step, batch in records[:most]:
        lost |= _lost(layout.record(step, batch))
    return len(lost), len(records) <= most


def _lost(record: Path) -> set[str]:
    try:
        text = record.read_bytes()
        if b'"quarantined"' not in text:
            return set()
        images = json.loads(text)["images"]
    except (OSError, ValueError, KeyError):
        return set()
    return {image for image, found in images.items() if found["status"] == "quarantined"}


def _verdict(results: Path, now: Now) -> Stopped | None:
    log = read_log(verdict_log(results))
    if log is None or log.end == "finished" or log.alive(now.time):
        return None
    if now.run and log.touched < now.since:
        return None
    return stopped(log, verdict_log(results), "", "check")
