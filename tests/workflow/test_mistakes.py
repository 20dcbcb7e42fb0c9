"""Mistakes in the configuration end in one clear line and exit code 2, before any job starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from voxelmill.steps.demo import write_demo_plate

CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}
"""


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plates")
    write_demo_plate(folder / "plate.zarr", wells=1, fields=1, size=128, faults=False)
    return folder / "plate.zarr"


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("diametr_um", "diameter_um", "Did you mean 'diameter_um'?"),
        ("channel: DAPI", "channel: DNA", "no channel 'DAPI'; it has 'DNA', 'AGP', 'ER'"),
        ("watershd", "watershed", "no such segmenter kind; allowed:"),
        (
            "segmenter: {kind: cellpose, model: weights/none}",
            "segmenter: {kind: watershed, diameter_um: 12}",
            "no file weights/none; allowed: a path to weights",
        ),
        ("diameter_um: wide", "diameter_um: 12", "objects.nuclei.segmenter.diameter_um"),
        ("diameter_nm: 12", "diameter_um: 12", "unknown key"),
        ("datasets: none.tsv", "datasets: sheet.tsv", "none.tsv cannot be read"),
        ("sheet.tsv\nmax_quarantined: -1", "sheet.tsv", "max_quarantined"),
        ("objects: {}\nunused:", "objects:", "unused: unknown key"),
    ],
)
def test_one_line_and_exit_code_2(
    plate: Path, tmp_path: Path, wrong: str, right: str, says: str
) -> None:
    assert right in CONFIG
    (tmp_path / "config.yaml").write_text(CONFIG.replace(right, wrong))
    (tmp_path / "sheet.tsv").write_text(f"dataset\turl\nplate\t{plate}\n")
    check(tmp_path, says)


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        ("dataset\turl\nplate\tnowhere.zarr\n", "nowhere.zarr is not there"),
        ("dataset\tpath\nplate\tx\n", "allowed: dataset, url"),
        ("dataset\turl\n", "no line"),
        ("dataset\turl\n../x\t.\n", "allowed: letters, digits"),
        ("dataset\turl\nplate\t.\n", "must be an OME-Zarr"),
    ],
)
def test_a_wrong_sheet(tmp_path: Path, sheet: str, says: str) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "sheet.tsv").write_text(sheet)
    check(tmp_path, says)


def check(folder: Path, says: str) -> None:
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr
    assert not list(folder.rglob("*.parquet"))
