"""Light that is corrected: by the steps in any blocks, and by the workflow as a user runs it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import runs
from lit_plates import vignette, write_lit_plate
from runs import jobs
from trees import digests
from voxelmill.configfile import load_config, load_settings
from voxelmill.execution import Blocks
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.flatfields import flatfields
from voxelmill.steps.illuminate import illuminate
from voxelmill.steps.measure import measure
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.open import open_image
from voxelmill.tables import read_table

CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: DNA, segmenter: {kind: watershed, diameter_px: 12}}
features: [{kind: shape}, {kind: intensity}]
"""
LIT = "illumination: {kind: flatfield}\n"
MEAN = "Nuclei_Intensity_MeanIntensity_DNA"


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of 18 fields under a vignette."""
    return write_lit_plate(tmp_path_factory.mktemp("lit") / "plate.zarr")


def scanned(folder: Path, url: Path, config: str) -> Layout:
    """Results folder of a scanned dataset."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(f"{config}results: {folder}/results\n")
    (folder / "sheet.tsv").write_text(f"dataset\turl\np\t{url}\n")
    scan(load_config(folder / "config.yaml"), str(folder / "config.yaml"))
    return Layout(folder / "results" / "p")


def computed(layout: Layout, config: str, how: Execution) -> Layout:
    """Results of all steps that light matters for."""
    settings, batch = load_settings(str(layout.root.parent.parent / "config.yaml")), "0000"
    if LIT in config:
        illuminate([layout.batch(batch)], layout.record("illumination"), settings, how.workers)
    segmented = layout.record("segment", batch)
    segment(layout.batch(batch), segmented, settings, how)
    measure(layout.batch(batch), segmented, layout.record("measure", batch), settings, how)
    return layout


def means(layout: Layout) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(read_table(layout.objects("nuclei", "0000"))[MEAN])


def test_equal_objects_become_equal(plate: Path, tmp_path: Path) -> None:
    found = {}
    for name, config in (("raw", CONFIG), ("lit", CONFIG + LIT)):
        layout = computed(scanned(tmp_path / name, plate, config), config, Execution())
        found[name] = means(layout)
    raw, lit = (found[n].std() / found[n].mean() for n in ("raw", "lit"))
    assert raw > 0.08
    assert lit < 0.4 * raw
    record = json.loads(layout.record("illumination").read_text())
    (profile,) = record["profiles"]
    assert profile["channels"][0]["fields"] == 18
    assert (record["too_few"], record["unreadable"]) == ([], {})
    (shown,) = flatfields(layout)
    truth = vignette(*shown.flat.shape)
    assert np.abs(shown.flat / truth - 1).max() < 0.06
    assert (shown.channel, shown.fields, shown.dark) == ("DNA", 18, None)
    assert flatfields(layout, on=False) == ()
    told = json.loads(layout.record("measure", "0000").read_text())
    assert told["illumination"]


def test_neither_blocks_nor_workers_matter(plate: Path, tmp_path: Path) -> None:
    ways = {
        "whole": Execution(),
        "blocks": Execution(blocks=Blocks(size=64), workers=2),
    }
    found = {}
    for name, how in ways.items():
        folder = tmp_path / name / "run"
        folder.parent.mkdir()
        layout = computed(scanned(folder, plate, CONFIG + LIT), CONFIG + LIT, how)
        found[name] = {
            path: digest
            for path, digest in digests(layout.root).items()
            if not str(path).startswith(("batches", "scratch", "logs"))
        }
    assert found["whole"] == found["blocks"]
    assert any("illumination.ome.zarr" in str(path) for path in found["whole"])


def test_what_cannot_be_read_is_passed_over_and_told(plate: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(plate, tmp_path / "plate.zarr"))
    shutil.rmtree(broken / "A" / "02" / "1" / "0" / "c")
    layout = computed(scanned(tmp_path / "run", broken, CONFIG + LIT), CONFIG + LIT, Execution())
    record = json.loads(layout.record("illumination").read_text())
    assert list(record["unreadable"]) == ["A/02/1"]
    assert record["profiles"][0]["channels"][0]["fields"] == 17
    images = json.loads(layout.record("segment", "0000").read_text())["images"]
    assert [p for p, i in images.items() if i["status"] == "quarantined"] == ["A/02/1"]


