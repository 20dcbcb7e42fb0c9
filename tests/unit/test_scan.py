"""Scanning: all images once, nothing opened or rewritten twice, mistakes before any job."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from plain_costs import START_S, PlainCosts
from voxelmill import sizing
from voxelmill.batchtable import BatchTable, Entry, Key
from voxelmill.config import Config
from voxelmill.configfile import parse
from voxelmill.features.intensity import Intensity
from voxelmill.layout import DATASET_STEPS, Layout, batch_table, manifest
from voxelmill.objectsets import Segmented
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.selection import choosing
from voxelmill.steps.cutting import Cutter
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.prepare import prepare
from voxelmill.steps.scan import Scanned, listed, scan
from voxelmill.steps.work import read_batch
from voxelmill.tables import Frame, read_table, write_table


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plate") / "plate.zarr"
    write_demo_plate(path, wells=3, fields=2, size=64, channels=2, faults=False)
    return path


class Place:
    """A folder with a sheet, and the results beside it."""

    def __init__(self, folder: Path, plate: Path) -> None:
        self.folder, self.plate = folder, plate
        self.sheet("a")

    def sheet(self, *datasets: str) -> None:
        """Name the plate once or more."""
        lines = [f"{name}\t{self.plate}" for name in datasets]
        (self.folder / "sheet.tsv").write_text("\n".join(["dataset\turl", *lines]) + "\n")

    def config(self, channel: str = "DNA", images: int = 4, minutes: float = 0) -> Config:
        """Configuration with these batches."""
        nuclei = {"channel": channel, "segmenter": {"kind": "watershed", "diameter_um": 9}}
        return parse(Config, {
            "datasets": "sheet.tsv", "results": str(self.folder / "results"),
            "objects": {"nuclei": nuclei},
            "batches": {"minutes": minutes} if minutes else {"images": images},
        }, "c.yaml")  # fmt: skip

    def scan(self, *, fresh: bool = False, **more: object) -> Scanned:
        """Scan here."""
        return scan(self.config(**more), self.folder / "c.yaml", fresh=fresh)  # type: ignore[arg-type]

    def listed(self) -> dict[str, tuple[str, ...]]:
        """Batches as a job sees them."""
        found = listed(self.config())
        return {dataset: tuple(batches) for dataset, batches in found.items()}

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Content and time of all batch files."""
        paths = (self.folder / "results").rglob("*.json")
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}

    @property
    def results(self) -> Path:
        """Folder of the results."""
        return self.folder / "results"


@pytest.fixture
def place(tmp_path: Path, plate: Path) -> Place:
    return Place(tmp_path, plate)


def test_every_image_is_in_a_batch_and_in_the_manifest(place: Place) -> None:
    found = place.scan()
    assert found == Scanned({"a": ("0000", "0001")}, 6, 1)
    batches = [read_batch(Layout(place.results / "a").batch(b)) for b in found.batches["a"]]
    items = [item for batch in batches for item in batch.items]
    assert [len(b.items) for b in batches] == [4, 2]
    assert len({i.path for i in items}) == 6
    assert items[0].well == "A01"
    assert items[0].voxels == 64 * 64
    table = read_table(manifest(place.results))
    assert table["image"] == [i.path for i in items]
    assert table["batch"] == [b.name for b in batches for _ in b.items]


def test_a_second_scan_opens_and_writes_nothing(place: Place) -> None:
    first = place.scan()
    files, table = place.files(), manifest(place.results).read_bytes()
    assert place.scan() == Scanned(first.batches, 6, 0)
    assert place.files() == files
    assert manifest(place.results).read_bytes() == table
    assert place.scan(fresh=True).opened == 1
    assert place.files() == files


def test_a_new_dataset_changes_nothing_old(place: Place) -> None:
    place.scan()
    files = place.files()
    place.sheet("a", "b")
    found = place.scan()
    assert found.opened == 1
    assert found.images == 12
    assert {p: place.files()[p] for p in files} == files
    assert place.listed() == found.batches
    place.sheet("b")
    assert set(place.scan().batches) == {"b"}
    assert set(read_table(manifest(place.results))["dataset"]) == {"b"}


