"""The workflow as a user runs it: `voxelmill run` in a folder with a small plate."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import runs
from runs import OBJECTS, jobs
from trees import digests
from voxelmill.steps.demo import write_demo_plate
from voxelmill.tables import read_table

CONFIG = (
    OBJECTS
    + """
datasets: sheet.tsv
features: [{kind: shape}, {kind: intensity}]
batches: {images: 4}
max_quarantined: 1
"""
)
ALL_AGAIN = dict.fromkeys(("aggregate", "report", "provenance", "check"), 1)
# Nothing is activated: the environment's own programs must be found all the same.
ENVIRONMENT = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin"}


def run(
    folder: Path, *arguments: str, config: str = "config.yaml"
) -> subprocess.CompletedProcess[str]:
    return runs.run(folder, ENVIRONMENT, *arguments, config=config)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the workflow has run once."""
    folder = tmp_path_factory.mktemp("run")
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=384)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    before = digests(folder / "plate.zarr")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert digests(folder / "plate.zarr") == before, "the input was written to"
    assert jobs(done) == {
        "qc": 2,
        "segment": 2,
        "measure": 2,
        "aggregate": 1,
        "report": 1,
        "provenance": 1,
        "check": 1,
    }
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """Copy of the finished folder that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))


def test_tables_speak_of_every_image_and_well(finished: Path) -> None:
    results = finished / "results" / "plate"
    images, wells = read_table(results / "images.parquet"), read_table(results / "wells.parquet")
    nuclei = read_table(sorted((results / "objects" / "nuclei").glob("*.parquet")))
    assert len(images["Metadata_Image"]) == 8
    assert images["Metadata_Status"].count("quarantined") == 1
    assert sorted(wells["Metadata_Well"]) == sorted(set(images["Metadata_Well"]))
    assert len(wells["Metadata_Well"]) == 4
    counted = Counter(nuclei["Metadata_Image"])
    for image, n in zip(images["Metadata_Image"], images["Metadata_Count_Nuclei"], strict=True):
        assert counted[image] == (0 if n != n else n)
    assert {"Nuclei_AreaShape_Area", "Nuclei_Intensity_MeanIntensity_DNA"} <= set(nuclei)
    assert nuclei["Nuclei_AreaShape_Area"].min() > 0


def test_planted_nuclei_are_found(finished: Path) -> None:
    truth = json.loads((finished / "plate.truth.json").read_text())
    faulty = {f["image"] for f in truth["faults"]}
    images = read_table(finished / "results" / "plate" / "images.parquet")
    found = dict(zip(images["Metadata_Image"], images["Metadata_Count_Nuclei"], strict=True))
    sound = {i: e["nuclei"] for i, e in truth["images"].items() if i not in faulty}
    assert sum(found[i] for i in sound) == pytest.approx(sum(sound.values()), rel=0.1)


def test_the_damaged_image_is_quarantined_with_its_reason(finished: Path) -> None:
    images = read_table(finished / "results" / "plate" / "images.parquet")
    reasons = dict(zip(images["Metadata_Image"], images["Metadata_Reason"], strict=True))
    (lost,) = (image for image, reason in reasons.items() if reason)
    assert "1 of 12 chunks absent" in reasons[lost]
    assert not (finished / "results" / "plate" / "labels.ome.zarr" / lost / "labels").exists()
    assert "chunks absent" in (finished / "results" / "plate" / "report.html").read_text()


def test_records_hold_no_time_host_or_absolute_path(finished: Path) -> None:
    for path in (finished / "results").rglob("*.json"):
        text = path.read_text()
        assert str(finished) not in text, path
        assert os.uname().nodename not in text.replace("\\", ""), path


def test_no_scratch_is_left(finished: Path) -> None:
    assert not any((finished / "results" / "plate" / "scratch").glob("*"))


def test_a_second_run_has_nothing_to_do(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr
    assert not jobs(done)


def test_changing_features_spares_segmentation_and_qc(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace(", {kind: intensity}", ""))
    done = run(folder, "--", "--dry-run")
    assert jobs(done) == {"measure": 2, **ALL_AGAIN}


def test_block_size_reruns_nothing(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG + "blocks: {size: 256}\n")
    assert not jobs(run(folder, "--", "--dry-run"))


def test_adding_a_dataset_reruns_nothing_old(folder: Path) -> None:
    write_demo_plate(folder / "new.zarr", wells=1, fields=1, size=256, faults=False)
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\nnew\tnew.zarr\n")
    old = digests(folder / "results" / "plate")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert jobs(done) == dict.fromkeys(("qc", "segment", "measure", *ALL_AGAIN), 1)
    assert digests(folder / "results" / "plate") == old


@pytest.mark.parametrize(
    ("lost", "rule"),
    [("objects/nuclei/0001.parquet", "measure"), ("records/segment/0000.json", "segment")],
)
def test_deleting_an_output_makes_only_it_again(folder: Path, lost: str, rule: str) -> None:
    results = folder / "results"
    before = digests(results)
    (results / "plate" / lost).unlink()
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {rule: 1}
    assert digests(results) == before


def test_too_many_quarantined_end_the_run_after_all_else(folder: Path) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("max_quarantined: 1", "max_quarantined: 0"))
    done = run(folder)
    assert done.returncode != 0
    assert "1 images quarantined; allowed: 0" in done.stdout + done.stderr
    assert (folder / "results" / "plate" / "report.html").exists()


def test_a_mended_image_comes_back(folder: Path) -> None:
    write_demo_plate(folder / "whole.zarr", wells=4, fields=2, size=384, faults=False)
    images = read_table(folder / "results" / "plate" / "images.parquet")
    status = dict(zip(images["Metadata_Image"], images["Metadata_Status"], strict=True))
    (lost,) = (image for image, state in status.items() if state == "quarantined")
    (chunk,) = (
        p.relative_to(folder / "whole.zarr")
        for p in (folder / "whole.zarr" / lost).rglob("c/*/*/*")
        if not (folder / "plate.zarr" / p.relative_to(folder / "whole.zarr")).exists()
    )
    shutil.copy(folder / "whole.zarr" / chunk, folder / "plate.zarr" / chunk)
    done = run(folder, "--retry-quarantined")
    assert done.returncode == 0, done.stderr
    assert "0 quarantined" in done.stdout
    assert jobs(done)["segment"] == 1


def test_plain_snakemake_agrees(finished: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "workflow/Snakefile"),
               "--workflow-profile", str(root / "profiles/local"),
               "--configfile", "config.yaml", "--dry-run"]  # fmt: skip
    done = subprocess.run(command, cwd=finished, env=ENVIRONMENT, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" in done.stdout + done.stderr
