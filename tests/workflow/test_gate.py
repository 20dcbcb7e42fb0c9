"""Stop and check, as a user runs it: QC, a look, an approval, and the rest without some wells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import runs
from runs import jobs
from trees import digests
from voxelmill.steps.demo import write_demo_plate
from voxelmill.tables import read_table

CONFIG = """
objects: {nuclei: {channel: DNA, segmenter: {kind: threshold, diameter_um: 12}}}
datasets: sheet.tsv
features: [{kind: shape}]
batches: {images: 4}
max_quarantined: 1
"""
AGAIN = {"segment": 1, "measure": 1, "aggregate": 1, "report": 1, "provenance": 1, "check": 1}
"""Jobs where one batch has to be made anew."""
BLURRED = {"A/03/0", "A/03/1"}


def configure(folder: Path, gate: str) -> Path:
    if not (folder / "plate.zarr").exists():
        write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=384)
        (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    (folder / "config.yaml").write_text(f"{CONFIG}qc: {{gate: {gate}}}\n")
    return folder / "results" / "plate"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    done = runs.run(folder, os.environ, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "voxelmill", *words], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def status(results: Path) -> dict[str, str]:
    images = read_table(results / "images.parquet")
    return dict(zip(images["Metadata_Image"], images["Metadata_Status"], strict=True))


def test_ask_stops_and_goes_on_after_an_approval(tmp_path: Path) -> None:
    results = configure(tmp_path, "ask")
    stopped = run(tmp_path)
    assert jobs(stopped) == {"qc": 2, "review": 1}
    assert "waits for your approval: of 8 images 2 fail" in stopped.stdout
    assert "look at: results/plate/qc.html" in stopped.stdout
    made = {path.name for path in results.iterdir()} - {"scratch"}
    assert made == {"batches", "qc", "qc.html", "records", "logs"}, "nothing is segmented"
    found = call(tmp_path, "status", "results")
    assert found.returncode == 0
    assert "8 images of 1 dataset; waiting for approval" in found.stdout
    assert json.loads(call(tmp_path, "status", "results", "--json").stdout)["datasets"]["plate"][
        "waiting_for_approval"
    ]
    forced = runs.run(tmp_path, os.environ, "--", "results/plate/records/segment/0000.json")
    assert forced.returncode != 0, "no target gets past the gate"
    assert "waits for an approval of its QC report" in forced.stdout + forced.stderr

    refused = call(tmp_path, "approve", "results", "--exclude", "B01,A03", "--why", "fibre")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "--exclude B01: no such well; allowed: A01, A02, A03, A04" in refused.stderr
    said = call(tmp_path, "approve", "results", "--exclude", "a3", "--why", "fibre", "--who", "Ada")
    assert "go on: voxelmill run config.yaml" in said.stdout
    done = run(tmp_path)
    assert jobs(done) == {**AGAIN, "segment": 2, "measure": 2}
    assert "2 excluded" in done.stdout
    assert "excluded A/03/0: approval by Ada: fibre" in done.stdout
    assert {i for i, s in status(results).items() if s == "excluded"} == BLURRED
    wells = read_table(results / "wells.parquet")
    reasons = dict(zip(wells["Metadata_Well"], wells["Metadata_Excluded"], strict=True))
    assert reasons == {"A01": "", "A02": "", "A03": "approval by Ada: fibre", "A04": ""}
    assert "finished" in call(tmp_path, "status", "results").stdout

    assert call(tmp_path, "approve", "results").returncode == 0
    assert jobs(run(tmp_path)) == AGAIN, "only the batch of what comes back"
    assert "excluded" not in status(results).values()


def test_auto_leaves_out_what_fails_and_computes_the_same_of_the_rest(tmp_path: Path) -> None:
    results = configure(tmp_path, "report")
    run(tmp_path)
    before = digests(results)
    assert "excluded" not in status(results).values()
    assert not (results / "gate").exists()
    configure(tmp_path, "auto")
    done = run(tmp_path)
    assert jobs(done) == {**AGAIN, "review": 1}, "the other batch and QC are as they were"
    assert {i for i, s in status(results).items() if s == "excluded"} == BLURRED
    assert "excluded A/03/0: auto: DNA: OutOfFocus" in done.stdout
    after = digests(results)
    labels = {p for p in before if p.startswith("labels.ome.zarr/") and "/labels/" in p}
    gone = {p for p in labels if any(f"/{image}/" in f"/{p}" for image in BLURRED)}
    assert gone
    assert not gone & set(after)
    assert {p: after[p] for p in labels - gone} == {p: before[p] for p in labels - gone}
    assert after["objects/nuclei/0000.parquet"] == before["objects/nuclei/0000.parquet"]
    nuclei = read_table(sorted((results / "objects/nuclei").glob("*.parquet")))
    assert not BLURRED & set(nuclei["Metadata_Image"])
    again = run(tmp_path, "--", "--dry-run")
    assert "Nothing to be done" in again.stdout + again.stderr
