"""After *aggregate*: logs of batches that had nothing to say go, to keep files few.

In: a dataset whose batches are all done. Out: ``logs/times.json``, when each job ran and what it
used; a log with a note or an error stays.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from voxelmill.joblog import read_log
from voxelmill.layout import BATCH_STEPS, Layout
from voxelmill.steps.effort import keep_times

SHORT = 512
"""Bytes that the marks of a job take at most."""


def tidy(layout: Layout) -> None:
    """Remove the logs of a dataset's batches that hold no more than marks of a good end."""
    keep_times(layout)
    for step in BATCH_STEPS:
        for path in _short(layout.log(step, "x").parent):
            log = read_log(path)
            if log is not None and log.silent:
                # Whoever runs the step again writes it anew.
                path.unlink(missing_ok=True)


def _short(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".log") and entry.stat().st_size <= SHORT:
                yield Path(entry.path)
