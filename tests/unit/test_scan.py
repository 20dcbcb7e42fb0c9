"""Scanning: all images once, nothing opened or rewritten twice, mistakes before any job."""

import json
import shutil
from pathlib import Path

import pytest

from voxelmill.config import Config
from voxelmill.configfile import parse
from voxelmill.layout import Layout, manifest
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.scan import Scanned, listed, scan
from voxelmill.steps.work import read_batch
from voxelmill.tables import read_table


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

    def config(self, channel: str = "DNA", images: int = 4) -> Config:
        """Configuration with these batches."""
        nuclei = {"channel": channel, "segmenter": {"kind": "watershed", "diameter_um": 9}}
        return parse(Config, {
            "datasets": "sheet.tsv", "results": str(self.folder / "results"),
            "objects": {"nuclei": nuclei}, "batches": {"images": images},
        }, "c.yaml")  # fmt: skip

    def scan(self, *, fresh: bool = False, **more: object) -> Scanned:
        """Scan here."""
        return scan(self.config(**more), self.folder / "c.yaml", fresh=fresh)  # type: ignore[arg-type]

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
    assert listed(place.config(), place.folder / "c.yaml") == found.batches
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


def test_smaller_and_larger_batches(place: Place) -> None:
    place.scan()
    assert place.scan(images=1).batches["a"] == tuple(f"{i:04d}" for i in range(6))
    assert place.scan(images=9).batches["a"] == ("0000",)
    folder = place.results / "a" / "batches"
    assert [p.name for p in folder.iterdir()] == ["0000.json"], "no batch of an older cut is left"
    assert listed(place.config(images=9), place.folder / "c.yaml") == {"a": ("0000",)}


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
    batch = json.loads(Layout(place.results / "a").batch("0000").read_text())
    assert {i["path"]: i["voxels"] for i in batch["items"]}["A/01/1"] == 0


@pytest.mark.parametrize("channel", ["DAPI", "2", "dna"])
def test_a_channel_that_is_not_there(place: Place, channel: str) -> None:
    with pytest.raises(BadConfig, match=f"^a/A/01/0: no channel '{channel}'; it has 'DNA', 'AGP'"):
        place.scan(channel=channel)
    assert not place.results.exists()


def test_a_channel_by_number(place: Place) -> None:
    assert place.scan(channel="1").images == 6


def test_a_dataset_that_is_no_ome_zarr(place: Place) -> None:
    place.plate = place.folder
    place.sheet("a")
    with pytest.raises(BadInput):
        place.scan()
