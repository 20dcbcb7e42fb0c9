"""Folders of TIFFs become whole plates, or are refused in one line and leave nothing behind."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from shared import SHARED, needs_shared
from voxelmill.ingest_pattern import compile_pattern, match_names
from voxelmill.natural import natural
from voxelmill.plugin import BadInput, OutputExists
from voxelmill.steps.ingest import ingest
from voxelmill.store import inventory, open_dataset, open_image
from voxelmill.tiffs import read_tiff, tiff_spacing

SBS = r"Channel(?P<channel>\d)-\d+-(?P<row>[A-H])-(?P<col>\d\d)\.tif$"
IXM = r"_(?P<well>[A-P]\d\d)_s(?P<site>\d)_w(?P<channel>\d)[0-9A-F]{8}-"
SIMPLE = r"(?P<well>[A-Za-z]+\d+)_s(?P<site>\d+)_w(?P<channel>\w)"


def plane(seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (40, 50)).astype(dtype)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two wells, two sites, two channels; one file that is something else."""
    src = tmp_path / "src"
    for i, name in enumerate(
        f"day1/{well}_s{site}_w{channel}.tif"
        for well in ("A01", "b2")
        for site in (1, 10)
        for channel in (1, 2)
    ):
        (src / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(src / name, plane(i))
    tifffile.imwrite(src / "thumbnail.tif", plane())
    return src


def test_plate_from_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.ome.zarr"
    text = ingest(folder, SIMPLE, out, channels=["2=ER"], pixel_size_um=0.5, workers=2)
    assert "2 wells, 4 fields, channels 1, ER" in text
    assert "1 TIFF files do not match" in text
    assert "thumbnail.tif" in text
    dataset = open_dataset(str(out))
    assert [r.path for r in dataset.images] == ["A/01/1", "A/01/10", "B/02/1", "B/02/10"]
    image = open_image(str(out), "B/02/10")
    assert (image.axes, image.channels, image.spacing_um) == ("cyx", ("1", "ER"), (1, 0.5, 0.5))
    assert not inventory(image).missing
    pixels = zarr.open_array(out / "B/02/10/0")[:]
    np.testing.assert_array_equal(pixels, [plane(6), plane(7)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.ome.zarr", "src"]


def test_nothing_is_invented_without_a_pixel_size(folder: Path, tmp_path: Path) -> None:
    text = ingest(folder, SIMPLE, tmp_path / "p.zarr")
    assert "pixel size unknown" in text
    axes = zarr.open_group(tmp_path / "p.zarr/A/01/1").attrs["ome"]["multiscales"][0]["axes"]
    assert all("unit" not in axis for axis in axes)


def test_planes_times_and_pages(tmp_path: Path) -> None:
    src = tmp_path / "src"
    src.mkdir()
    for t in range(3):
        for z in range(2):
            tifffile.imwrite(src / f"r02c03f1p{z + 1}-ch1sk{t}.tiff", plane(10 * t + z))
    pattern = r"r(?P<row>\d+)c(?P<col>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d)sk(?P<t>\d+)"
    ingest(src, pattern, tmp_path / "a.zarr", pixel_size_um=0.5, z_step_um=2)
    image = open_image(str(tmp_path / "a.zarr"), "B/03/1")
    assert (image.axes, image.shape) == ("tczyx", (3, 1, 2, 40, 50))
    assert image.spacing_um == (2, 0.5, 0.5)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "a.zarr/B/03/1/0")[2, 0, 1], plane(21))
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    stack = np.stack([plane(i) for i in range(4)])
    tifffile.imwrite(stacks / "A01.tif", stack, photometric="minisblack")
    for pages, axes in (("z", "czyx"), ("c", "cyx"), ("t", "tcyx")):
        out = tmp_path / f"{pages}.zarr"
        ingest(stacks, r"(?P<well>A\d+)", out, pages=pages)
        found = open_image(str(out), "A/01/0")
        assert found.axes == axes
        np.testing.assert_array_equal(np.squeeze(zarr.open_array(out / "A/01/0/0")[:]), stack)


def test_pixel_sizes_of_files(tmp_path: Path) -> None:
    file = tmp_path / "x.ome.tif"
    tifffile.imwrite(
        file, plane()[None], metadata={
            "axes": "ZYX", "PhysicalSizeX": 325.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeZ": 2.0
        },
    )  # fmt: skip
    assert tiff_spacing(file) == (pytest.approx(0.325), 2.0)
    file = tmp_path / "imagej.tif"
    tifffile.imwrite(
        file, np.stack([plane()] * 3), imagej=True, resolution=(2.0, 2.0),
        metadata={"spacing": 1.5, "unit": "um", "axes": "ZYX"},
    )  # fmt: skip
    assert tiff_spacing(file) == (0.5, 1.5)
    assert read_tiff(file, "c").shape == (1, 1, 3, 40, 50), "the file says z"
    for unit, size in (("CENTIMETER", (20_000, 20_000)), ("INCH", (72, 72)), ("NONE", (2, 2))):
        tifffile.imwrite(tmp_path / "r.tif", plane(), resolution=size, resolutionunit=unit)
        expected = 0.5 if unit == "CENTIMETER" else None
        assert tiff_spacing(tmp_path / "r.tif")[0] == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?P<well>X\\d+)", r"matches no file; there is 'day1/A01_s10_w1.tif'"),
        ("(?P<well>[A-Za-z]\\d+)_(?P<siet>s)", "group 'siet'; well, row, col, site"),
        ("(?P<well>[A-Za-z]\\d+)_s(?P<site>\\d+)", "one file a place"),
        ("_s(?P<site>\\d+)", "no well"),
        ("(?P<well", "regular expression"),
        ("(?P<well>day)", "A01, a1, AA12"),
    ],
)
def test_bad_patterns(folder: Path, tmp_path: Path, pattern: str, text: str) -> None:
    with pytest.raises(BadInput, match=text) as caught:
        ingest(folder, pattern, tmp_path / "p.zarr")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["src"]


