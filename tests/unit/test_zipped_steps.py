"""Steps with zipped labels: the tree of the folder, the same tables, one archive a batch."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from runs import OBJECTS
from voxelmill.configfile import load_config, load_settings
from voxelmill.difference import changed_files
from voxelmill.execution import Blocks, Compute
from voxelmill.labelsource import labelled_images
from voxelmill.layout import Layout
from voxelmill.ledger import Ledger
from voxelmill.plugin import BadConfig, StoreUnavailable
from voxelmill.steps import compare
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.measure import measure
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution, read_batch

BATCHES = ("0000", "0001")
CONFIG = (
    OBJECTS
    + """
datasets: sheet.tsv
batches: {images: 4}
"""
)
LOST = "A/01/0"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of which one image has lost a chunk, and its results with `labels: folder`."""
    home = tmp_path_factory.mktemp("data")
    write_demo_plate(home / "plate.zarr", wells=4, fields=2, size=256, faults=False)
    next(p for p in (home / "plate.zarr" / LOST / "0" / "c").rglob("*") if p.is_file()).unlink()
    (home / "sheet.tsv").write_text("dataset\turl\np\tplate.zarr\n")
    before = Path.cwd()
    os.chdir(home)
    try:
        run("folder")
    finally:
        os.chdir(before)
    return home


