"""The weekly run on a real object store: plates arrive under a prefix, results go to another."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clusters import rgw
from runs import jobs
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS
from voxelmill.steps.demo import write_demo_plate

pytestmark = [pytest.mark.rgw, pytest.mark.timeout(600)]
SETTLED_S = 1.5
CONFIG = f"""
datasets: sheet.tsv
results: s3://weekly/results
stores: {{"s3://": {{endpoint: "{rgw.ENDPOINT}"}}}}
objects: {{nuclei: {{channel: DNA, segmenter: {{kind: threshold, diameter_um: 12}}}}}}
features: [{{kind: shape}}]
dump: {{folder: s3://weekly, settled_minutes: {SETTLED_S / 60}}}
"""
ONE = dict.fromkeys((*BATCH_STEPS, *DATASET_STEPS, "check"), 1)


def dump(folder: Path) -> "subprocess.CompletedProcess[str]":
    time.sleep(SETTLED_S)
    command = [sys.executable, "-m", "voxelmill", "dump", "config.yaml", "--cores", "2"]
    return subprocess.run(command, cwd=folder, env=rgw.environment(), check=False, text=True,
                          capture_output=True, timeout=400)  # fmt: skip


def last(done: "subprocess.CompletedProcess[str]") -> str:
    return done.stdout.splitlines()[-1]


def test_weeks_on_a_store(rados: None, tmp_path: Path) -> None:
    week = tmp_path / "week"
    write_demo_plate(week / "night/a.zarr", wells=1, fields=2, size=96, faults=False)
    write_demo_plate(week / "b.zarr", wells=1, fields=2, size=96, faults=False)
    # Results lie below the folder that is searched: their labels are no datasets.
    chunk = week / "b.zarr/A/01/1/0/c/0/0/0"
    held = chunk.read_bytes()
    chunk.unlink()
    rgw.fill("weekly", week)
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)

    first = dump(folder)
    assert first.returncode == 0, first.stderr
    assert jobs(first) == ONE
    assert "1 new (1 finished), 0 finished before, 1 waiting (b.zarr incomplete: 1 of " in last(
        first
    )
    assert last(first).endswith("; s3://weekly/results/index.html")
    s3 = rgw.client()
    state = json.loads(s3.get_object(Bucket="weekly", Key="results/dump.json")["Body"].read())
    assert set(state["coming"]) == {"b.zarr"}
    assert set(state["taken"]) == {"night_a"}

    s3.put_object(Bucket="weekly", Key="b.zarr/A/01/1/0/c/0/0/0", Body=held)
    second = dump(folder)
    assert second.returncode == 0, second.stderr
    assert jobs(second) == ONE
    assert "1 new (1 finished), 1 finished before; " in last(second)

    for entry in s3.list_objects_v2(Bucket="weekly", Prefix="night/")["Contents"]:
        s3.delete_object(Bucket="weekly", Key=entry["Key"])
    group = s3.get_object(Bucket="weekly", Key="b.zarr/zarr.json")["Body"].read()
    s3.put_object(Bucket="weekly", Key="b.zarr/zarr.json", Body=group + b"\n")
    third = dump(folder)
    assert third.returncode == 0, third.stderr
    assert "SNAKEMAKE" not in third.stdout + third.stderr
    assert last(third) == (
        "voxelmill dump: 0 new, 2 finished before, 1 changed since processed (b); "
        "s3://weekly/results/index.html"
    )
    page = s3.get_object(Bucket="weekly", Key="results/index.html")["Body"].read().decode()
    assert "./night_a/report.html" in page
    assert "./b/report.html" in page