def test_a_lost_batch_file_is_made_again(place: Place) -> None:
    place.scan()
    lost = Layout(place.results / "a").batch("0001")
    before = lost.read_bytes()
    lost.unlink()
    place.scan()
    assert lost.read_bytes() == before


def test_an_edited_batch_file_is_mended_and_a_stray_one_removed(place: Place) -> None:
    place.scan()
    files = place.files()
    folder = place.results / "a" / "batches"
    edited = folder / "0000.json"
    value = json.loads(edited.read_text())
    edited.write_text(json.dumps({**value, "url": "elsewhere"}))
    (folder / "0007.json").write_text("{}")
    place.scan()
    assert {p: data for p, (data, _) in place.files().items()} == {
        p: data for p, (data, _) in files.items()
    }
    other = str(folder / "0001.json")
    assert place.files()[other] == files[other], "the other one is left alone"


@pytest.mark.parametrize("old", [True, False])
def test_other_bytes_that_say_the_same_stay(place: Place, old: bool) -> None:
    """Or all results would be made again after an update."""
    place.scan()
    file = Layout(place.results / "a").batch("0000")
    batch = read_batch(file)
    items = [asdict(item) for item in batch.items]
    file.write_text(json.dumps({**batch.as_json(), **({"items": items} if old else {})}, indent=1))
    files = place.files()
    for _ in range(2):
        assert place.scan().opened == 0
        assert place.files() == files


def test_a_scan_without_changes_looks_into_no_batch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = place.scan()
    monkeypatch.setattr(Cutter, "cut", None)
    assert place.scan() == replace(found, opened=0)
    place.sheet("a", "b")
    with pytest.raises(TypeError):
        place.scan()


def test_a_new_dataset_makes_no_work_of_old_ones(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scan()
    cut, keys = Cutter.cut, []

    def noted(cutter: Cutter, key: Key, frame: Frame, before: Sequence[Entry]) -> object:
        keys.append(key)
        return cut(cutter, key, frame, before)

    monkeypatch.setattr(Cutter, "cut", noted)
    place.sheet("b", "a")
    place.scan()
    assert [dataset for dataset, _ in keys] == ["b"]
    assert read_table(manifest(place.results))["dataset"] == ["b"] * 6 + ["a"] * 6
    place.sheet("a", "b")
    assert [*place.scan().batches] == ["a", "b"]
    assert read_table(manifest(place.results))["dataset"] == ["a"] * 6 + ["b"] * 6


def test_a_manifest_alone_is_enough(place: Place) -> None:
    """Of a planned run, say: nothing is opened, and the batches are the same."""
    found = place.scan()
    files = place.files()
    shutil.rmtree(place.results / "a")
    batch_table(place.results).unlink()
    assert place.scan() == replace(found, opened=0)
    assert {p: data for p, (data, _) in place.files().items()} == {
        p: data for p, (data, _) in files.items()
    }


def test_a_dataset_whose_results_were_removed_is_opened_again(place: Place) -> None:
    found = place.scan()
    shutil.rmtree(place.results / "a")
    assert place.scan() == found


def test_an_interrupted_scan_is_made_up_for(place: Place) -> None:
    place.scan()
    files, table = place.files(), batch_table(place.results).read_bytes()
    kept = manifest(place.results).read_bytes()
    place.scan(images=2)
    manifest(place.results).write_bytes(kept)
    place.scan()
    assert batch_table(place.results).read_bytes() == table
    assert {p: data for p, (data, _) in place.files().items()} == {
        p: data for p, (data, _) in files.items()
    }


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: {n: v * 2 for n, v in t.items()}, "rows of dataset 'a' in two places"),
        (lambda t: {n: v for n, v in t.items() if n != "shape"}, "no column shape"),
    ],
)
def test_a_manifest_that_is_none(
    place: Place, change: Callable[[dict[str, list[object]]], dict[str, list[object]]], found: str
) -> None:
    place.scan()
    place.sheet("a", "b")
    place.scan()
    table = {name: list(values) for name, values in read_table(manifest(place.results)).items()}
    write_table(manifest(place.results), change(table))
    with pytest.raises(BadInput, match=found):
        place.scan()


