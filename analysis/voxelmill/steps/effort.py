"""What a dataset took: run time, processor time, billing units, from the logs of its jobs.

In: logs of a results folder, as long as they are there, and ``logs/times.json``, which keeps what
they said. Out: an `Effort`. Jobs in pods leave no logs: of those only records tell when they ended.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from voxelmill.joblog import read_log
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS, ILLUMINATION, REVIEW, Layout
from voxelmill.ledger import write_json
from voxelmill.quotas import Ask, job_units
from voxelmill.site import Billing
from voxelmill.tally import names

Times: TypeAlias = dict[str, dict[str, list[float]]]
"""Step → batch → start and end in seconds since 1970, core-seconds, cores, GiB."""
Span: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Effort:
    """What the finished jobs of a dataset took; zeros where nothing is known."""

    spans: tuple[Span, ...] = field(default=(), repr=False)
    """When jobs ran, in seconds since 1970."""
    core_s: float = 0.0
    units: float | None = None
    """Billing units; None where jobs did not say what they were given, or no prices are known."""
    ended: float = 0.0

    @property
    def run_s(self) -> float:
        """Time in which a job ran."""
        return covered(self.spans)


def covered(spans: Iterable[Span]) -> float:
    """Length of the union of intervals."""
    total, until = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def keep_times(layout: Layout) -> None:
    """Write what the logs of a dataset say of its jobs beside what earlier ones said."""
    found = times(layout)
    if found:
        write_json(layout.times, {"times": found})


def times(layout: Layout) -> Times:
    """When each finished job ran and what it used; a log that is there goes before the file."""
    found = _kept(layout)
    for step, batch, path in _logs(layout):
        log = read_log(path)
        if log is not None and log.started and log.end == "finished":
            used = log.used
            row = [log.started, log.ended, used.core_s, used.cores, used.gib]
            found.setdefault(step, {})[batch] = row
    return found


def _kept(layout: Layout) -> Times:
    try:
        read: Times = json.loads(layout.times.read_bytes())["times"]
    except (OSError, ValueError, KeyError):
        return {}
    return read


def _logs(layout: Layout) -> Iterator[tuple[str, str, Path]]:
    for step in BATCH_STEPS:
        for batch in sorted(names(layout.log(step, "x").parent, ".log")):
            yield step, batch, layout.log(step, batch)
    steps = (REVIEW, ILLUMINATION, *DATASET_STEPS)
    yield from ((step, "", layout.log(step)) for step in steps)


def effort(layout: Layout, batches: int, billing: Billing | None = None) -> Effort:
    """Sum up the jobs of a dataset; of which not all are known, nothing is said but the end.

    Parameters
    ----------
    layout : Layout
    batches : int
        How many there are.
    billing : Billing, optional
        What a core and memory cost by the hour at the site where jobs ran.
    """
    known = times(layout)
    rows = [row for jobs in known.values() for row in jobs.values()]
    if any(len(known.get(step, ())) < batches for step in BATCH_STEPS):
        return Effort(ended=max((row[1] for row in rows), default=_last_record(layout)))
    asked = [row for row in rows if row[3]]
    units = None
    if billing is not None and asked and (billing.core_hour or billing.gib_hour):
        units = sum(
            job_units(Ask(int(cores), gib), (end - start) / 3600, billing)
            for start, end, _, cores, gib in asked
        )
    return Effort(
        tuple((row[0], row[1]) for row in rows),
        sum(row[2] for row in rows),
        units,
        max((row[1] for row in rows), default=_last_record(layout)),
    )


def _last_record(layout: Layout) -> float:
    try:
        return layout.record(DATASET_STEPS[-1]).stat().st_mtime
    except OSError:
        return 0.0
