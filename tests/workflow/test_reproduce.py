"""`reproduce` on real runs: the same again, of all or a sample; and everything that is not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from trees import digests
from voxelmill.batch import Batch, Item
from voxelmill.configfile import load_config, load_part, load_settings
from voxelmill.crate.read import read_crate
from voxelmill.crate.recorded import Recorded
from voxelmill.execution import Blocks, Compute
from voxelmill.layout import Layout
from voxelmill.machine import Limit
from voxelmill.plan import Load
from voxelmill.plugin import BadConfig, BadInput, OutputExists
from voxelmill.published import Published
from voxelmill.steps import rerun
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.gate import set_gates
from voxelmill.steps.illuminate import illuminate
from voxelmill.steps.measure import measure
from voxelmill.steps.memory import largest
from voxelmill.steps.provenance import provenance
from voxelmill.steps.qc import qc
from voxelmill.steps.reproduce import Asked, Reproduced, reproduce
from voxelmill.steps.reproduced import json_text, text
from voxelmill.steps.review import review
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.write import Channel, write_image
from voxelmill.synthetic import nuclei_image
from voxelmill.tables import read_table, units, write_table
from webserver import serve

CONFIG: Mapping[str, Any] = {
    "datasets": "sheet.tsv",
    "objects": {
        "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}},
        "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
    },
    "batches": {"images": 3},
    "max_quarantined": 1,
}
AREA = "Nuclei_AreaShape_Area"
LOST = "A/02/1"


def computed(folder: Path, url: str, config: Mapping[str, Any], how: Execution) -> Recorded:
    """Run all steps on a dataset as the workflow does; what its crate would say."""
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({**config, "results": str(folder / "results")}))
    (folder / "plate_map.csv").write_text("well,drug\nA01,none\nA02,some\n")
    (folder / "sheet.tsv").write_text(f"dataset\turl\nplate\t{url}\n")
    names = scan(load_config(file), file).batches["plate"]
    layout, settings = Layout(folder / "results" / "plate"), load_settings(str(file))
    batches = [layout.batch(name) for name in names]
    if settings.illumination:
        illuminate(batches, layout.record("illumination"), settings)
    for name in names:
        qc(layout.batch(name), layout.record("qc", name), settings, how)
    if settings.qc.gate == "auto":
        review(batches, layout.record("review"), settings)
        set_gates(layout, names, settings)
    for name in names:
        batch, segmented = layout.batch(name), layout.record("segment", name)
        segment(batch, segmented, settings, how, layout.gate(name))
        measure(batch, segmented, layout.record("measure", name), settings, how)
    aggregate(batches, layout.record("aggregate"), settings, folder / "plate_map.csv")
    published = load_part(Published, str(file))
    provenance(batches, layout.record("provenance"), published, folder / "plate_map.csv")
    return read_crate(str(layout.root))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A run of a plate of four wells, with an image that has lost a chunk."""
    folder = tmp_path_factory.mktemp("original")
    write_demo_plate(folder / "plate.zarr", wells=4, fields=2, size=320)
    return computed(folder, str(folder / "plate.zarr"), CONFIG, Execution())


@pytest.fixture
def copy(original: Recorded, tmp_path: Path) -> Recorded:
    """A copy of it that a test may change, beside its input."""
    folder = Path(original.root).parents[1]
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    return replace(original, root=str(tmp_path / "copy" / "results" / "plate"))


def said(line: str) -> None:
    """Take what is no result."""


def verdicts(found: Reproduced) -> dict[str, str]:
    """Findings that are neither identical nor left out of the comparison, by place."""
    bad = [f for f in found.findings if f.verdict not in ("identical", "not compared")]
    return {f"{f.thing}: {f.part}": f.verdict for f in bad}