def test_another_calibration_cuts_only_new_datasets(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plate of 6 images of 8192 voxels: two batches at a second an image, three at two."""

    def speed(voxels_s: float) -> None:
        costs = PlainCosts(mpx_s=dict.fromkeys(("segment", "qc", "measure"), voxels_s / 1e6))
        monkeypatch.setattr(sizing, "load_costs", lambda _site: costs)

    minutes = (3 + START_S) / 60
    speed(8192)
    assert len(place.scan(minutes=minutes).batches["a"]) == 2
    files = place.files()
    speed(8192 / 1.5)
    place.sheet("a", "b")
    found = place.scan(minutes=minutes).batches
    assert (len(found["a"]), len(found["b"])) == (2, 3)
    assert {p: place.files()[p] for p in files} == files
    assert len(place.scan(minutes=2 * minutes).batches["a"]) == 2
    assert len(place.scan(minutes=minutes).batches["a"]) == 3, "another setting has been between"


def test_jobs_need_only_the_table_of_batches(place: Place) -> None:
    place.scan()
    config = place.config().model_dump(mode="json")
    prepared = prepare(config, place.folder / "c.yaml")
    manifest(place.results).unlink()
    shutil.rmtree(place.results / "a" / "batches")
    assert prepare(config, place.folder / "c.yaml", main=False) == prepared
    load = prepared.load("a", "0001")
    assert load.extent is not None
    assert load.extent.shape == (1, 2, 1, 64, 64)
    assert (load.images, load.extent.batch) == (2, 2)
    assert (load.voxels, load.bytes) == (2 * 2 * 64 * 64, 2 * 2 * 2 * 64 * 64)
    total = prepared.totals["a"]
    assert (total.images, total.bytes) == (6, 3 * load.bytes)
    assert total.extent == prepared.load("a", "0000").extent
    assert prepared.threads(5) == 2


def test_smaller_and_larger_batches(place: Place) -> None:
    place.scan()
    assert place.scan(images=1).batches["a"] == tuple(f"{i:04d}" for i in range(6))
    assert place.scan(images=9).batches["a"] == ("0000",)
    folder = place.results / "a" / "batches"
    assert [p.name for p in folder.iterdir()] == ["0000.json"], "no batch of an older cut is left"
    assert place.listed() == {"a": ("0000",)}


def test_an_image_that_cannot_be_opened_stays_with_its_reason(place: Place) -> None:
    copy = place.folder / "copy.zarr"
    shutil.copytree(place.plate, copy)
    (copy / "A" / "01" / "1" / "zarr.json").write_text("{")
    shutil.rmtree(copy / "A" / "02")
    place.plate = copy
    place.sheet("a")
    found = place.scan()
    table = read_table(manifest(place.results))
    reasons = dict(zip(table["image"], table["reason"], strict=True))
    assert found.images == 5, "two fields of a lost well are one entry"
    assert {image for image, reason in reasons.items() if reason} == {"A/01/1", "A/02"}
    assert place.scan().opened == 0
    batch = read_batch(Layout(place.results / "a").batch("0000"))
    assert {i.path: i.voxels for i in batch.items}["A/01/1"] == 0
    (entry,) = (e for e in BatchTable.read(place.results).entries["a", str(copy)][1:])
    assert (entry.images, entry.load.images) == (1, 1)
    load = prepare(place.config().model_dump(mode="json"), place.folder / "c.yaml").totals["a"]
    assert (load.images, load.voxels) == (5, 3 * 2 * 64 * 64)


@pytest.mark.parametrize("channel", ["DAPI", "2", "dna"])
def test_a_channel_that_is_not_there(place: Place, channel: str) -> None:
    with pytest.raises(BadConfig, match=f"^a/A/01/0: no channel '{channel}'; it has 'DNA', 'AGP'"):
        place.scan(channel=channel)
    assert not place.results.exists()


def test_features_that_make_no_table_are_refused(place: Place) -> None:
    nope = Intensity(only=("Nope_*",))
    config = place.config().model_copy(update={"features": [nope]})
    with pytest.raises(BadConfig, match=r"c.yaml: features.intensity.only: 'Nope_\*' matches no"):
        scan(config, place.folder / "c.yaml")
    assert not place.results.exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("place,drug\nA1,x\n", "columns place, drug; allowed: one is called 'well'"),
        ("well,drug\nA1,x\nA01,y\n", "well A01 twice"),
    ],
)
def test_a_wrong_plate_map_is_refused(place: Place, text: str, says: str) -> None:
    (place.folder / "map.csv").write_text(text)
    sheet = f"dataset\turl\tplate_map\na\t{place.plate}\tmap.csv\n"
    (place.folder / "sheet.tsv").write_text(sheet)
    with pytest.raises(BadInput, match=rf"map.csv: {says}"):
        place.scan()
    assert not place.results.exists()


def test_several_channels_of_one_segmenter(place: Place) -> None:
    several = Segmented.model_construct(channel=("DNA", "1"), segmenter=None)
    config = place.config().model_copy(update={"objects": {"cells": several}})
    assert scan(config, place.folder / "c.yaml").images == 6
    wrong = Segmented.model_construct(channel=("DNA", "ER"), segmenter=None)
    config = place.config().model_copy(update={"objects": {"cells": wrong}})
    with pytest.raises(BadConfig, match="no channel 'ER'"):
        scan(config, place.folder / "c.yaml")


def test_a_channel_by_number(place: Place) -> None:
    assert place.scan(channel="1").images == 6


def test_a_dataset_that_is_no_ome_zarr(place: Place) -> None:
    place.plate = place.folder
    place.sheet("a")
    with pytest.raises(BadInput):
        place.scan()


def finish(place: Place, dataset: str) -> None:
    """Leave the records of a finished dataset."""
    for step in DATASET_STEPS:
        path = Layout(place.results / dataset).record(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def test_what_is_not_chosen_stays_as_it_is(place: Place) -> None:
    place.sheet("a", "b")
    with choosing(["a"]):
        assert set(place.scan().batches) == {"a"}, "what was never opened is not listed"
    place.scan()
    files, table = place.files(), read_table(manifest(place.results))
    with choosing(["b"]):
        for fresh in (False, True):
            found = place.scan(fresh=fresh, images=3)
            assert [len(each) for each in found.batches.values()] == [2, 2]
            assert found.opened == fresh
        prepared = prepare(place.config(images=3).model_dump(mode="json"), place.folder / "c.yaml")
        assert prepared.datasets == ["b"]
    changed = {p for p, found in place.files().items() if files.get(p) != found}
    assert {Path(p).parent.parent.name for p in changed if "batches" in p} == {"b"}
    now = read_table(manifest(place.results))
    assert [*zip(now["dataset"], now["image"], strict=True)] == [
        *zip(table["dataset"], table["image"], strict=True)
    ]


def test_a_finished_dataset_whose_images_are_gone_stays_listed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(place.plate, place.folder / "gone.zarr"))
    (place.folder / "sheet.tsv").write_text(f"dataset\turl\na\t{place.plate}\nb\tgone.zarr\n")
    place.scan()
    shutil.rmtree(copy)
    with pytest.raises(BadConfig, match=r"gone.zarr is not there"):
        place.scan()
    finish(place, "b")
    before = place.files()
    # The address of what is gone may read otherwise from here.
    monkeypatch.chdir(place.results)
    for fresh in (False, True):
        found = place.scan(fresh=fresh, images=3)
        assert [len(each) for each in found.batches.values()] == [2, 2]
    kept = {p: found for p, found in before.items() if "/b/" in p}
    assert kept.items() <= place.files().items()
    assert [name for name, _ in BatchTable.read(place.results).entries] == ["a", "b"]
    values = place.config().model_dump(mode="json")
    assert prepare(values, place.folder / "c.yaml").datasets == ["a"]
    (place.folder / "sheet.tsv").write_text("dataset\turl\nb\tgone.zarr\n")
    with pytest.raises(BadConfig, match="all are finished, and their images are gone"):
        prepare(values, place.folder / "c.yaml")
    assert prepare(values, place.folder / "c.yaml", main=False).datasets == ["b"]
