"""`voxelmill status`: what is done, runs and has failed, why, how fast, how long still."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from voxelmill.jobstates import Jobs, Stopped
from voxelmill.layout import Layout
from voxelmill.pace import left_text, pace_text, progress_line
from voxelmill.steps.asking import command
from voxelmill.steps.jobsurvey import Standing, Survey, survey
from voxelmill.steps.speed import Speed, speed

LOGS = 3
LINES = 20
"""Most lines that name datasets, or jobs that have stopped."""
REFRESH_S = 5.0
PERIOD_S = 60.0


@dataclass(frozen=True)
class View:
    """What to show."""

    every: bool = False
    """Finished datasets as well, however many."""
    logs: int = LOGS
    """Logs to show the end of."""


def status(results: Path, view: View, say: Callable[[str], None]) -> int:
    """Say where a run stands.

    Returns
    -------
    int
        1 if a job has failed or was interrupted, or the final check failed; else 0.

    Raises
    ------
    BadInput
        `results` is no folder of a run.
    """
    found = survey(results)
    say("\n".join(text(found, speed(found), view)))
    return exit_code(found)


def exit_code(found: Survey) -> int:
    """Exit code of a command that has found this."""
    return 1 if found.stopped else 0


def watch(results: Path, view: View, say: Callable[[str], None]) -> int:
    """Do what `status` does again and again, until nobody works any more.

    On a terminal the text is replaced every few seconds; elsewhere a line is added every minute.
    """
    found = survey(results)
    if sys.stdout.isatty():
        found = _live(found, view)
    else:
        while found.active and not found.finished:
            say(line(found))
            time.sleep(PERIOD_S)
            found = survey(results, found.tally)
    say("\n".join(text(found, speed(found), view)))
    return exit_code(found)


def _live(found: Survey, view: View) -> Survey:
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, transient=True) as live:
        while found.active and not found.finished:
            live.update(Text("\n".join(text(found, speed(found), view))), refresh=True)
            time.sleep(REFRESH_S)
            found = survey(found.tally.results, found.tally)
    return found


def line(found: Survey) -> str:
    """Where a run stands, in one line."""
    stopped = f"{len(found.stopped)} jobs failed" if found.stopped else ""
    counts, whole = found.tally.count(), found.tally.all
    return progress_line(_clock(found.now.time), counts, whole, speed(found).now, stopped)


def as_json(found: Survey) -> str:
    """Where a run stands, for programs: seconds, pixels of all channels, times since 1970."""
    seen = speed(found)
    document: dict[str, Any] = {
        "results": str(found.tally.results),
        "run": found.now.run or None,
        "running_since": found.now.since or None,
        "finished": found.finished,
        "images": found.tally.all.images,
        "pixels": found.tally.all.pixels,
        "steps": found.steps(),
        "now": asdict(seen.now),
        "now_over_seconds": seen.over_seconds,
        "overall": asdict(seen.overall),
        "datasets": {
            d.name: {
                "images": d.whole.images,
                "waiting_for_approval": d.waiting,
                "quarantined": d.quarantined,
                "quarantined_all_counted": d.counted,
                "steps": {step: jobs.counts() for step, jobs in d.steps.items()},
            }
            for d in found.datasets
        },
        "stopped": [asdict(job) for job in found.stopped],
    }
    return json.dumps(document, indent=1)


def text(found: Survey, seen: Speed, view: View) -> list[str]:
    """Where a run stands, for people."""
    whole, n = found.tally.all, len(found.datasets)
    plural = "s" if n > 1 else ""
    lines = [
        f"{found.tally.results}: {whole.images} images of {n} dataset{plural}; {_who(found)}",
        "",
    ]
    lines += _table(found.steps())
    lost = sum(d.quarantined for d in found.datasets)
    if lost:
        least = "" if all(d.counted for d in found.datasets) else "at least "
        lines.append(f"quarantined: {least}{lost} images")
    lines += ["", *_speed(found, seen)]
    if n > 1:
        lines += _datasets(found.datasets, view)
    lines += _asked(found)
    lines += _stopped(found.stopped, view)
    if any(job.step != "check" for job in found.stopped):
        when = "When this run has ended, try" if found.active else "Try"
        lines += ["", f"{when} these again: voxelmill run CONFIG --failed"]
    return lines


def _who(found: Survey) -> str:
    if found.now.run:
        return f"{found.now.run} runs since {_clock(found.now.since)}"
    if found.running:
        return f"{found.running} jobs run"
    if any(d.waiting for d in found.datasets):
        return "waiting for approval"
    return "finished" if found.finished else "nobody works on it"


def _table(steps: dict[str, dict[str, int]]) -> Iterator[str]:
    columns = ("done", "running", "failed", "interrupted", "waiting")
    yield "batches   " + "".join(f"{column:>13}" for column in columns)
    for step, counts in steps.items():
        yield f"{step:<10}" + "".join(f"{counts.get(column, 0):>13}" for column in columns)


def _speed(found: Survey, seen: Speed) -> Iterator[str]:
    if found.active and (now := pace_text(seen.now)):
        left = seen.now.left_seconds
        yield f"now: {now} (last {left_text(seen.over_seconds)})" + (
            f"; {left_text(left)} left" if left else ""
        )
    if overall := pace_text(seen.overall):
        yield f"overall: {overall}"


def _datasets(datasets: tuple[Standing, ...], view: View) -> Iterator[str]:
    shown = [d for d in datasets if view.every or not d.finished]
    if shown:
        yield ""
    width = max((len(d.name) for d in shown), default=0)
    for dataset in shown if view.every else shown[:LINES]:
        counts = ", ".join(_jobs(step, jobs) for step, jobs in dataset.steps.items())
        lost = f"; {dataset.quarantined} quarantined" if dataset.quarantined else ""
        yield f"{dataset.name:<{width}}  {dataset.whole.images} images: {counts}{lost}"
    if not view.every and len(shown) > LINES:
        yield f"… and {len(shown) - LINES} datasets more: --all"


def _asked(found: Survey) -> Iterator[str]:
    results = found.tally.results
    asked = [d.name for d in found.datasets if d.waiting]
    if asked:
        yield ""
    for name in asked[:LINES]:
        page = Layout(results / name).qc_report
        yield f"{name} waits for approval: look at {page}, then {command(str(results), name)}"
    if len(asked) > LINES:
        yield f"… and {len(asked) - LINES} datasets more wait for approval: --json"


def _jobs(step: str, jobs: Jobs) -> str:
    counts = jobs.counts()
    more = [f"{counts[s]} {s}" for s in ("running", "failed", "interrupted") if counts[s]]
    return f"{step} {counts['done']}/{jobs.total}" + (f" ({', '.join(more)})" if more else "")


def _stopped(stopped: list[Stopped], view: View) -> Iterator[str]:
    for number, job in enumerate(islice(stopped, max(LINES, view.logs))):
        shown = number < view.logs
        if shown:
            yield ""
        yield f"{job.state}: {job.name}: {_short(job.reason)}"
        if shown:
            yield f"  {job.log}"
            # Its last line is the reason.
            end = job.tail[:-1] if job.state == "failed" else job.tail
            yield from (f"  | {_short(part)}" for part in end)
    if len(stopped) > max(LINES, view.logs):
        yield f"… and {len(stopped) - max(LINES, view.logs)} jobs more: --logs, --json"


def _short(words: str, most: int = 400) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _clock(seconds: float) -> str:
    then = time.localtime(seconds)
    today = time.localtime()[:3] == then[:3]
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", then)