def test_an_image_without_a_profile_is_quarantined_not_left_as_it_is(
    plate: Path, tmp_path: Path
) -> None:
    mixed = Path(shutil.copytree(plate, tmp_path / "plate.zarr"))
    other = write_lit_plate(tmp_path / "other.zarr", wells=1, fields=1, size=96)
    shutil.rmtree(mixed / "A" / "03" / "0")
    shutil.copytree(other / "A" / "01" / "0", mixed / "A" / "03" / "0")
    layout = computed(scanned(tmp_path / "run", mixed, CONFIG + LIT), CONFIG + LIT, Execution())
    record = json.loads(layout.record("illumination").read_text())
    assert record["too_few"] == [{"plate": "plate", "shape": [96, 96], "fields": 1}]
    images = json.loads(layout.record("segment", "0000").read_text())["images"]
    lost = {p: i["reason"] for p, i in images.items() if i["status"] == "quarantined"}
    assert list(lost) == ["A/03/0"]
    assert "no illumination profile for images of 96 x 96" in lost["A/03/0"]


def test_every_plate_of_a_dataset_has_its_own_light(tmp_path: Path) -> None:
    wells = 12
    two = write_lit_plate(tmp_path / "two.zarr", wells=wells, size=96, flipped=range(7, 13))
    layout = scanned(tmp_path / "run", two, CONFIG + LIT)
    batch = json.loads(layout.batch("0000").read_text())
    first = [int(path.split("/")[1]) < 7 for path in batch["items"]["path"]]
    batch["items"]["plate"] = ["one" if f else "other" for f in first]
    layout.batch("0000").write_text(json.dumps(batch))
    lit = computed(layout, CONFIG + LIT, Execution())
    shown = flatfields(lit)
    assert [f.channel for f in shown] == ["one 96 x 96 DNA", "other 96 x 96 DNA"]
    truth = vignette(*shown[0].flat.shape)
    assert np.abs(shown[0].flat / truth - 1).max() < 0.08
    assert np.abs(shown[1].flat / truth[::-1] - 1).max() < 0.08
    found = means(lit)
    assert found.std() / found.mean() < 0.04


def test_it_is_an_error_without_the_setting_or_the_record(plate: Path, tmp_path: Path) -> None:
    layout = scanned(tmp_path / "run", plate, CONFIG + LIT)
    lit = load_settings(str(tmp_path / "run" / "config.yaml"))
    raw = lit.model_copy(update={"illumination": None})
    with pytest.raises(BadConfig, match="illumination: not set"):
        illuminate([layout.batch("0000")], layout.record("illumination"), raw)
    with pytest.raises(BadInput, match="no record of illuminate"):
        segment(layout.batch("0000"), layout.record("segment", "0000"), lit, Execution())


def test_a_user_switches_it_on(plate: Path, tmp_path: Path) -> None:
    (tmp_path / "sheet.tsv").write_text(f"dataset\turl\np\t{plate}\n")
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    first = runs.run(tmp_path, os.environ)
    assert first.returncode == 0, first.stderr
    assert jobs(first) == dict.fromkeys(
        ("qc", "segment", "measure", "aggregate", "report", "provenance", "check"), 1
    )
    config.write_text(CONFIG + LIT)
    second = runs.run(tmp_path, os.environ)
    assert second.returncode == 0, second.stderr
    again = ("illuminate", "segment", "measure", "aggregate", "report", "provenance", "check")
    assert jobs(second) == dict.fromkeys(again, 1)
    results = tmp_path / "results" / "p"
    assert open_image(str(results / "illumination.ome.zarr"), "0").channels == ("DNA", "DNA dark")
    third = runs.run(tmp_path, os.environ)
    assert jobs(third) == {}