def test_incomplete_and_unlike_files(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.zarr"
    lost = folder / "day1/b2_s10_w2.tif"
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(BadInput, match=r"well B02 site 10: no file for channel 2, z 0, t 0"):
        ingest(folder, SIMPLE, out)
    tifffile.imwrite(lost, plane(dtype="uint8"))
    with pytest.raises(BadInput, match=r"b2_s10_w2.tif: uint8 .* Export them alike"):
        ingest(folder, SIMPLE, out)
    lost.write_bytes(content[: len(content) // 4])
    with pytest.raises(BadInput, match="not readable as TIFF"):
        ingest(folder, SIMPLE, out)
    tifffile.imwrite(lost, np.zeros((40, 50, 3), np.uint8), photometric="rgb")
    with pytest.raises(BadInput, match="colour"):
        ingest(folder, SIMPLE, out)
    for other in ("b2_s10_w1.tif", "b2_s10_w2.tif"):
        tifffile.imwrite(folder / "day1" / other, plane(dtype="uint8"))
    with pytest.raises(BadInput, match="One plate, one kind of field"):
        ingest(folder, SIMPLE, out, workers=2)
    assert [p.name for p in tmp_path.iterdir()] == ["src"], "nothing is left behind"


def test_other_refusals(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.zarr"
    for bad in ("7=DNA", "1=", "1"):
        with pytest.raises(BadInput, match="channel '"):
            ingest(folder, SIMPLE, out, channels=[bad])
    with pytest.raises(BadInput, match="name twice"):
        ingest(folder, SIMPLE, out, channels=["1=2"])
    with pytest.raises(BadInput, match="no folder"):
        ingest(tmp_path / "none", SIMPLE, out)
    ingest(folder, SIMPLE, out)
    with pytest.raises(OutputExists):
        ingest(folder, SIMPLE, out)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("a1_s01_w1", "A/01/1"), ("AA12_s3_wx", "AA/12/3"), ("P24_s0_w2", "P/24/0"),
    ],
)  # fmt: skip
def test_well_names(name: str, image: str) -> None:
    places, _ = match_names([name], SIMPLE)
    assert [p.image for p in places] == [image]


def test_natural_order() -> None:
    assert sorted(["w10", "w2", "x", "2", "10"], key=natural) == ["2", "10", "w2", "w10", "x"]
    assert compile_pattern(SBS).search("Channel1-01-A-01.tif")


@needs_shared
@pytest.mark.parametrize(
    ("src", "pattern", "wells", "fields", "shape"),
    [
        ("hcs/sbs_translocation_plate/images", SBS, 48, 48, (1, 2, 1, 640, 640)),
        ("nuclei2d/bbbc039_validation/images", IXM, 48, 50, (1, 1, 1, 520, 696)),
    ],
)
def test_real_plates(
    tmp_path: Path, src: str, pattern: str, wells: int, fields: int, shape: tuple[int, ...]
) -> None:
    folder, out = SHARED / "data" / src, tmp_path / "p.zarr"
    ingest(folder, pattern, out, workers=2)
    refs = open_dataset(str(out)).images
    assert (len({r.well for r in refs}), len(refs)) == (wells, fields)
    image = open_image(str(out), refs[-1].path)
    assert image.shape == shape
    assert not inventory(image).missing
    place = next(p for p in match_names([f.name for f in folder.iterdir()], pattern)[0].items()
                 if p[0].image == refs[-1].path)  # fmt: skip
    pixels = zarr.open_array(out / refs[-1].path / "0")[int(place[0].channel) - 1]
    np.testing.assert_array_equal(pixels, tifffile.imread(folder / place[1]))
