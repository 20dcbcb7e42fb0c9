"""The gate after QC, step by step: what waits, what goes on, and without which images."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from run_trees import put
from voxelmill.approval import Choice as Left
from voxelmill.configfile import load_config, load_settings
from voxelmill.layout import Layout
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.approve import Said, give
from voxelmill.steps.check import check
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.gate import read_gate
from voxelmill.steps.measure import measure
from voxelmill.steps.prepare import Prepared, prepare
from voxelmill.steps.qc import qc
from voxelmill.steps.report import report
from voxelmill.steps.review import review
from voxelmill.steps.run import summary
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.tables import read_table, rows

CONFIG = """
objects: {nuclei: {channel: DNA, segmenter: {kind: threshold, diameter_um: 12}}}
datasets: sheet.tsv
features: [{kind: shape}]
batches: {images: 2}
qc: {gate: ask}
"""
BLURRED, LOST = ("A/03/0", "A/03/1"), "A/02/1"
"""What the demo plate plants: see `write_demo_plate`."""
LAYOUT = Layout(Path("results/plate"))
HOW = Execution()


def configure(gate: str) -> None:
    Path("config.yaml").write_text(CONFIG.replace("ask", gate))


def ready() -> Prepared:
    """What Snakemake would be told now."""
    return prepare(load_config("config.yaml").model_dump(mode="json"), "config.yaml")


def judge() -> None:
    """Do what Snakemake does before the gate."""
    found, settings = ready(), load_settings("config.yaml")
    batches = [LAYOUT.batch(name) for name in found.batches["plate"]]
    for batch in batches:
        if not LAYOUT.record("qc", batch.stem).exists():
            qc(batch, LAYOUT.record("qc", batch.stem), settings, HOW)
    review(batches, LAYOUT.record("review"), settings, "voxelmill run config.yaml")


def work(batch: str) -> None:
    """Segment and measure one batch as the workflow would."""
    gate = ready().gate("plate", batch)
    settings = load_settings("config.yaml")
    segmented, file = LAYOUT.record("segment", batch), LAYOUT.batch(batch)
    segment(file, segmented, settings, HOW, Path("results") / gate if gate else None)
    measure(file, segmented, LAYOUT.record("measure", batch), settings, HOW)


def finish() -> None:
    """Make tables and report."""
    batches = sorted(LAYOUT.batch("x").parent.glob("*.json"))
    settings = load_settings("config.yaml")
    aggregate(batches, LAYOUT.record("aggregate"), settings)
    report(batches, LAYOUT.record("report"), settings)


def approve(*wells: str, failing: bool = False, images: tuple[str, ...] = ()) -> list[str]:
    choice = Left(wells, images, failing)
    return give("results", None, Said(choice, "Ada", "" if choice.empty else "fibre"))


def gates() -> dict[str, dict[str, str]]:
    return {p.stem: read_gate(p) for p in sorted(LAYOUT.gate("x").parent.glob("*.json"))}


def tracked() -> set[str]:
    return {name.split("/", 1)[1] for name in ready().tracked("plate")}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that has stopped at the gate."""
    folder, before = tmp_path_factory.mktemp("gate"), Path.cwd()
    os.chdir(folder)
    write_demo_plate(Path("plate.zarr"), wells=4, fields=2, size=384)
    Path("sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    configure("ask")
    judge()
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _here(seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(seen, tmp_path / "run", symlinks=True)
    monkeypatch.chdir(tmp_path / "run")


def test_before_the_review_only_qc_is_to_be_done() -> None:
    LAYOUT.record("review").unlink()
    assert ready().shut == {"plate": "unseen"}
    batches = [f"{n:04d}" for n in range(4)]
    quality = {f"records/qc/{b}.json" for b in batches} | {f"qc/{b}.parquet" for b in batches}
    assert tracked() == quality | {"records/review.json", "qc.html"}


def test_ask_waits_and_names_what_fails() -> None:
    found = ready()
    assert found.shut == {"plate": "waiting"}
    assert not any("segment" in name for name in tracked())
    with pytest.raises(BadInput, match="plate: waits for an approval"):
        found.gate("plate", "0000")
    text = "\n".join(summary(found.config, found))
    assert "of 8 images 2 fail, 2 are flagged, 1 are quarantined" in text
    assert "fails A/03/0: DNA: OutOfFocus" in text
    assert "look at: results/plate/qc.html" in text
    assert "voxelmill approve results --dataset plate --exclude-failing --why TEXT" in text


def test_the_page_shows_images_without_outlines_worst_first() -> None:
    page = LAYOUT.qc_report.read_text()
    assert page.index('aria-label="Enlarge A03') < page.index('aria-label="Enlarge A01')
    assert page.count("<figure") == 7
    assert "<legend>Outlines" not in page
    assert "1 of 12 chunks absent" in page
    assert "voxelmill approve RESULTS --dataset plate" in page


def test_an_approval_opens_it_and_only_the_batch_concerned_has_a_gate() -> None:
    said = approve("A03")
    assert "  2 of 8 images are excluded:" in said
    assert said[-1] == "go on: voxelmill run config.yaml"
    found = ready()
    assert not found.shut
    reason = "approval by Ada: fibre"
    assert gates() == {"0002": dict.fromkeys(BLURRED, reason)}
    assert found.gate("plate", "0002") == "plate/gate/0002.json"
    assert found.gate("plate", "0000") == ""
    assert {"records/segment/0000.json", "records/aggregate.json", "qc.html"} <= tracked()


def test_a_gate_is_written_only_where_it_changes() -> None:
    approve("A01", "A03")
    ready()
    before = {p: p.stat().st_mtime_ns for p in LAYOUT.gate("x").parent.iterdir()}
    ready()
    assert before == {p: p.stat().st_mtime_ns for p in LAYOUT.gate("x").parent.iterdir()}
    approve("A01")
    ready()
    assert LAYOUT.gate("0000").stat().st_mtime_ns == before[LAYOUT.gate("0000")]
    assert gates()["0002"] == {}, "it stays, so that Snakemake sees that it has changed"


def test_auto_leaves_out_what_fails_and_not_what_is_damaged() -> None:
    configure("auto")
    assert ready().shut == {"plate": "unseen"}, "the review was made to ask"
    judge()
    found = ready()
    assert not found.shut
    (left,) = gates().values()
    assert left == dict.fromkeys(BLURRED, "auto: DNA: OutOfFocus; AGP: OutOfFocus; ER: OutOfFocus")


def test_report_lets_all_through_again() -> None:
    approve(failing=True)
    ready()
    assert gates()["0002"]
    configure("report")
    put(LAYOUT.log("review"), "")
    found = ready()
    assert not found.shut
    assert gates() == {"0002": {}}
    assert not LAYOUT.log("review").exists(), "status would wait for it"
    assert not LAYOUT.record("review").exists()
    assert "qc.html" not in tracked()


def test_report_alone_leaves_no_file_of_a_gate() -> None:
    shutil.rmtree("results")
    configure("report")
    ready()
    assert {p.name for p in LAYOUT.root.iterdir()} == {"batches"}


@pytest.mark.parametrize("how", ["qc", "images", "metrics"])
def test_new_data_make_an_approval_void(how: str) -> None:
    approve()
    assert not ready().shut
    if how == "qc":
        record = json.loads(LAYOUT.record("qc", "0001").read_text())
        record["images"]["A/02/0"]["input"] = "other pixels"
        write_json(LAYOUT.record("qc", "0001"), record)
    elif how == "images":
        write_demo_plate(Path("new.zarr"), wells=5, fields=2, size=128, faults=False)
        Path("sheet.tsv").write_text("dataset\turl\nplate\tnew.zarr\n")
    else:
        Path("config.yaml").write_text(CONFIG.replace("ask", "ask, metrics: [{kind: empty}]"))
    assert ready().shut == {"plate": "unseen"}
    if how != "metrics":
        with pytest.raises(BadInput, match="QC report is of other images or QC"):
            approve()
    if how == "images":
        shutil.rmtree(LAYOUT.record("qc", "x").parent)
    judge()
    assert ready().shut == {"plate": "waiting"}
    approve()
    assert not ready().shut
    assert len(json.loads(LAYOUT.approval.read_text())["history"]) == 1


def test_the_same_qc_again_leaves_the_approval_valid() -> None:
    approve()
    for path in LAYOUT.record("qc", "x").parent.iterdir():
        path.unlink()
    assert ready().shut == {"plate": "unseen"}
    judge()
    assert not ready().shut


@pytest.mark.parametrize(
    ("results", "dataset", "kind", "says"),
    [
        ("nowhere", None, BadInput, "no QC report that could be approved; allowed: results of a"),
        ("results", "other", BadConfig, "--dataset other: no QC report; allowed: plate"),
        ("https://x.org/a", None, BadConfig, "https:// is read only"),
    ],
)
def test_nothing_to_approve(
    results: str, dataset: str | None, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        give(results, dataset, Said(Left(), "Ada"))
    assert not LAYOUT.approval.exists()


def test_a_user_without_a_name_has_to_say_who(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000650000")

    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(BadConfig, match="--who: is absent, and this user has no name"):
        give("results", None, Said(Left()))
    assert not LAYOUT.approval.exists()


def test_auto_asks_nobody() -> None:
    configure("auto")
    judge()
    with pytest.raises(BadConfig, match=r"qc\.gate is auto, which asks nobody"):
        approve()


def test_of_several_datasets_one_is_named_where_something_is_left_out() -> None:
    shutil.copytree(LAYOUT.root, "results/other")
    with pytest.raises(BadConfig, match="--dataset: is absent; allowed: one of other, plate"):
        approve("A03")
    assert not LAYOUT.approval.exists()
    approve()
    assert all(Path(f"results/{name}/approval.json").exists() for name in ("plate", "other"))
    with pytest.raises(BadConfig, match="--dataset"):
        approve()


def table(name: str) -> Mapping[str, Mapping[str, object]]:
    key = "Metadata_Image" if name == "images" else "Metadata_Well"
    return {row[key]: row for row in rows(read_table(LAYOUT.root / f"{name}.parquet"))}


def test_what_is_left_out_is_not_read_and_stays_in_the_tables() -> None:
    approve()
    for batch in ("0000", "0001", "0002", "0003"):
        work(batch)
    labels = LAYOUT.labels / BLURRED[0] / "labels"
    assert labels.exists()
    before = LAYOUT.objects("nuclei", "0003").read_bytes()
    approve("A03", images=(LOST,))
    # Nobody reads it: it would be quarantined.
    shutil.rmtree(Path("plate.zarr") / BLURRED[0] / "0" / "c")
    work("0001")
    work("0002")
    finish()
    assert not labels.exists(), "nothing of an earlier run may look like a result"
    assert LAYOUT.objects("nuclei", "0003").read_bytes() == before
    images, wells = table("images"), table("wells")
    assert len(images) == 8
    for path in (*BLURRED, LOST):
        assert images[path]["Metadata_Status"] == "excluded"
        assert images[path]["Metadata_Verdict"] == "fail"
        assert images[path]["Metadata_Excluded"] == "approval by Ada: fibre"
        assert np.isnan(images[path]["Metadata_Count_Nuclei"])
    assert "chunks absent" in str(images[LOST]["Metadata_Reason"])
    assert "DNA: OutOfFocus" in str(images[BLURRED[0]]["Metadata_Flags"])
    judged = json.loads(LAYOUT.record("review").read_text())["images"]
    assert {p: i["Metadata_Verdict"] for p, i in images.items()} == {
        p: i["verdict"] for p, i in judged.items()
    }
    assert wells["A03"]["Metadata_Excluded"] == "approval by Ada: fibre"
    assert np.isnan(wells["A03"]["Metadata_Count_Nuclei"])
    assert [wells[w]["Metadata_Images_Excluded"] for w in sorted(wells)] == [0, 1, 2, 0]
    assert wells["A02"]["Metadata_Excluded"] == ""
    # None of them is quarantined: at most 0 are allowed.
    check([LAYOUT.record("aggregate")], Path("results/check.json"), 0)
    told = json.loads(Path("results/check.json").read_text())
    assert told["datasets"]["plate"]["excluded"] == 3
    assert set(told["excluded"]) == {f"plate/{path}" for path in (*BLURRED, LOST)}
    found = ready()
    assert "  excluded A/03/0: approval by Ada: fibre" in summary(found.config, found)


def test_a_dataset_of_which_nothing_is_used_has_tables_all_the_same() -> None:
    approve("A01", "A02", "A03", "A04")
    for batch in ("0000", "0001", "0002", "0003"):
        work(batch)
    finish()
    assert {i["Metadata_Status"] for i in table("images").values()} == {"excluded"}
    assert {w["Metadata_Images_Excluded"] for w in table("wells").values()} == {2}


def test_check_refuses_a_batch_that_left_out_something_else() -> None:
    approve("A03")
    for batch in ("0000", "0001", "0002", "0003"):
        work(batch)
    finish()
    write_json(LAYOUT.gate("0002"), {"excluded": {}})
    with pytest.raises(BadInput, match=r"0002\.json: other images are left out than"):
        check([LAYOUT.record("aggregate")], Path("results/check.json"), 1)


@pytest.mark.parametrize("name", ["approval.json", "records/review.json", "gate/0002.json"])
def test_a_damaged_file_is_one_line(name: str) -> None:
    approve("A03")
    ready()
    (LAYOUT.root / name).write_text("{")
    with pytest.raises(BadInput, match=rf"{name}: no JSON") as error:
        ready()
    assert "\n" not in str(error.value)
