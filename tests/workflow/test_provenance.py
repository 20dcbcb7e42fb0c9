"""Crates of whole runs: valid by the profile, complete, and without anything of one machine."""

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

import runs
from crates import issues, metadata
from runs import jobs
from trees import digests
from voxelmill.crate.read import read_crate
from voxelmill.ledger import sha256_of
from voxelmill.steps.demo import write_demo_plate

CONFIG = """
datasets: sheet.tsv
objects: {nuclei: {channel: DNA, segmenter: {kind: threshold, diameter_um: 12}}}
features: [{kind: shape}]
qc: {metrics: [{kind: saturation}]}
batches: {images: 2}
"""
STUDY = """
study:
  title: Nuclei under light
  description: What light does to nuclei.
  license: CC-BY-4.0
  authors:
    - {name: Ada Lovelace, orcid: 0000-0002-1825-0097, email: ada@example.org,
       affiliation: 'University of Helsinki (https://ror.org/040af2s02)'}
    - {name: Charles Babbage, affiliation: University of Cambridge}
    - {name: A. Student}
  funding: Grant 42
  keywords: [nuclei, light]
  publications: ['doi:10.1038/s41592-021-01166-8', https://example.org/paper, In preparation]
  accession: S-BIAD0
  biosample: {organism: Homo sapiens, biological_entity: U2OS cells}
  specimen: {sample_preparation: fixed}
  acquisition: {imaging_method: fluorescence microscopy, instrument: one}
"""
PLUGIN = """
from typing import Literal
from voxelmill.segmenters.threshold import Threshold

class Noted(Threshold):
    kind: Literal["noted"] = "noted"
    model: str
"""
ALL = """
datasets: {folder}/sheet.tsv
results: {folder}/results
container: {folder}/image.sif
objects:
  nuclei: {{channel: DNA, segmenter: {{kind: noted, diameter_um: 12, model: {folder}/weights}}}}
  cells: {{channel: AGP, segmenter: {{kind: propagate, seeds: nuclei}}}}
features: [{{kind: shape}}]
qc: {{gate: auto}}
illumination: {{kind: flatfield, fields: 64}}
labels: zip
batches: {{images: 4}}
stores: {{'s3://x': {{endpoint: 'https://s3.example.org', profile: mine, ca: {folder}/ca.pem}}}}
max_quarantined: 1
"""
SECRETS = {"AWS_ACCESS_KEY_ID": "AKIA4711SECRET", "AWS_SECRET_ACCESS_KEY": "very-secret-4711"}
OURS = ("ro-crate-metadata.json", "checksums.md5", "README.md", "records/provenance.json")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the validator."""
    return tmp_path_factory.mktemp("validator") / "http"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a finished run of two batches."""
    folder = tmp_path_factory.mktemp("run")
    write_demo_plate(folder / "plate.zarr", wells=2, fields=2, size=256, faults=False)
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    done = runs.run(folder, os.environ)
    assert done.returncode == 0, done.stderr
    assert jobs(done)["provenance"] == 1
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """Copy of it that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run", symlinks=True))


def ours(results: Path) -> list[Path]:
    """Files that the step writes."""
    found = [results / name for name in OURS]
    return found + [path for path in (results / "provenance").rglob("*") if path.is_file()]


def checked(results: Path) -> None:
    """Have `md5sum` check the list; it names every file."""
    command = ["md5sum", "--quiet", "--strict", "-c", "checksums.md5"]
    subprocess.run(command, cwd=results, check=True, capture_output=True)
    listed = {line[34:] for line in (results / "checksums.md5").read_text().splitlines()}
    there = {path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()}
    left = {p for p in there - listed if p.split("/")[0] not in ("logs", "scratch")}
    assert left == {"ro-crate-metadata.json", "checksums.md5", "records/provenance.json"}
    assert listed <= there


def test_a_run_without_a_study_is_valid(finished: Path, cache: Path) -> None:
    results = finished / "results/plate"
    assert issues(results, cache) == []
    checked(results)
    found = metadata(results)
    assert found["./"]["license"] == {"@id": "#no-license"}
    assert "study.license" in str(found["#no-license"]["description"])


def test_what_is_read_back_is_what_records_say(finished: Path) -> None:
    results = finished / "results/plate"
    found = read_crate(str(results / "ro-crate-metadata.json"))
    assert (found.dataset, found.url, found.name) == ("plate", "../../plate.zarr", "plate.zarr")
    assert (results / found.url).resolve() == finished / "plate.zarr"
    said = [json.loads(p.read_text())["images"] for p in results.glob("records/segment/*.json")]
    images = {image: entry for batch in said for image, entry in batch.items()}
    assert found.inputs == {image: entry["input"] for image, entry in images.items()}
    assert found.labels == {
        (image, name): done["sha256"]
        for image, entry in images.items() for name, done in entry["objects"].items()
    }  # fmt: skip
    assert found.left_out == {}
    assert {"report.html", "checksums.md5", "objects/nuclei/0001.parquet"} <= set(found.files)
    for path, stored in found.files.items():
        assert (stored.bytes, stored.sha256) == (
            (results / path).stat().st_size, sha256_of(results / path)
        )  # fmt: skip
    assert found.config == yaml.safe_load((results / "provenance/config.yaml").read_text())
    assert found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    root = Path(__file__).resolve().parents[2]
    assert found.lock == sha256_of(root / "requirements.lock")


def test_every_job_is_an_action_with_its_time(finished: Path) -> None:
    found = metadata(finished / "results/plate")
    names = [
        f"{step}-{batch}" for step in ("qc", "segment", "measure") for batch in ("0000", "0001")
    ]
    for name in [*names, "aggregate", "report"]:
        action = found[f"#job-{name}"]
        assert str(action["startTime"]) <= str(action["endTime"])
        used = found[str(action["resourceUsage"]["@id"])]  # type: ignore[index]
        assert float(used["value"]) > 0  # type: ignore[arg-type]
        assert found[f"#control-{name}"]["object"] == {"@id": f"#job-{name}"}
    assert {"@id": "#labels-0001"} in found["#job-segment-0001"]["result"]  # type: ignore[operator]


def test_a_study_makes_the_crate_anew_and_no_more(folder: Path, cache: Path) -> None:
    results, before = folder / "results/plate", digests(folder / "results/plate")
    (folder / "config.yaml").write_text(CONFIG + STUDY)
    done = runs.run(folder, os.environ)
    assert done.returncode == 0, done.stderr
    assert jobs(done) == {"provenance": 1}
    after = digests(results)
    changed = {path for path in after if after[path] != before.get(path)}
    assert changed == {
        "README.md", "checksums.md5", "records/provenance.json", "provenance/config.yaml"
    }  # fmt: skip
    assert issues(results, cache) == []
    found = metadata(results)
    root = found["./"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert root["author"][0] == {"@id": "https://orcid.org/0000-0002-1825-0097"}  # type: ignore[index]
    assert found["https://ror.org/040af2s02"]["name"] == "University of Helsinki"
    assert {"@id": "https://doi.org/10.1038/s41592-021-01166-8"} in root["citation"]  # type: ignore[operator]
    assert found["#rembi-biosample-organism"]["value"] == "Homo sapiens"
    assert found["#input"]["identifier"] == "S-BIAD0"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """Address of the results on a web server of this machine, as published."""
    handler = partial(Quiet, directory=str(folder / "results"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_crate_is_read_from_the_web(served: str, folder: Path) -> None:
    here = read_crate(str(folder / "results/plate"))
    for address in (f"{served}/plate", f"{served}/plate/ro-crate-metadata.json"):
        there = read_crate(address)
        assert there.root == f"{served}/plate"
        assert (there.files, there.labels, there.config) == (here.files, here.labels, here.config)


def test_labels_that_were_changed_are_found(folder: Path) -> None:
    results = folder / "results/plate"
    label = next(p for p in sorted(results.glob("labels.ome.zarr/A/01/0/labels/nuclei/0/c/**/*"))
                 if p.is_file())  # fmt: skip
    label.write_bytes(label.read_bytes()[:-1] + b"x")
    (results / "records/provenance.json").unlink()
    done = runs.run(folder, os.environ)
    assert done.returncode != 0
    text = (results / "logs/provenance.log").read_text()
    assert "plate/labels.ome.zarr/A/01/0: " in text
    assert "Delete records/segment/0000.json and run again" in text
    (results / "records/segment/0000.json").unlink()
    assert runs.run(folder, os.environ).returncode == 0
    checked(results)


def test_a_crate_is_enough_for_a_rerun(folder: Path, tmp_path: Path) -> None:
    """The metadata alone, with the images elsewhere: the same bytes."""
    crate = read_crate(str(folder / "results/plate"))
    other = tmp_path / "other"
    shutil.copytree(folder / "plate.zarr", other / crate.name)
    (other / "config.yaml").write_text(yaml.safe_dump(dict(crate.config)))
    (other / "datasets.tsv").write_text(f"dataset\turl\n{crate.dataset}\t{crate.name}\n")
    done = runs.run(other, os.environ)
    assert done.returncode == 0, done.stderr
    again = read_crate(str(other / "results/plate"))
    assert (again.inputs, again.labels) == (crate.inputs, crate.labels)
    assert again.files["wells.parquet"] == crate.files["wells.parquet"]


def test_an_interrupted_run_ends_in_the_same_lists(finished: Path, tmp_path: Path) -> None:
    """Other blocks, and a run that is ended on its way and goes on."""
    shutil.copytree(finished / "plate.zarr", tmp_path / "plate.zarr")
    shutil.copy(finished / "sheet.tsv", tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG + "blocks: {size: 64}\n")
    command = [sys.executable, "-m", "voxelmill", "run", "config.yaml", "--cores", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        while not (tmp_path / "results/plate/records/segment").exists():
            assert process.poll() is None
            threading.Event().wait(0.1)
        process.terminate()
        process.wait(60)
    assert not (tmp_path / "results/plate/ro-crate-metadata.json").exists()
    done = runs.run(tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    results = tmp_path / "results/plate"
    assert digests(results) == digests(finished / "results/plate")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that there is, absolute paths wherever one can be, and secrets."""
    folder = tmp_path_factory.mktemp("whole-secretname")
    write_demo_plate(folder / "plate.zarr", wells=5, fields=4, size=256)
    plugins = folder / "plugins"
    info = plugins / "noted-1.2.3.dist-info"
    info.mkdir(parents=True)
    (plugins / "noted.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noted\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text("[voxelmill.plugins]\nnoted = noted:Noted\n")
    (folder / "image.sif").write_bytes(b"an image")
    (folder / "wells.csv").write_text("well,dose\nA01,1\nA02,2\n")
    (folder / "sheet.tsv").write_text(
        f"dataset\turl\tplate_map\nplate\t{folder}/plate.zarr\t{folder}/wells.csv\n"
    )
    (folder / "config.yaml").write_text(ALL.format(folder=folder))
    path = os.pathsep.join([str(plugins), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    environment = {**os.environ, **SECRETS, "PYTHONPATH": path,
                   "APPTAINER_CONTAINER": f"{folder}/image.sif"}  # fmt: skip
    done = runs.run(folder, environment)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_with_everything_is_valid(whole: Path, cache: Path) -> None:
    results = whole / "results/plate"
    assert issues(results, cache) == []
    checked(results)
    found, crate = metadata(results), read_crate(str(results))
    image = found["#container"]
    assert (image["name"], image["sha256"]) == ("image.sif", sha256_of(whole / "image.sif"))
    assert {"#job-review", "#job-illumination"} <= set(found)
    assert "illumination.ome.zarr/" in found
    assert crate.plate_map == "provenance/plate_map.csv"
    assert crate.versions["noted"] == "1.2.3"
    reasons = set(crate.left_out.values())
    assert any(text.startswith("auto: ") for text in reasons)
    assert any("chunks absent" in text for text in reasons)
    assert {"labels/0000.ozx", "labels/0003.ozx"} <= set(crate.files)
    assert {name for _, name in crate.labels} == {"nuclei", "cells"}


def test_nothing_of_one_machine_is_inside(whole: Path) -> None:
    forbidden = [str(whole.parent), whole.name, socket.gethostname(), *SECRETS.values(), "ca.pem"]
    if len(getpass.getuser()) > 2 and getpass.getuser() != "root":
        forbidden.append(getpass.getuser())
    written = ours(whole / "results/plate")
    assert len(written) > 10
    for path in written:
        text = path.read_bytes()
        assert [word for word in forbidden if word.encode() in text] == [], path
    settings = read_crate(str(whole / "results/plate")).config
    assert settings["objects"]["nuclei"]["segmenter"]["model"] == "weights"
    assert settings["stores"] == {"s3://x": {"endpoint": "https://s3.example.org"}}