def test_all_of_it_is_identical_and_the_crate_untouched(original: Recorded, tmp_path: Path) -> None:
    before = digests(Path(original.root).parents[1])
    lines: list[str] = []
    out = tmp_path / "out"
    found = reproduce(original, Asked(out=out, cores=2), lines.append)
    assert (found.verdict, verdicts(found)) == ("identical", {})
    assert set(found.images) == {image for images in original.batches.values() for image in images}
    assert len(found.images) == 8
    things = dict.fromkeys(f.thing for f in found.findings)
    assert list(things) == [
        "left out", "labels cells", "labels nuclei", "objects cells", "objects nuclei", "qc",
        "images", "wells",
    ]  # fmt: skip
    assert not [f for f in found.findings if f.verdict == "not compared"]
    assert [f.part for f in found.findings if f.thing == "left out"] == [LOST]
    assert digests(Path(original.root).parents[1]) == before
    made, recorded = out / "plate", Path(original.root)
    tables = sorted(p.relative_to(recorded) for p in recorded.rglob("*.parquet"))
    assert len(tables) == 14
    for table in tables:
        assert (made / table).read_bytes() == (recorded / table).read_bytes(), table
    assert lines[-1] == "rerun: aggregate, 10 of 10"


def test_a_sample_is_drawn_by_its_seed_and_says_so(original: Recorded) -> None:
    lines: list[str] = []
    found = reproduce(original, Asked(sample=2), lines.append)
    assert (found.verdict, verdicts(found)) == ("identical", {})
    assert (len(found.wells), len(found.images)) == (2, 4)
    assert any(f"--sample 2 --seed {found.seed}" in line for line in lines)
    again = reproduce(original, Asked(sample=2, seed=found.seed), said)
    assert (again.images, again.findings) == (found.images, found.findings)
    blind = {f.thing: f.part for f in found.findings if f.verdict == "not compared"}
    assert set(blind) == {"images", "wells"}
    assert "Metadata_Verdict" in blind["images"]
    assert "ObjectQuality_*" in blind["wells"]
    rows = {f.thing: f.rows for f in found.findings if f.part == "rows"}
    assert (rows["images"], rows["wells"]) == (4, 2)
    assert "verdict: identical (4 images of 2 wells, seed" in text(original, found)


def test_metadata_alone_are_enough(original: Recorded, tmp_path: Path) -> None:
    alone = replace(original, root=str(tmp_path))
    with pytest.raises(BadInput, match=r"\.\./\.\./plate\.zarr, as seen from the crate\) is not"):
        reproduce(alone, Asked(), said)
    data = Path(original.root).parents[1] / "plate.zarr"
    full = reproduce(alone, Asked(data=str(data)), said)
    assert (full.verdict, verdicts(full)) == ("identical", {})
    blind = [f.thing for f in full.findings if f.verdict == "not compared"]
    assert blind == ["wells"], "the plate map is not there, of which it has columns"
    shown = text(alone, full)
    assert "the files have the recorded digests" in shown
    assert "not compared: wells" in shown.splitlines()[-1]
    part = reproduce(alone, Asked(data=str(data), sample=1, seed=1), said)
    assert part.verdict == "identical"
    compared = {f.thing for f in part.findings if f.verdict != "not compared"}
    assert compared <= {"left out", "labels nuclei", "labels cells"}
    other = {**original.files, "images.parquet": original.files["wells.parquet"]}
    wrong = reproduce(replace(alone, files=other), Asked(data=str(data)), said)
    assert verdicts(wrong) == {"images: ": "different"}


