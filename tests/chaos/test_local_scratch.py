"""Killed on a disk of the node: with the disk there it goes on, without it anew; same bytes."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.chaos import Tally, torment, undisturbed
from benchmarks.chaos_scene import Scene, make_scene
from voxelmill.steps.demo import write_demo_plate

IMAGES, IN_FLIGHT = 16, 4


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A batch of small images, zipped labels, and a disk of this node."""
    made = make_scene(tmp_path / "scene", delay_s=0.08)
    plate = made.folder / "plate.zarr"
    write_demo_plate(plate, wells=8, fields=2, size=96, channels=1, faults=False)
    (made.folder / "sheet.tsv").write_text("dataset\turl\nimage\tplate.zarr\n")
    config = (made.folder / "config.yaml").read_text()
    config = config.replace("{images: 1}", f"{{images: {IMAGES}}}") + "labels: zip\n"
    (made.folder / "config.yaml").write_text(config)
    (made.folder / "run.json").write_text("{}")
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("VOXELMILL_SCRATCH", str(tmp_path / "disk"))
    return made


def finished(scene: Scene) -> int:
    text = scene.ledger.read_text() if scene.ledger.exists() else ""
    return text.count('{"key": "nuclei: segment ')


def start_and_kill(scene: Scene, wanted: int) -> int:
    """Kill a step that has finished so many images; return how many there were then."""
    process = subprocess.Popen(
        scene.step(), cwd=scene.folder, env=scene.environment, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while finished(scene) < wanted:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return finished(scene)


def finish(scene: Scene) -> int:
    """Run to the end; return how many images were segmented for it."""
    before = len(scene.calls())
    done = subprocess.run(
        scene.step(), cwd=scene.folder, env=scene.environment, check=False, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return len(scene.calls()) - before


@pytest.mark.parametrize("disk", ["there", "gone", "another"])
def test_killed_on_a_disk_of_the_node(
    scene: Scene, tmp_path: Path, disk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(scene)
    assert len(scene.calls()) == IMAGES
    shutil.rmtree(scene.results)
    scene.scan()
    done = start_and_kill(scene, 5)
    (own,) = (tmp_path / "disk").iterdir()
    left = [p for p in scene.results.rglob("*") if p.is_file() and "batches" not in p.parts]
    assert sorted(p.name for p in left) == [
        "batches.parquet", "ledger.jsonl", "lock", "manifest.parquet"]  # fmt: skip
    if disk == "gone":
        shutil.rmtree(own)
    if disk == "another":
        (tmp_path / "other").mkdir()
        monkeypatch.setenv("VOXELMILL_SCRATCH", str(tmp_path / "other"))
    assert finish(scene) == IMAGES - (done if disk == "there" else 0)
    assert scene.digests() == expected
    assert not list((tmp_path / "other").glob("*"))
    assert own.exists() == (disk == "another"), "no node can clear another's disk"
    assert not (scene.results / "image" / "scratch" / "segment-0000").exists()


def test_the_next_start_on_a_node_clears_what_an_older_one_left(
    scene: Scene, tmp_path: Path
) -> None:
    undisturbed(scene)
    shutil.rmtree(scene.results)
    scene.scan()
    start_and_kill(scene, 5)
    (own,) = (tmp_path / "disk").iterdir()
    shutil.rmtree(scene.results / "image" / "scratch")
    assert finish(scene) == IMAGES
    assert not own.exists()


def test_a_failed_step_leaves_nothing_on_the_disk(scene: Scene, tmp_path: Path) -> None:
    scene.scan()
    plugin = scene.folder / "plugins" / "noted.py"
    plugin.write_text(plugin.read_text().replace("time.sleep(self.delay_s)", "raise KeyError(1)"))
    done = subprocess.run(
        scene.step(), cwd=scene.folder, env=scene.environment, check=False, capture_output=True
    )
    assert done.returncode == 2
    assert b"Nothing was kept" in done.stderr
    assert not list((tmp_path / "disk").iterdir())


@pytest.mark.parametrize("processes", [False, True])
def test_blocks_of_a_large_image_stay_where_all_nodes_see_them(
    tmp_path: Path, processes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are staged among the results, packed once, and nothing finished is lost by a kill."""
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("VOXELMILL_SCRATCH", str(tmp_path / "disk"))
    scene, tally = make_scene(tmp_path / "scene", processes=processes), Tally()
    config = scene.folder / "config.yaml"
    config.write_text(f"{config.read_text()}labels: zip\n")
    torment(scene, 6, random.Random(6), tally)  # noqa: S311
    assert tally.kills.total() >= 6
    assert tally.different == tally.redone_finished == tally.orphans == 0
    assert (scene.results / "image" / "labels" / "0000.ozx").is_file()
    assert not (scene.results / "image" / "labels.ome.zarr").exists()
    assert not list((tmp_path / "disk").iterdir())
