"""Images and plates on disk: same bytes each time, every chunk stored, means right."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr

from voxelmill.plugin import Array, BadInput, OutputExists
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import Channel, image_shard, mean_pyramid, write_image


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }


def slow_mean(plane: Array) -> Array:
    height, width = plane.shape
    mean = np.zeros((-(-height // 2), -(-width // 2)), plane.dtype)
    for y, x in np.ndindex(mean.shape):
        ys, xs = (
            [min(2 * y + i, height - 1) for i in (0, 1)],
            [min(2 * x + i, width - 1) for i in (0, 1)],
        )
        total = sum(float(plane[a, b]) for a in ys for b in xs)
        mean[y, x] = np.floor(total / 4 + 0.5) if plane.dtype.kind in "iu" else total / 4
    return mean


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "float32", ">u2"])
def test_mean_pyramid(dtype: str) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(-9 if dtype == "int16" else 0, 250, (1, 1, 1, 9, 301)).astype(dtype)
    if dtype == "uint32":
        pixels += np.uint32(4_000_000_000)
    one = mean_pyramid(pixels)[1]
    assert one.shape == (1, 1, 1, 5, 151)
    np.testing.assert_allclose(one[0, 0, 0], slow_mean(pixels[0, 0, 0]), rtol=1e-6)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float32"])
def test_image_round_trip_same_bytes(tmp_path: Path, version: str, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (2, 2, 3, 300, 280)).astype(dtype)
    pixels[:, 1] = 0
    for name in ("a", "b"):
        write_image(
            str(tmp_path / name), pixels, "tczyx", (2, 0.5, 0.5), ["DNA", Channel("ER", "FF0000")],
            chunk=(1, 1, 1, 150, 150), version=version, name="x",
        )  # fmt: skip
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    array = zarr.open_array(tmp_path / "a" / "0")
    np.testing.assert_array_equal(array[:], pixels)
    stored = [p for p in (tmp_path / "a" / "0").rglob("*") if p.is_file() and p.name.isdigit()]
    assert len(stored) == 2 * 2 * 3 * 2 * 2, "zeros are stored too"


def test_image_shards_make_few_files(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 1, 1300, 300), np.uint16)
    shard = image_shard(pixels.shape, 2)
    write_image(str(tmp_path / "i"), pixels, "cyx", None, ["a", "b", "c"], shard=shard)
    assert zarr.open_array(tmp_path / "i/0").shards == (3, 2048, 300)
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 4 + 4 + 1
    axes = zarr.open_group(tmp_path / "i").attrs["ome"]["multiscales"][0]["axes"]
    assert all("unit" not in a for a in axes), "nothing is invented"
    assert image_shard((9, 4, 100, 5000, 5000), 2) == (1, 1, 1, 5120, 5120)


def test_image_refusals(tmp_path: Path) -> None:
    pixels = np.zeros((1, 2, 1, 8, 8), np.uint8)
    write = partial(write_image, str(tmp_path / "i"), spacing_um=None)
    with pytest.raises(BadInput, match="1 channel names for 2"):
        write(pixels, "cyx", channels=["a"])
    with pytest.raises(BadInput, match="along 'c'"):
        write(pixels, "yx", channels=["a", "b"])
    with pytest.raises(BadInput, match="shards"):
        write(pixels, "cyx", channels=["a", "b"], version="0.4", shard=(1, 1, 1, 8, 8))
    with pytest.raises(BadInput, match="numbers"):
        write(pixels.astype("U1"), "cyx", channels=["a", "b"])
    write(pixels, "cyx", channels=["a", "b"])
    with pytest.raises(OutputExists):
        write(pixels, "cyx", channels=["a", "b"])


def test_plate_refusals(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="needs wells"):
        write_plate(str(tmp_path), "p", {})
    with pytest.raises(BadInput, match="acquisition"):
        write_plate(str(tmp_path), "p", {("A", "01"): [Field("0", 3)]})
