"""The workflow where files are counted: zipped labels, a disk of the node, no empty logs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import runs
from runs import OBJECTS, jobs
from voxelmill.difference import changed_files
from voxelmill.joblog import read_log
from voxelmill.layout import BATCH_STEPS
from voxelmill.steps.demo import write_demo_plate

CONFIG = (
    OBJECTS
    + """
datasets: sheet.tsv
batches: {images: 4}
max_quarantined: 1
"""
)
BATCHES, MOST = ("0000", "0001"), 4
TIMED = ("index.html", "ro-crate-metadata.json")


def run(folder: Path, disk: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return runs.run(folder, {**os.environ, "VOXELMILL_SCRATCH": str(disk)}, *arguments)


def files_of_jobs(results: Path) -> dict[str, list[str]]:
    """Files by the job that has left them; those of no batch are left out."""
    owners = {"qc": "qc", "index": "segment", "labels": "segment", "objects": "measure"}
    jobs: dict[str, list[str]] = {f"{s} {b}": [] for s in BATCH_STEPS for b in BATCHES}
    for path in results.rglob("*"):
        if not path.is_file():
            continue
        parts = path.relative_to(results).parts
        step = parts[1] if parts[0] in ("records", "logs") else owners.get(parts[0], "")
        if f"{step} {path.stem}" in jobs:
            jobs[f"{step} {path.stem}"].append("/".join(parts))
    return jobs


def changed(one: Path, other: Path) -> set[str]:
    """Files that differ, but logs, the index and the crate: they say when and where."""
    return {
        path.as_posix()
        for path in changed_files(one, other)
        if path.suffix != ".log" and "logs" not in path.parts and path.name not in TIMED
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, ``folder`` and ``zip``, that differ in `labels` and the disk alone."""
    home = tmp_path_factory.mktemp("few")
    (home / "disk").mkdir()
    write_demo_plate(home / "plate.zarr", wells=4, fields=2, size=256)
    for kind, disk in (("folder", ""), ("zip", home / "disk")):
        shutil.copytree(home / "plate.zarr", home / kind / "plate.zarr")
        (home / kind / "config.yaml").write_text(f"{CONFIG}labels: {kind}\n")
        (home / kind / "sheet.tsv").write_text("dataset\turl\np\tplate.zarr\n")
        done = run(home / kind, disk)
        assert done.returncode == 0, done.stderr
    return home


def test_each_job_leaves_few_files(home: Path) -> None:
    found = files_of_jobs(home / "zip/results/p")
    assert {job: len(files) for job, files in found.items() if len(files) > MOST} == {}
    assert sorted(found["segment 0001"]) == [
        "index/0001.parquet", "labels/0001.ozx", "records/segment/0001.json",
    ]  # fmt: skip
    assert len(found["measure 0000"]) == 1 + 3
    assert len(found["qc 0000"]) == 2
    before = [p for p in (home / "folder/results/p/labels.ome.zarr").rglob("*") if p.is_file()]
    assert len(before) > 10 * MOST
    assert not list((home / "disk").iterdir())


def test_what_people_look_at_is_the_same(home: Path) -> None:
    """Tables, report and all other records."""
    differ = changed(home / "folder/results", home / "zip/results")
    mine = {name for name in differ if not name.startswith("p/labels.ome.zarr/")}
    told = {f"p/records/segment/{b}.json" for b in BATCHES} | {f"p/labels/{b}.ozx" for b in BATCHES}
    told |= {"p/records/provenance.json", "p/checksums.md5", "p/provenance/config.yaml"}
    assert mine == told
    assert "data:image" in (home / "zip/results/p/report.html").read_text()


def test_a_second_run_has_nothing_to_do(home: Path) -> None:
    done = run(home / "zip", home / "disk")
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr


def test_switching_segments_anew_and_leaves_one_kind(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "folder", tmp_path / "run", symlinks=True))
    (folder / "config.yaml").write_text(f"{CONFIG}labels: zip\n")
    done = run(folder, home / "disk")
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {"segment": 2, "measure": 2, "aggregate": 1, "report": 1,
                          "provenance": 1, "check": 1}  # fmt: skip
    assert changed(folder / "results", home / "zip/results") == set()


def test_a_log_with_a_note_stays(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "zip", tmp_path / "run", symlinks=True))
    before = files_of_jobs(folder / "results/p")
    (folder / "results/p/records/segment/0001.json").unlink()
    done = run(folder, tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {"segment": 1}
    log = folder / "results/p/logs/segment/0001.log"
    said = read_log(log)
    assert said
    (note,) = said.lines
    assert note == (
        f"scratch: VOXELMILL_SCRATCH={tmp_path}/none: no such folder; scratch files go to "
        "results/p/scratch/segment-0001"
    )
    log.unlink()
    assert files_of_jobs(folder / "results/p") == before
    assert changed(folder / "results", home / "zip/results") == set()


def test_a_failed_job_keeps_its_log(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home / "zip", tmp_path / "run", symlinks=True))
    archive = folder / "results/p/labels/0000.ozx"
    archive.write_bytes(archive.read_bytes()[:-5])
    (folder / "results/p/records/measure/0000.json").unlink()
    done = run(folder, "")
    assert done.returncode != 0
    said = read_log(folder / "results/p/logs/measure/0000.log")
    assert said
    assert said.end == "failed"
    text = said.reason
    assert text.startswith("results/p/labels/0000.ozx: absent, damaged or cut short")
    assert "Delete results/p/records/segment/0000.json and run again" in text
    (folder / "results/p/records/segment/0000.json").unlink()
    assert run(folder, "").returncode == 0
    assert changed_files(folder / "results/p/labels", home / "zip/results/p/labels") == []
