"""Run Snakemake and show how far it is: a bar a step on a terminal, its own output elsewhere."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from voxelmill.layout import Layout
from voxelmill.steps.child import call, child, exit_code
from voxelmill.steps.prepare import Prepared
from voxelmill.steps.work import read_batch

STEPS = ("qc", "segment", "measure")
PERIOD_S = 0.5


def watch(command: Sequence[str], prepared: Prepared, environment: Mapping[str, str]) -> int:
    """Run `command`; return its exit code.

    On a terminal Snakemake's output goes to ``results/snakemake.log`` and is shown if it fails.
    """
    if not sys.stderr.isatty() or is_dry(command):
        return call(command, environment)
    log = prepared.verdict.with_name("snakemake.log")
    with log.open("w", encoding="utf-8") as sink, child(command, environment, sink) as process:
        _show(process, prepared)
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


def _show(process: "subprocess.Popen[bytes]", prepared: Prepared) -> None:
    batches = [
        (layout, batch, len(read_batch(layout.batch(batch)).items))
        for dataset in prepared.datasets
        for layout in [prepared.layout(dataset)]
        for batch in prepared.batches[dataset]
    ]
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        total = sum(n for _, _, n in batches)
        tasks = {step: bars.add_task(step, total=total) for step in STEPS}
        while process.poll() is None:
            time.sleep(PERIOD_S)
            for step, task in tasks.items():
                bars.update(task, completed=_done(step, batches))


def _done(step: str, batches: Sequence[tuple[Layout, str, int]]) -> int:
    return sum(n for layout, batch, n in batches if layout.record(step, batch).exists())
