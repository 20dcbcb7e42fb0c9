"""What each job of a dataset does: from names of records and logs, and the logs of unfinished jobs.

In: one dataset of a results folder. Out: `Jobs` a step. Nothing is asked but the file system, so it
works on any machine that sees the folder, and nothing is written.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from voxelmill.joblog import JobLog, lives, read_log, seconds_of
from voxelmill.layout import Layout, running
from voxelmill.tally import names

State = Literal["done", "running", "failed", "interrupted", "waiting"]
TAIL_LINES = 12
SINCE = re.compile(r" since (\S+)")


@dataclass(frozen=True)
class Stopped:
    """A job that ended without its record."""

    dataset: str
    step: str
    batch: str
    """Empty for a step over the whole dataset."""
    state: State
    reason: str
    log: str
    tail: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name for people."""
        return " ".join(part for part in (self.dataset, self.step, self.batch) if part)


@dataclass
class Jobs:
    """Jobs of one step, by batch; a step over a whole dataset has one batch without a name."""

    total: int = 0
    done: Collection[str] = frozenset()
    running: list[str] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        failed = sum(job.state == "failed" for job in self.stopped)
        left = self.total - len(self.done) - len(self.running) - len(self.stopped)
        return {
            "done": len(self.done),
            "running": len(self.running),
            "failed": failed,
            "interrupted": len(self.stopped) - failed,
            "waiting": left,
        }


@dataclass(frozen=True)
class Now:
    """The moment of looking, and the run that works at it."""

    time: float
    run: str = ""
    """Who runs; empty: nobody that is known of."""
    since: float = 0.0
    """When that run started, in seconds since 1970."""


def jobs(
    layout: Layout, step: str, wanted: Collection[str], done: Collection[str], now: Now
) -> Jobs:
    """States of all jobs of a step.

    Parameters
    ----------
    layout : Layout
    step : str
    wanted : collection of str
        Batches; ``{""}`` for a step over the whole dataset.
    done : collection of str
        Those with a record.
    now : Now
    """
    found = Jobs(len(wanted), done)
    if len(done) == len(wanted):
        return found
    tried = names(layout.log(step, "x").parent, ".log") | _scratched(layout, step)
    for batch in sorted((tried | {""}) & set(wanted) - set(done)):
        job = judge(layout, step, batch, now)
        if job == "running":
            found.running.append(batch)
        elif isinstance(job, Stopped):
            found.stopped.append(job)
    return found


def _scratched(layout: Layout, step: str) -> set[str]:
    """Batches that a step has left a ledger of."""
    start = f"{step}-"
    folder = layout.scratch(step, "x").parent
    return {n.removeprefix(start) for n in names(folder, "") if n.startswith(start)}


def judge(layout: Layout, step: str, batch: str, now: Now) -> State | Stopped:
    """State of a job without a record; why, if it has stopped."""
    path = layout.log(step, batch)
    log = read_log(path) or _of_ledger(layout, step, batch)
    # One that finished and has no record has lost it since: it is made anew.
    if log is None or log.end == "finished" or (now.run and log.touched < now.since):
        return "waiting"
    if log.alive(now.time):
        return "running"
    return stopped(log, path, layout.root.name, step, batch)


def stopped(log: JobLog, path: Path, dataset: str, step: str, batch: str = "") -> Stopped:
    """Say why a job has stopped."""
    failed = log.end == "failed" or (not log.started and bool(log.lines))
    seen = datetime.fromtimestamp(log.touched, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    who = ", ".join(part for part in (log.owner, f"last sign of life {seen}") if part)
    reason = log.reason if failed else f"killed, or its machine was lost ({who})"
    return Stopped(
        dataset, step, batch, "failed" if failed else "interrupted", reason, str(path),
        log.lines[-TAIL_LINES:],
    )  # fmt: skip


def _of_ledger(layout: Layout, step: str, batch: str) -> JobLog | None:
    """What the ledger says where a step was called by hand and has no log."""
    folder = layout.scratch(step, batch)
    times = [p.stat().st_mtime for p in (folder / "ledger.jsonl", folder / "lock") if p.exists()]
    if not batch or not times:
        return None
    lock = folder / "lock"
    owner = lock.read_text(errors="replace") if lock.exists() else ""
    return JobLog(max(times), started=min(times), owner=owner)


def look(results: Path, time: float) -> Now:
    """Find out who runs in a results folder."""
    path = running(results)
    try:
        text, touched = path.read_text(errors="replace"), path.stat().st_mtime
    except OSError:
        return Now(time)
    if not lives(text, touched, time):
        return Now(time)
    since = SINCE.search(text)
    return Now(time, text.partition(" since ")[0], seconds_of(since[1]) if since else touched)