def test_the_input_may_have_moved_and_have_another_name(copy: Recorded, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.zarr"
    (Path(copy.root).parents[1] / "plate.zarr").rename(moved)
    with pytest.raises(BadInput, match="Name it with --data"):
        reproduce(copy, Asked(), said)
    found = reproduce(copy, Asked(data=str(moved)), said)
    assert (found.verdict, verdicts(found)) == ("identical", {}), "reasons name plate.zarr"
    with pytest.raises(BadInput, match="--data nowhere: not there"):
        reproduce(copy, Asked(data="nowhere"), said)


def test_another_input_is_refused_before_anything_is_computed(
    copy: Recorded, tmp_path: Path
) -> None:
    plate = Path(copy.root).parents[1] / "plate.zarr"
    chunk = next((plate / "A/04/0/0").rglob("c/0/0/0"))
    chunk.write_bytes(chunk.read_bytes() + b"\0")
    out = tmp_path / "out"
    with pytest.raises(BadInput, match=r"other chunks are stored of A/04/0\. Another input"):
        reproduce(copy, Asked(out=out), said)
    assert not (out / "plate").exists()
    spared = next(s for s in range(99) if "A04" not in reproduced_wells(copy, s))
    assert reproduce(copy, Asked(sample=1, seed=spared), said).verdict == "identical"
    more = replace(copy, inputs={**copy.inputs, "B/01/0": "0"})
    with pytest.raises(BadInput, match="it lacks B/01/0"):
        reproduce(more, Asked(), said)
    fewer = replace(copy, inputs={k: v for k, v in copy.inputs.items() if k != "A/01/0"})
    with pytest.raises(BadInput, match="it has besides A/01/0"):
        reproduce(fewer, Asked(), said)


def reproduced_wells(recorded: Recorded, seed: int) -> list[str]:
    """Wells that a seed draws."""
    from voxelmill.steps.originals import choose, find_input, open_originals

    return choose(open_originals(recorded, find_input(recorded)), 1, seed)[1]


def edit(file: Path, column: str, row: int, change: Callable[[Any], Any]) -> str:
    """Change one value of a table; name its image."""
    table = read_table(file)
    table[column][row] = change(table[column][row])
    write_table(file, table, units(file))
    return str(table["Metadata_Image"][row])


def test_an_edited_cell_is_named(copy: Recorded) -> None:
    image = edit(Layout(Path(copy.root)).objects("nuclei", "0000"), AREA, 3, lambda v: v + 1)
    lines: list[str] = []
    found = reproduce(copy, Asked(), lines.append)
    assert verdicts(found) == {f"objects nuclei: {AREA}": "different"}
    shown = text(copy, found)
    assert f"{AREA}" in shown
    assert f"the worst {image} t 0 object 4: " in shown
    assert shown.splitlines()[-1].startswith("verdict: different")
    assert any("objects/nuclei/0000.parquet is not the file that the crate records" in line
               for line in lines)  # fmt: skip


def test_small_deviations_are_within_tolerance(copy: Recorded) -> None:
    edit(Layout(Path(copy.root)).objects("nuclei", "0001"), AREA, 0, lambda v: v * (1 + 5e-6))
    edit(
        Layout(Path(copy.root)).images,
        "ImageQuality_PowerLogLogSlope_DNA",
        2,
        lambda v: v * (1 + 5e-6),
    )
    found = reproduce(copy, Asked(), said)
    assert verdicts(found) == {
        f"objects nuclei: {AREA}": "within tolerance",
        "images: ImageQuality_PowerLogLogSlope_DNA": "within tolerance",
    }
    assert json.loads(json_text(copy, found))["exit_code"] == 3


def test_rows_and_columns_of_one_side_only_are_named(copy: Recorded) -> None:
    file = Layout(Path(copy.root)).objects("cells", "0000")
    table = {n: v[1:] for n, v in read_table(file).items() if n != "Cells_AreaShape_Area"}
    table["Cells_More"] = np.ones(len(table["Metadata_Image"]))
    write_table(file, table)
    image = read_table(file, ["Metadata_Image"])["Metadata_Image"][0]
    gone = Layout(Path(copy.root)).qc("0002")
    empty = {n: v[:0] for n, v in read_table(gone).items()}
    write_table(gone, empty)
    found = reproduce(copy, Asked(), said)
    bad = {f"{f.thing}: {f.part}": f.note for f in found.findings if f.verdict == "different"}
    assert bad["objects cells: rows"] == f"1 rows only made again, the first {image} t 0 object 1"
    assert bad["objects cells: Cells_More"] == "column only recorded"
    assert bad["qc: rows"].startswith("2 rows only made again, the first A/04/0")


def test_labels_that_differ_are_named(copy: Recorded) -> None:
    target = Path(copy.root) / "labels.ome.zarr"
    image = next(iter(path for path, name in copy.labels if name == "cells"))
    others = [path for path, name in copy.labels if name == "cells" and path != image]
    shutil.rmtree(target / image / "labels/cells")
    shutil.copytree(target / others[0] / "labels/cells", target / image / "labels/cells")
    found = reproduce(copy, Asked(), said)
    assert verdicts(found) == {f"labels cells: {image}": "different"}
    (note,) = (f.note for f in found.findings if f.verdict == "different")
    assert "objects; here" in note
    assert "not the one that it records" in note
    shutil.rmtree(target / image / "labels/cells")
    forged = replace(copy, labels={**copy.labels, (image, "cells"): "0" * 64})
    found = reproduce(forged, Asked(), said)
    assert verdicts(found) == {f"labels cells: {image}": "different"}
    assert "another digest" in text(forged, found)
    fewer = {key: value for key, value in copy.labels.items() if key != (image, "nuclei")}
    found = reproduce(replace(copy, labels=fewer), Asked(), said)
    assert verdicts(found) == {f"labels nuclei: {image}": "different"}


def test_the_same_labels_in_other_bytes_are_identical(copy: Recorded) -> None:
    key = next(iter(copy.labels))
    found = reproduce(replace(copy, labels={**copy.labels, key: "0" * 64}), Asked(), said)
    assert found.verdict == "identical"
    assert [f.note for f in found.findings if f.note == "in other bytes"]


def test_what_was_quarantined_has_to_be_so_again(copy: Recorded) -> None:
    other = {LOST: "plate.zarr/A/02/1: something else"}
    found = reproduce(replace(copy, left_out=other), Asked(), said)
    assert verdicts(found) == {f"left out: {LOST}": "different"}


def test_blocks_of_the_original_do_not_matter(original: Recorded, tmp_path: Path) -> None:
    plate = Path(original.root).parents[1] / "plate.zarr"
    small = computed(tmp_path, str(plate), CONFIG, Execution(blocks=Blocks(size=128), workers=2))
    found = reproduce(small, Asked(data=str(plate)), said)
    assert (found.verdict, verdicts(found)) == ("identical", {})


def test_an_interrupted_rerun_goes_on(
    original: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, done = tmp_path / "out", []

    def counted(*given: Any, **named: Any) -> None:  # noqa: ANN401
        done.append(given[0].stem)
        if len(done) == 3:
            raise KeyboardInterrupt
        segment(*given, **named)

    monkeypatch.setattr(rerun, "segment", counted)
    with pytest.raises(KeyboardInterrupt):
        reproduce(original, Asked(out=out), said)
    lines: list[str] = []
    found = reproduce(original, Asked(out=out), lines.append)
    assert found.verdict == "identical"
    assert done == ["0000", "0001", "0002", "0002"]
    assert lines[0] == "rerun: segment/0002, 1 of 3"
    again: list[str] = []
    assert reproduce(original, Asked(out=out), again.append).findings == found.findings
    assert again == []
    with pytest.raises(OutputExists, match="holds something else than this rerun"):
        reproduce(original, Asked(out=out, sample=1), said)


def test_a_small_machine_takes_smaller_blocks_or_fewer_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_demo_plate(tmp_path / "plate.zarr", wells=1, fields=2, size=1080, faults=False)
    items = tuple(Item(f"A/01/{i}", "p", "A01", "A", "01", str(i), None, 1080**2) for i in (0, 1))
    batch = Batch("plate", str(tmp_path / "plate.zarr"), "0000", items)
    settings = load_settings(json.dumps({"objects": CONFIG["objects"]}))
    what = rerun.Rerun(Layout(tmp_path), settings, (batch,), (), {}, None, 4)
    need = Load(settings, Blocks(), Compute(), 4).total(largest(batch))
    for most, fits in ((need, True), (need - 1, False)):
        monkeypatch.setattr(rerun, "limit", lambda most=most: Limit(most, "this test"))
        how = rerun.fitting(what)
        assert ((how.blocks, how.workers) == (Blocks(), 4)) == fits
        assert Load(settings, how.blocks, Compute(), how.workers).total(largest(batch)) <= most


def test_a_kept_sample_is_the_same_without_its_seed(original: Recorded, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = reproduce(original, Asked(out=out, sample=1), said)
    lines: list[str] = []
    second = reproduce(original, Asked(out=out, sample=1), lines.append)
    assert (second.seed, second.wells) == (first.seed, first.wells)
    assert not [line for line in lines if line.startswith("rerun")]


def test_options_that_do_not_fit_are_refused(original: Recorded, tmp_path: Path) -> None:
    for asked, text_ in (
        (Asked(seed=1), "--seed: without --sample"),
        (Asked(sample=5), "--sample 5: there are 4 wells"),
        (Asked(out=Path(original.root) / "again"), "in the crate, which stays as it is"),
        (Asked(against=tmp_path, sample=1), "compares results that are there"),
    ):
        with pytest.raises(BadConfig, match=text_):
            reproduce(original, asked, said)


def test_results_that_are_there_are_compared_without_computing(
    original: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = Path(original.root).parents[1] / "plate.zarr"
    other = computed(tmp_path, str(plate), {**CONFIG, "batches": {"images": 5}}, Execution())
    monkeypatch.delattr(rerun, "rerun")
    for place in (Path(other.root), Path(other.root).parent):
        found = reproduce(original, Asked(against=place), said)
        assert (found.verdict, verdicts(found)) == ("identical", {})
    edit(Layout(Path(other.root)).objects("nuclei", "0000"), AREA, 0, lambda v: 2 * v)
    found = reproduce(original, Asked(against=Path(other.root)), said)
    assert verdicts(found) == {f"objects nuclei: {AREA}": "different"}
    coarse = {**original.config, "objects": {"nuclei": {
        "channel": "DNA", "segmenter": {"kind": "threshold", "diameter_um": 12}}}}  # fmt: skip
    with pytest.raises(BadInput, match="another configuration than the crate's"):
        reproduce(replace(original, config=coarse), Asked(against=Path(other.root)), said)
    changed = {**original.inputs, "A/01/0": "0"}
    with pytest.raises(BadInput, match="other chunks are stored of A/01/0"):
        reproduce(replace(original, inputs=changed), Asked(against=Path(other.root)), said)
    with pytest.raises(BadInput, match="no results of dataset 'plate' there"):
        reproduce(original, Asked(against=tmp_path), said)


def test_light_gate_and_zipped_labels_of_a_sample(tmp_path: Path) -> None:
    write_demo_plate(tmp_path / "plate.zarr", wells=6, fields=3, size=256)
    config = {
        **CONFIG,
        "illumination": {"kind": "flatfield"},
        "qc": {"gate": "auto"},
        "labels": "zip",
    }
    recorded = computed(tmp_path, str(tmp_path / "plate.zarr"), config, Execution())
    excluded = [p for p, why in recorded.left_out.items() if why.startswith("auto: ")]
    assert excluded
    found = reproduce(recorded, Asked(sample=5, seed=0), said)
    assert (found.verdict, verdicts(found)) == ("identical", {})
    assert set(excluded) & set(found.images), "another seed would leave them out"
    assert [f for f in found.findings if f.thing == "labels nuclei"]
    chunk = next((tmp_path / "plate.zarr/A/01/0/0").rglob("c/0/0/0"))
    chunk.write_bytes(chunk.read_bytes() + b"\0")
    seed = next(s for s in range(99) if "A01" not in reproduced_wells(recorded, s))
    with pytest.raises(BadInput, match="other chunks are stored of A/01/0"):
        reproduce(recorded, Asked(sample=1, seed=seed), said)


def test_time_points_of_a_single_image(tmp_path: Path) -> None:
    frames = [nuclei_image((1, 90, 90), 8, 14.0, seed)[0] for seed in (1, 2, 3)]
    channels = [Channel("DNA"), Channel("AGP")]
    pixels = np.stack([np.stack([f, f]) for f in frames])
    write_image(str(tmp_path / "plate.zarr"), pixels, "tcyx", (1.0, 0.65, 0.65), channels)
    recorded = computed(tmp_path, str(tmp_path / "plate.zarr"), CONFIG, Execution())
    found = reproduce(recorded, Asked(), said)
    assert (found.verdict, verdicts(found)) == ("identical", {})
    assert {f.rows for f in found.findings if f.thing == "images" and f.part == "rows"} == {3}
    file = Layout(Path(recorded.root)).objects("nuclei", "0000")
    last = len(read_table(file)["Metadata_Image"]) - 1
    edit(file, AREA, last, lambda v: v + 1)
    found = reproduce(recorded, Asked(), said)
    (note,) = (f.note for f in found.findings if f.verdict == "different")
    assert "the worst the image t 2 object" in note


def test_other_versions_are_warned_of(original: Recorded) -> None:
    lines: list[str] = []
    versions = {"voxelmill": "0.0.1", "numpy": np.__version__}
    found = reproduce(replace(original, versions=versions), Asked(sample=1), lines.append)
    assert lines[0].startswith("warning: voxelmill 0.0.1 is recorded")
    assert sum(line.startswith("warning") for line in lines) == 1
    assert found.verdict == "identical"


def call(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as on another machine: an empty home, nothing around."""
    folder.mkdir(exist_ok=True)
    package = Path(__file__).resolve().parents[2] / "analysis"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(package)}
    return subprocess.run(
        [sys.executable, "-m", "voxelmill", "reproduce", *words, "--cores", "2"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def test_a_reviewer_runs_it(copy: Recorded, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    done = call(empty, copy.root)
    assert (done.returncode, done.stderr.count("warning")) == (0, 0), done.stderr
    assert done.stdout.splitlines()[-1].startswith("verdict: identical (8 images of 4 wells; ")
    assert "left out                           1 of 1 images identical" in done.stdout
    assert list(empty.iterdir()) == [], "nothing is left behind"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(Path(copy.root) / "ro-crate-metadata.json", alone)
    refused = call(empty, str(alone / "ro-crate-metadata.json"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[-1].endswith("is not there. Name it with --data")
    data = str(Path(copy.root).parents[1] / "plate.zarr")
    found = call(empty, str(alone), "--data", data, "--sample", "2", "--seed", "3", "--json")
    told = json.loads(found.stdout)
    assert (found.returncode, told["verdict"], told["seed"]) == (0, "identical", 3)
    assert "--sample 2 --seed 3" in found.stderr
    tables = Layout(Path(copy.root))
    edit(tables.objects("nuclei", "0000"), AREA, 0, lambda v: v * (1 + 5e-6))
    assert call(empty, copy.root).returncode == 3
    edit(tables.objects("nuclei", "0000"), AREA, 0, lambda v: v * 2)
    different = call(empty, copy.root, "--all")
    assert different.returncode == 1
    lines = [" ".join(line.split()) for line in different.stdout.splitlines()]
    assert any(line.startswith(f"{AREA} different: 1 of ") for line in lines)
    assert "Cells_AreaShape_Perimeter identical" in lines
    assert different.stdout.splitlines()[-1].startswith("verdict: different")


def test_a_crate_on_the_web_with_its_images(original: Recorded, tmp_path: Path) -> None:
    with serve(Path(original.root).parents[1]) as server:
        done = call(tmp_path / "a", f"{server.url}/results/plate", "--sample", "2", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["input"]) == (0, f"{server.url}/plate.zarr"), done.stderr
        assert {f["thing"] for f in told["findings"] if f["verdict"] == "identical"} >= {
            "labels nuclei", "labels cells", "objects nuclei", "objects cells", "qc", "wells",
        }  # fmt: skip
        assert any("labels.ome.zarr" in path for _, path in server.requests)
        other = tmp_path / "b" / "renamed"
        shutil.copytree(Path(original.root).parents[1] / "plate.zarr", other / "images.zarr")
        with serve(other) as elsewhere:
            data = f"{elsewhere.url}/images.zarr"
            moved = call(tmp_path / "c", original.root, "--data", data)
            assert moved.returncode == 0, moved.stdout
            assert "Metadata_Reason (may name the input" in moved.stdout


def test_results_of_another_environment_are_not_written_to(
    original: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOXELMILL_RESULTS", "s3://bucket/results")
    assert reproduce(original, Asked(sample=1), said).verdict == "identical"
