"""`voxelmill calibrate` on tiny fields, whole: workers, threads, a run, the file; then `plan`."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from voxelmill.calibration import Calibration, cpu_model
from voxelmill.features import features
from voxelmill.home import home
from voxelmill.layout import BATCH_STEPS
from voxelmill.plugin import BadConfig, BlocksFailed
from voxelmill.steps import calibrate as step
from voxelmill.steps.calibrate import Effort, calibrate
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.plan import plan, text

EDGES = {"large": 160, "small": 80, "tiny": 64}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No more than the least number of rounds; kernels are compiled by what needs them."""
    monkeypatch.setattr(step, "LEAST_S", 0.1)
    monkeypatch.setattr(step, "_run", lambda command: None)
    monkeypatch.chdir(tmp_path)


@pytest.mark.timeout(900)
def test_calibrate_and_plan(hasty: None, tmp_path: Path) -> None:
    site = tmp_path / "mine.yaml"
    site.write_text((home("profiles") / "slurm" / "roihu.yaml").read_text())
    said: list[str] = []
    effort = Effort(minutes=0.1, cores=2, threads=2, edges=EDGES)
    path = calibrate(str(site), None, effort, said.append)
    assert path == tmp_path / "mine.calibration.json"
    found = Calibration.model_validate_json(path.read_text())
    assert (found.cpu, found.cores) == (cpu_model(), 2)
    assert {f"feature {kind}" for kind in features()} <= set(found.plugins)
    assert set(found.serial) == set(BATCH_STEPS)
    assert all(0 < s < 60 for s in found.start.values())
    assert found.voxel["write"] + found.image["set"] > 0
    assert all(size > 0 for size in found.bytes.values())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.calibration.json", "mine.yaml"]
    assert not any("\r" in line for line in said)
    assert said[-1] == f"kept in {path}"

    write_demo_plate(tmp_path / "plate.zarr", wells=1, fields=2, size=64, faults=False)
    (tmp_path / "sheet.tsv").write_text("dataset\turl\none\tplate.zarr\n")
    (tmp_path / "config.yaml").write_text(
        "datasets: sheet.tsv\nobjects:\n"
        "  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_um: 12}}\n"
    )
    planned: Mapping[str, Any] = plan(Path("config.yaml"), None, str(site))
    assert planned["run"]["speeds"] == f"calibrated on {cpu_model()}"
    assert not planned["refusal"], text(planned)


def test_a_worker_that_fails_is_told(hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    effort = Effort(minutes=0.1, cores=1, edges=EDGES, config="{no json")
    with pytest.raises(BlocksFailed, match="worker 0 failed"):
        calibrate(None, Path("c.json"), effort, lambda line: None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--minutes", "0"], "--minutes 0; allowed: more than 0"),
        (["--site", "nowhere"], "site: no file"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "voxelmill", "calibrate", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(step.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(BadConfig, match="Go to a folder"):
        calibrate(None, Path("c.json"), Effort(cores=1), lambda line: None)
