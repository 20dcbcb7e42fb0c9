"""A batch fails: `status` names it, `run --failed` tries it alone, and the run ends well."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from voxelmill.blocks import Box
from voxelmill.steps.demo import write_demo_plate
from voxelmill.store.read import open_image, read_box

PLUGIN = """
import time
from pathlib import Path
from typing import Literal
import numpy as np
from scipy import ndimage
from voxelmill.segmenters import Segmenter

class Fragile(Segmenter):
    kind: Literal["fragile"] = "fragile"
    folder: str

    def halo(self, spacing_um):
        return 0, 0, 0

    def __call__(self, image, spacing_um, seeds=None):
        name = str(int(image.sum()))
        with (Path(self.folder) / "calls").open("a") as file:
            file.write(name + "\\n")
        broken, slow = Path(self.folder) / "broken", Path(self.folder) / "slow"
        if broken.exists() and broken.read_text() == name:
            raise RuntimeError("out of luck")
        while slow.exists() and slow.read_text() == name:
            time.sleep(0.1)
        return ndimage.label(image[0] > 600)[0].astype(np.int32)
"""
CONFIG = """
datasets: sheet.tsv
objects: {{nuclei: {{channel: DNA, segmenter: {{kind: fragile, folder: {folder}}}}}}}
features: [{{kind: shape}}]
batches: {{images: 2}}
"""


class Place:
    """A plate of six images in three batches, and a segmenter that can be made to fail on one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        info = folder / "plugins" / "fragile-1.dist-info"
        info.mkdir(parents=True)
        (info.parent / "fragile.py").write_text(PLUGIN)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fragile\nVersion: 1\n")
        (info / "entry_points.txt").write_text("[voxelmill.plugins]\nfragile = fragile:Fragile\n")
        write_demo_plate(folder / "plate.zarr", wells=3, fields=2, size=96, faults=False)
        (folder / "config.yaml").write_text(CONFIG.format(folder=folder))
        (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")

    def name(self, path: str) -> str:
        """What the segmenter calls an image."""
        image = open_image(str(self.folder / "plate.zarr"), path)
        z, y, x = image.shape[2:]
        return str(int(read_box(image, 0, [0], Box((0, 0, 0), (z, y, x))).sum()))

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which the plugin is found."""
        path = os.pathsep.join([str(self.folder / "plugins"), os.environ.get("PYTHONPATH", "")])
        return {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run voxelmill."""
        return subprocess.run(
            [sys.executable, "-m", "voxelmill", *words], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=250, check=False,
        )  # fmt: skip

    def calls(self) -> Counter[str]:
        """How often each image was segmented."""
        return Counter((self.folder / "calls").read_text().split())

    def states(self) -> dict[str, dict[str, int]]:
        """Jobs of each step by state."""
        found: dict[str, dict[str, int]] = json.loads(
            self.call("status", "results", "--json").stdout
        )["steps"]
        return {step: {s: n for s, n in counts.items() if n} for step, counts in found.items()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_failed_is_named_and_run_again_alone(place: Place) -> None:
    bad = place.name("A/02/1")
    (place.folder / "broken").write_text(bad)
    assert place.call("run", "config.yaml", "--cores", "2").returncode != 0
    found = place.call("status", "results")
    assert found.returncode == 1
    assert "failed: plate segment 0001: " in found.stdout
    assert "RuntimeError: out of luck" in found.stdout
    assert "results/plate/logs/segment/0001.log\n" in found.stdout
    assert "[voxelmill]" not in found.stdout
    assert place.states() == {
        "qc": {"done": 3}, "segment": {"done": 2, "failed": 1},
        "measure": {"done": 2, "waiting": 1},
        "aggregate": {"waiting": 1}, "report": {"waiting": 1}, "provenance": {"waiting": 1},
    }  # fmt: skip

    before = place.calls()
    assert len(before) == 6
    (place.folder / "broken").unlink()
    done = place.call("run", "config.yaml", "--cores", "2", "--failed")
    assert done.returncode == 0, done.stderr
    assert place.calls() - before == {bad: 1}, "the batch's other image was kept in the ledger"
    found = place.call("status", "results")
    assert found.returncode == 0
    assert "6 images of 1 dataset; finished" in found.stdout
    assert "overall: " in found.stdout
    assert (place.folder / "results" / "check.json").exists()

    again = place.call("run", "config.yaml", "--failed")
    assert again.returncode == 0
    assert again.stdout.startswith("results: no job has failed\n")
    assert place.calls() == before + Counter({bad: 1})


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_interrupted_run_goes_on_both_ways(place: Place) -> None:
    stuck = place.name("A/02/0")
    (place.folder / "slow").write_text(stuck)
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "1"]
    run = subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
        # Tests started in the background would pass on that the signal is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    calls = place.folder / "calls"
    wait(lambda: calls.exists() and stuck in calls.read_text())
    running = place.call("status", "results")
    assert running.returncode == 0
    assert f"process {run.pid} on " in running.stdout
    assert place.states()["segment"]["running"] == 1

    os.killpg(run.pid, signal.SIGINT)
    time.sleep(1)
    # A step that is asked to end finishes the blocks that it has begun.
    (place.folder / "slow").unlink()
    assert run.wait(60) != 0
    before = place.states()
    assert before["segment"]["interrupted"] == 1
    found = place.call("status", "results")
    assert found.returncode == 1
    assert "interrupted: plate segment 0001: " in found.stdout
    assert "nobody works on it" in found.stdout

    done = place.call("run", "config.yaml", "--cores", "2", "--failed")
    assert done.returncode == 0, done.stderr
    after = place.states()
    assert after["segment"]["done"] == before["segment"].get("done", 0) + 1
    assert after["qc"] == before["qc"], "what was never tried is left alone"
    assert place.call("run", "config.yaml", "--cores", "2").returncode == 0
    assert place.call("status", "results").returncode == 0
    assert place.states()["segment"] == {"done": 3}


def test_no_results_is_one_line(place: Place) -> None:
    found = place.call("status", "nowhere")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "nowhere: no such folder; allowed: " in found.stderr
