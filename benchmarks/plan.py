"""What `voxelmill plan` predicts, and what the runs then take: the demo plate and real plates.

    python -m benchmarks.plan [--kept]

Calibrates this machine (``--kept``: takes the calibration it has), plans the plates of
``configs/demo.yaml`` and of the real ones (where ``../shared/data`` is), and runs each on all cores.
Other programs lengthen the elapsed time, but hardly the processor's: where they used more than a
tenth of the cores, the row says so.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import real
from benchmarks.timing import Row, table
from voxelmill.calibration import usable_cores
from voxelmill.steps.busy import Clock
from voxelmill.steps.demo import write_demo_plate

WITHIN = 1.3
"""How far a prediction of the clock may be off, in one direction or the other."""
BUSY = 0.1


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
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _rows(name: str, planned: dict[str, Any], config: Path) -> list[Row]:
    began = Clock.now()
    _run("run", str(config))
    ended = Clock.now()
    others = ended.others(began, usable_cores())
    run, remark = (
        planned["run"],
        f", others used {others:.0%} of the cores" if others > BUSY else "",
    )
    snakemake = run["seconds_of_snakemake"]
    files, size = _left(config)
    return [
        _row(f"{name}: elapsed{remark}", run["seconds"], ended.elapsed - began.elapsed, "s", WITHIN),
        _row(f"{name}: processor", 3600 * run["busy_core_hours"] + snakemake,
             ended.used - began.used, "s"),
        _row(f"{name}: files", planned["written"]["files"], files, "files"),
        _row(f"{name}: bytes", planned["written"]["bytes"] / 2**20, size / 2**20, "MiB"),
    ]  # fmt: skip


def _left(config: Path) -> tuple[int, int]:
    """Files and bytes of the results."""
    from voxelmill.configfile import load_config

    found = [p for p in Path(load_config(config).results).rglob("*") if p.is_file()]
    return len(found), sum(p.stat().st_size for p in found)


def _row(what: str, said: float, found: float, unit: str, most: float | None = None) -> Row:
    """Predicted and measured; the ratio is the larger over the smaller, at least 1."""
    off = round(max(said, found) / min(said, found), 3)
    return Row(
        f"plan, {what}, predicted", round(said, 1), round(found, 1), "measured", unit, off, most,
        None,
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", action="store_true", help="take the calibration there is")
    print(table(measure(parser.parse_args().kept)))
