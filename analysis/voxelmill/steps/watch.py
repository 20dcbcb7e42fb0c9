"""Run Snakemake and show how far it is: a bar a step on a terminal, a line a minute elsewhere.

In: its command, and the batches. Out: its exit code. What is done is counted by records, so it does
not matter on which machines the jobs run.
"""

import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from voxelmill.layout import BATCH_STEPS
from voxelmill.pace import Pace, notes, pace, progress_line, shares, window, work
from voxelmill.steps.child import call, child, exit_code
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.speed import timed
from voxelmill.tally import Portion, Tally, batches_of

PERIOD_S = 0.5
BUSY = 20.0
"""Counting may take one part in so many of the time."""
LINE_S = 60.0
"""Time between two lines where nobody looks on."""


def watch(command: Sequence[str], prepared: Prepared, environment: Mapping[str, str]) -> int:
    """Run `command`; return its exit code.

    On a terminal Snakemake's output goes to ``results/snakemake.log`` and is shown if it fails.
    """
    if is_dry(command):
        return call(command, environment)
    results = prepared.verdict.parent
    meter = Meter(Tally(results, batches_of(results)))
    if not sys.stderr.isatty():
        with child(command, environment) as process:
            _lines(process, meter)
        return exit_code(process)
    log = results / "snakemake.log"
    with log.open("w", encoding="utf-8") as sink, child(command, environment, sink) as process:
        _bars(process, meter)
    code = exit_code(process)
    text = log.read_text(encoding="utf-8", errors="replace")
    if code:
        sys.stderr.write(text)
    elif "Nothing to be done" in text:
        sys.stderr.write("Nothing to be done: all results are up to date.\n")
    return code


def is_dry(options: Sequence[str]) -> bool:
    """Whether Snakemake is to show only what it would do."""
    return bool({"-n", "--dry-run", "--dryrun"} & set(options))


class Meter:
    """Counts a run again and again, and tells its speed from that.

    Parameters
    ----------
    tally : Tally
        What is to be done; counted now for the first time.
    """

    def __init__(self, tally: Tally) -> None:
        self.tally, self.whole = tally, tally.all
        self._seen = deque([(time.monotonic(), tally.count())])

    @property
    def done(self) -> Mapping[str, Portion]:
        """What was done when it was last counted."""
        return self._seen[-1][1]

    def look(self, *, keep: bool = True) -> Mapping[str, Portion]:
        """Count; `keep` the count as one from which the speed is taken."""
        counted = self.tally.count()
        if keep:
            self._seen.append((time.monotonic(), counted))
        return counted

    def pace(self) -> Pace:
        """Speed between the last count and the first one that is not too old."""
        known = timed(self.tally).jobs
        share = shares(known)
        end, done = self._seen[-1]
        while len(self._seen) > 2 and self._seen[1][0] < end - window(known):
            self._seen.popleft()
        start, before = self._seen[0]
        left = work(dict.fromkeys(BATCH_STEPS, self.whole), share) - work(done, share)
        return pace(work(done, share) - work(before, share), end - start, left, self.whole)


def _lines(process: "subprocess.Popen[bytes]", meter: Meter) -> None:
    said = meter.done
    while not _ended(process, LINE_S):
        if meter.look() != said:
            said = meter.done
            clock = time.strftime("%H:%M")
            sys.stderr.write(progress_line(clock, said, meter.whole, meter.pace()) + "\n")
            sys.stderr.flush()


def _ended(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for a process, but not longer than some seconds."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def _bars(process: "subprocess.Popen[bytes]", meter: Meter) -> None:
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {
            step: bars.add_task(step, total=meter.whole.images, note="") for step in BATCH_STEPS
        }
        noted, pause = time.monotonic(), PERIOD_S
        while not _ended(process, pause):
            began = time.monotonic()
            keep = began - noted > LINE_S / 6
            _move(bars, tasks, meter.look(keep=keep))
            if keep:
                noted = began
                bars.update(tasks[BATCH_STEPS[-1]], note="; ".join(notes(meter.pace())))
            pause = max(PERIOD_S, BUSY * (time.monotonic() - began))
        _move(bars, tasks, meter.look())


def _move(bars: Progress, tasks: Mapping[str, TaskID], counted: Mapping[str, Portion]) -> None:
    for step, task in tasks.items():
        bars.update(task, completed=counted[step].images)