@pytest.fixture(autouse=True)
def home(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(data)
    monkeypatch.setenv("VOXELMILL_SCRATCH", "")
    shutil.rmtree("zip", ignore_errors=True)
    return data


def run(
    results: str,
    labels: str = "",
    how: Execution = Execution(),  # noqa: B008 - frozen
    batches: Sequence[str] = BATCHES,
) -> Layout:
    """Segment and measure into `results`, which also says how labels are kept."""
    Path("config.yaml").write_text(f"{CONFIG}labels: {labels or results}\nresults: {results}\n")
    scan(load_config("config.yaml"), "config.yaml")
    layout, settings = Layout(Path(results) / "p"), load_settings("config.yaml")
    for b in batches:
        segmented = layout.record("segment", b)
        segment(layout.batch(b), segmented, settings, how)
        measure(layout.batch(b), segmented, layout.record("measure", b), settings, how)
    return layout


def unzipped(layout: Layout, to: Path) -> Path:
    for archive in sorted(layout.archives.iterdir()):
        subprocess.run(["python", "-m", "zipfile", "-e", archive, to], check=True)
    return to


def test_unzipped_it_is_the_folder_and_all_tables_are_the_same(tmp_path: Path) -> None:
    layout = run("zip")
    assert not layout.labels.exists()
    assert sorted(p.name for p in layout.archives.iterdir()) == ["0000.ozx", "0001.ozx"]
    assert changed_files(unzipped(layout, tmp_path), Path("folder/p/labels.ome.zarr")) == []
    differ = {p.as_posix() for p in changed_files(Path("zip/p"), Path("folder/p"))}
    told = {f"records/segment/{b}.json" for b in BATCHES} | {f"labels/{b}.ozx" for b in BATCHES}
    assert {p for p in differ if not p.startswith("labels.ome.zarr/")} == told


def test_the_record_tells_of_the_archive_and_else_the_same() -> None:
    layout, other = run("zip"), Layout(Path("folder/p"))
    for batch in BATCHES:
        one, two = (json.loads(x.record("segment", batch).read_text()) for x in (layout, other))
        said = one.pop("labels")
        assert said["bytes"] == layout.archive(batch).stat().st_size
        assert said["file"] == f"labels/{batch}.ozx"
        assert (one["settings"].pop("labels"), two["settings"].pop("labels")) == ("zip", "folder")
        stored = [image.pop("stored", None) for image in two["images"].values()]
        assert any(stored)
        assert one == two


def test_no_labels_of_a_quarantined_image_are_packed() -> None:
    layout = run("zip", batches=["0000"])
    images = json.loads(layout.record("segment", "0000").read_text())["images"]
    assert images[LOST]["status"] == "quarantined"
    assert set(labelled_images(layout)) == set(images) - {LOST}


@pytest.mark.parametrize(
    ("size", "workers", "processes"), [(64, 1, False), (160, 3, False), (160, 2, True)]
)
def test_the_archive_depends_on_nothing_else(
    size: int, workers: int, processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against whole images on a disk of the node: blocks are staged elsewhere."""
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("VOXELMILL_SCRATCH", str(tmp_path / "disk"))
    batches = BATCHES[: 1 if processes else 2]
    compute = Compute(processes=processes)
    how = Execution(blocks=Blocks(size=size), compute=compute, workers=workers)
    layout = run("zip", how=how, batches=batches)
    first = {b: layout.archive(b).read_bytes() for b in batches}
    shutil.rmtree("zip")
    run("zip", how=Execution(workers=workers), batches=batches[::-1])
    assert {b: layout.archive(b).read_bytes() for b in batches} == first
    assert not list((tmp_path / "disk").iterdir())


def test_switching_leaves_one_of_both() -> None:
    shutil.copytree("folder", "zip")
    layout = run("zip", batches=["0000"])
    there = {path: root for path, (root, _) in labelled_images(layout).items()}
    packed = {path for path, root in there.items() if root == layout.archive("0000")}
    items = read_batch(layout.batch("0000")).items
    assert packed == {item.path for item in items} - {LOST}
    assert len(there) == 7, "those of the other batch are still in the folder"
    assert not list(layout.labels.glob("A/01")), "nor are empty groups left"
    run("zip", batches=["0001"])
    assert not layout.labels.exists()
    run("zip", "folder")
    assert not layout.archives.exists()
    assert changed_files(layout.root, Path("folder/p")) == []


def test_other_readers_agree() -> None:
    layout = run("zip")
    for name in ("nuclei", "cytoplasm"):
        for a, b in (("folder", "zip"), ("zip", "folder")):
            *rows, last = compare.compare(f"{a}/p:{name}", f"{b}/p:{name}")
            assert len(rows) == 7
            assert last.counts.f1() == 1.0
            assert last.counts.truth > 20
    for path in ("A/02/0", "A/02/1"):
        inside = f"{labelled_images(layout)[path][0]}/{path}/labels/nuclei"
        (row, _) = compare.compare(f"folder/p/labels.ome.zarr/{path}/labels/nuclei", inside)
        assert row.counts.average_precision() == 1.0


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "swapped"])
def test_a_damaged_archive_is_named_with_what_to_do(damage: str) -> None:
    layout = run("zip")
    archive = layout.archive("0000")
    data = archive.read_bytes()
    if damage == "cut":
        archive.write_bytes(data[:-1])
    if damage == "flipped":
        archive.write_bytes(data[: len(data) // 2] + b"\0" + data[len(data) // 2 + 1 :])
    if damage == "gone":
        archive.unlink()
    if damage == "swapped":
        shutil.copy(layout.archive("0001"), archive)
    record, settings = layout.record("segment", "0000"), load_settings("config.yaml")
    with pytest.raises(StoreUnavailable, match=r"zip/p/labels/0000\.ozx: .*record.*run again"):
        measure(layout.batch("0000"), record, layout.record("measure", "0000"), settings,
                Execution())  # fmt: skip
    segment(layout.batch("0000"), record, settings, Execution())
    assert archive.read_bytes() == data
    measure(layout.batch("0000"), record, layout.record("measure", "0000"), settings, Execution())


@pytest.mark.parametrize("disk", [False, True])
def test_few_files_lie_among_the_results_at_any_moment(
    disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if disk:
        monkeypatch.setenv("VOXELMILL_SCRATCH", str(tmp_path))
    most = {"segment": 0, "measure": 0}
    add = Ledger.add

    def note(ledger: Ledger, key: str, value: object) -> None:
        step = ledger.folder.name.partition("-")[0]
        most[step] = max(most[step], sum(p.is_file() for p in Path("zip").rglob("*")))
        add(ledger, key, value)

    monkeypatch.setattr(Ledger, "add", note)
    run("zip", batches=["0000"])
    if (
        disk
    ):  # manifest, table of batches, batch files, ledger, lock; then also archive, index, record
        assert most == {"segment": 6, "measure": 9}
    else:
        assert most["segment"] > 40


def test_the_kind_of_labels_is_checked() -> None:
    with pytest.raises(BadConfig, match=r"labels: .*'folder' or 'zip'"):
        run("zip", "tar")
