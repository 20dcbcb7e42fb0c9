"""What `voxelmill plan` predicts, and what the runs then take: the demo plate and real plates.

    python -m benchmarks.plan [--kept]

Calibrates this machine (``--kept``: takes the calibration it has), plans the plates of
``configs/demo.yaml`` and of the real ones (where ``../shared/data`` is), and runs each three times
on all cores: what is quoted are medians. Other programs lengthen the elapsed time, but hardly the
processor's: a row says how many of the cores they used. A ratio is the smaller over the larger: 1
is a prediction that came true.
"""

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import real
from benchmarks.timing import Row, table
from voxelmill.cores import usable_cores
from voxelmill.steps.busy import Clock
from voxelmill.steps.demo import write_demo_plate

RUNS = 3
LEAST = 0.77
"""A prediction of the clock is within 30 %."""


def measure(kept: bool = False) -> list[Row]:
    """Calibrate, plan and run."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="voxelmill-bench-") as name, contextlib.chdir(name):
        if not kept:
            _run("calibrate")
        for config in _plates():
            planned = json.loads(_run("plan", str(config), "--json"))
            rows += _rows(config.stem, planned, config)
    return rows


def _plates() -> Iterator[Path]:
    """Configurations of plates below the current folder."""
    write_demo_plate(Path("demo/plate.zarr"))
    yield real.ROOT / "configs" / "demo.yaml"
    if real.DATA.is_dir():
        real.OUT.mkdir()
        for make in (real.screen_plate, real.bbbc039_plate):
            with contextlib.redirect_stdout(io.StringIO()):
                config = make()
            yield config


def _run(*words: str) -> str:
    command = [sys.executable, "-m", "voxelmill", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def _rows(name: str, planned: dict[str, Any], config: Path) -> list[Row]:
    elapsed, used, others = zip(*(_timed(config) for _ in range(RUNS)), strict=True)
    run, written = planned["run"], planned["written"]
    work = 3600 * run["busy_core_hours"] + run["seconds_of_snakemake"]
    files, size = _left(config)
    return [
        _row(name, "elapsed", run["seconds"], median(elapsed), "s", LEAST),
        _row(name, "processor", work, median(used), "s"),
        _row(name, "files", written["files"], files, "files"),
        _row(name, "results", written["bytes"] / 2**20, size / 2**20, "MiB"),
        Row(
            f"plan, {name}: others meanwhile",
            round(median(others)),
            None,
            None,
            "% of cores",
            None,
            None,
            None,
        ),
    ]


def _timed(config: Path) -> tuple[float, float, float]:
    """Run from nothing: seconds of clock and processor, percent of the cores others used."""
    shutil.rmtree(_results(config), ignore_errors=True)
    began = Clock.now()
    _run("run", str(config))
    ended = Clock.now()
    others = 100 * ended.others(began, usable_cores())
    return ended.elapsed - began.elapsed, ended.used - began.used, others


def _results(config: Path) -> Path:
    from voxelmill.configfile import load_config

    return Path(load_config(config).results)


def _left(config: Path) -> tuple[int, int]:
    """Files and bytes of the results."""
    found = [p for p in _results(config).rglob("*") if p.is_file()]
    return len(found), sum(p.stat().st_size for p in found)


def _row(
    name: str, what: str, said: float, found: float, unit: str, least: float | None = None
) -> Row:
    near = round(min(said, found) / max(said, found), 3)
    label = f"plan, {name}: {what}, predicted"
    return Row(label, round(said, 1), round(found, 1), "measured", unit, near, least, None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", action="store_true", help="take the calibration there is")
    print(table(measure(parser.parse_args().kept)))
