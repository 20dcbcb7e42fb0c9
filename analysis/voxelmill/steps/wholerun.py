"""A whole run of one tiny image: what Snakemake adds to the jobs."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from voxelmill.plugin import BlocksFailed
from voxelmill.steps.busy import Clock
from voxelmill.steps.gaugeplugins import SETS

JOBS = 7
"""One of each step, and the check."""
LAST = 2000


@dataclass(frozen=True)
class Whole:
    """Seconds of processor and of clock."""

    dry: tuple[float, float]
    """Up to where the first job would start."""
    run: tuple[float, float]


def whole_run(plate: Path, folder: Path, cores: int) -> Whole:
    """Run the workflow in `folder`, first without jobs.

    Raises
    ------
    BlocksFailed
        It failed.
    """
    folder.mkdir()
    (folder / "sheet.tsv").write_text(f"dataset\turl\ntiny\t{plate}\n", encoding="utf-8")
    config = {"datasets": "sheet.tsv", "results": "results", "objects": SETS}
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", str(cores)]
    return Whole(_timed([*command, "--", "--dry-run"], folder), _timed(command, folder))


def _timed(command: list[str], folder: Path) -> tuple[float, float]:
    began = Clock.now()
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, check=False, capture_output=True, text=True, env=dict(os.environ)
    )
    ended = Clock.now()
    if done.returncode:
        raise BlocksFailed(f"calibrate: a run of one image failed: {done.stderr[-LAST:]}")
    return ended.used - began.used, ended.elapsed - began.elapsed
