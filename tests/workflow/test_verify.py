"""`voxelmill verify` after a run, as a user calls it: exit codes, and one line a finding."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runs import OBJECTS, run
from voxelmill.steps.demo import write_demo_plate

CONFIG = f"{OBJECTS}\ndatasets: sheet.tsv\n"
CHUNK = "labels.ome.zarr/A/01/0/labels/nuclei/0/c/0/0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, run to the end."""
    home = tmp_path_factory.mktemp("verified")
    for name in ("one", "two"):
        write_demo_plate(home / f"{name}.zarr", wells=1, fields=2, size=256, faults=False)
    (home / "sheet.tsv").write_text("dataset\turl\none\tone.zarr\ntwo\ttwo.zarr\n")
    (home / "config.yaml").write_text(CONFIG)
    done = run(home, os.environ)
    assert done.returncode == 0, done.stderr
    return home


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voxelmill", "verify", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100,
                          check=False)  # fmt: skip


def test_a_run_leaves_what_it_records(home: Path, tmp_path: Path) -> None:
    done = verify(home, "results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("all as recorded")
    assert verify(home, "results/two").returncode == 0
    shutil.copytree(home / "results" / "one", tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere", ".").returncode == 0


def test_a_run_that_is_looked_at_again_changes_nothing(home: Path) -> None:
    """What a run writes when there is nothing to do, as the index, is outside of the datasets."""
    assert run(home, os.environ).returncode == 0
    assert verify(home, "results").returncode == 0


def test_damage_is_named(home: Path, tmp_path: Path) -> None:
    results = shutil.copytree(home / "results", tmp_path / "results")
    (results / "one" / CHUNK).unlink()
    with (results / "two" / "wells.parquet").open("r+b") as file:
        file.write(b"PAR2")
    done = verify(tmp_path, "results")
    assert done.returncode == 1
    assert f"  missing {CHUNK}: labels of nuclei in A/01/0, level 0, chunk 0/0" in done.stdout
    assert "  changed wells.parquet: table of wells; " in done.stdout
    assert done.stdout.splitlines()[-1].endswith("1 changed, 1 missing")
    shutil.rmtree(results / "two")
    done = verify(tmp_path, "results")
    assert "two: 1 unfinished" in done.stdout
    assert verify(tmp_path, "results/two").returncode == 2
