"""`voxelmill run --failed`: which records Snakemake is to make so that only what failed runs again.

In: a run's batches and where it stands. Out: records to ask for. With a batch comes what builds on
it; with a dataset that is finished by that, its summary, report and crate; with the last one, the
check.
"""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from voxelmill.layout import BATCH_STEPS, DATASET_STEPS, ILLUMINATION, REVIEW, Layout
from voxelmill.steps.jobsurvey import Standing, Survey
from voxelmill.steps.prepare import Prepared

COMMAND_BYTES = 1 << 20
"""Longest list of records: Linux takes command lines of 2 MiB, with the environment."""


def targets(prepared: Prepared, survey: Survey) -> list[Path]:
    """Records to make again, and those that build on them; none if no job has failed."""
    found: list[Path] = []
    whole = True
    for standing in survey.datasets:
        again = _again(standing)
        layout = prepared.layout(standing.name)
        if standing.name in prepared.shut:
            # Nothing behind the gate, whatever has failed there before it was shut.
            found += _before_the_gate(standing, again, layout)
            whole = False
            continue
        complete = all(
            len(set(jobs.done) | again.get(step, set())) == jobs.total
            for step, jobs in standing.steps.items()
            if step in BATCH_STEPS
        )
        if again and complete:
            found.append(layout.record(DATASET_STEPS[-1]))
        if ILLUMINATION in again:
            found.append(layout.record(ILLUMINATION))
        for step in BATCH_STEPS:
            found += [layout.record(step, batch) for batch in sorted(again.get(step, ()))]
        whole = whole and (standing.finished or bool(again and complete))
    return [*found, prepared.verdict] if found and whole else found


def _before_the_gate(standing: Standing, again: dict[str, set[str]], layout: Layout) -> list[Path]:
    quality = again.get("qc", set())
    judged = len(set(standing.steps["qc"].done) | quality) == standing.steps["qc"].total
    records = [layout.record("qc", batch) for batch in sorted(quality)]
    review = [layout.record(REVIEW)] if judged and (quality or REVIEW in again) else []
    return [*review, *records]


def fitting(wanted: Sequence[Path], most: int = COMMAND_BYTES) -> list[str]:
    """As many records, from the first on, as one command line holds."""
    sizes = accumulate(len(str(path).encode()) + 9 for path in wanted)
    return [str(path) for path, size in zip(wanted, sizes, strict=True) if size <= most]


def _again(standing: Standing) -> dict[str, set[str]]:
    """Batches to try again by step."""
    again: dict[str, set[str]] = {}
    for job in standing.stopped:
        again.setdefault(job.step, set()).add(job.batch)
    if "segment" in again:
        running = set(standing.steps["measure"].running)
        again.setdefault("measure", set()).update(again["segment"] - running)
    return again


def nothing(survey: Survey) -> str:
    """One line for a run in which no job has failed."""
    counts = survey.steps()
    waiting = sum(found.get("waiting", 0) for found in counts.values())
    lost = sum(dataset.quarantined for dataset in survey.datasets)
    text = f"{survey.tally.results}: no job has failed"
    if survey.running:
        text += f"; {survey.running} run now"
    if waiting:
        text += f"; {waiting} wait: run without --failed to start them"
    if lost:
        text += f"; {lost} images are quarantined: --retry-quarantined tries them again"
    return text
