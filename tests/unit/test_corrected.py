"""Correction as it is read: the same for any box, and as a plain reference says."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from voxelmill.blocks import Box
from voxelmill.corrected import Corrected, StoredProfile, digest_of
from voxelmill.ends import StoreSource
from voxelmill.kernels.even import even
from voxelmill.plugin import Pixels, StoreUnavailable
from voxelmill.store.open import open_dataset
from voxelmill.store.profiles import ProfileImage, write_profiles
from voxelmill.store.read import open_image
from voxelmill.store.write import write_image

DTYPES = ("uint8", "int16", "uint16", "uint32", "uint64", "float32", "float64")


def profiles(seed: int, count: int, height: int, width: int) -> np.ndarray:  # type: ignore[type-arg]
    rng = np.random.default_rng(seed)
    flat = rng.uniform(0.4, 1.6, (count, height, width))
    return np.concatenate([flat, rng.uniform(0, 20, flat.shape)]).astype(np.float32)


def pixels(seed: int, shape: tuple[int, ...], dtype: str) -> Pixels:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.uniform(0, 256, shape)).astype(dtype)


@given(st.data(), st.sampled_from(DTYPES))
def test_a_box_is_corrected_as_the_whole(data: st.DataObject, dtype: str) -> None:
    extent = tuple(data.draw(st.integers(1, 40)) for _ in range(2))
    small = tuple(data.draw(st.integers(1, n)) for n in extent)
    whole = pixels(1, (2, 2, *extent), dtype)
    flat, dark = np.split(profiles(2, 2, *small), 2)
    even_whole = even(whole, (0, 0), extent, flat, dark)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in extent)
    stop = tuple(data.draw(st.integers(a + 1, n)) for a, n in zip(start, extent, strict=True))
    box = np.s_[:, :, start[0] : stop[0], start[1] : stop[1]]
    part = even(np.ascontiguousarray(whole[box]), start, extent, flat, dark)
    assert part.dtype == whole.dtype
    assert np.array_equal(part, even_whole[box])


@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_formula(dtype: str) -> None:
    extent, small = (61, 47), (9, 7)
    image = pixels(3, (1, 1, *extent), dtype)
    flat, dark = np.split(profiles(4, 1, *small), 2)
    places = np.meshgrid(
        *((np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(extent, small, strict=True)),
        indexing="ij",
    )
    gain, less = (
        map_coordinates(p.astype(float), places, order=1, mode="nearest")
        for p in (1 / flat[0].astype(float), dark[0])
    )
    wanted = (image[0, 0].astype(float) - less) * gain
    found = even(image, (0, 0), extent, flat, dark)[0, 0]
    if np.dtype(dtype).kind == "f":
        assert np.allclose(found, wanted, rtol=1e-5)
        return
    limits = np.iinfo(dtype)
    full = image[0, 0] == limits.max
    wanted = np.where(full, float(limits.max), np.clip(wanted, limits.min, limits.max))
    assert np.abs(found.astype(float) - wanted).max() <= 0.5 + 1e-6


def test_what_is_saturated_stays_and_what_is_dark_is_not_negative() -> None:
    image = np.array([[[[255, 254, 0, 3]]]], np.uint8)
    flat, dark = np.full((1, 1, 1), 2, np.float32), np.full((1, 1, 1), 4, np.float32)
    assert even(image, (0, 0), (1, 4), flat, dark).ravel().tolist() == [255, 125, 0, 0]
    brighter = even(image, (0, 0), (1, 4), flat / 4, 0 * dark)
    assert brighter.ravel().tolist() == [255, 255, 0, 6]
    wide = np.array([[[[2**64 - 1, 2**64 - 3]]]], np.uint64)
    assert (even(wide, (0, 0), (1, 2), flat / 4, 0 * dark) > 2**63).all()


def test_halves_and_booleans_keep_their_type() -> None:
    flat, dark = np.full((1, 1, 1), 2, np.float32), np.zeros((1, 1, 1), np.float32)
    half = np.array([[[[3, 5]]]], np.float16)
    assert even(half, (0, 0), (1, 2), flat, dark).tolist() == [[[[1.5, 2.5]]]]
    mask = np.array([[[[True, False]]]])
    assert even(mask, (0, 0), (1, 2), flat, dark) is mask


def stored(root: Path, content: np.ndarray) -> StoredProfile:  # type: ignore[type-arg]
    image = ProfileImage(content, ("DNA", "AGP"), (1.0, 2.0, 2.0), "plate 30 x 40")
    write_profiles(str(root), [image])
    return StoredProfile(str(root), "0", digest_of(content))


def test_a_source_reads_corrected_pixels_of_the_channels_asked_for(tmp_path: Path) -> None:
    image = pixels(5, (1, 2, 3, 30, 40), "uint16")
    write_image(str(tmp_path / "image.zarr"), image, "czyx", (1, 0.5, 0.5), ["DNA", "AGP"])
    content = profiles(6, 2, 6, 8)
    source = StoreSource(open_image(str(tmp_path / "image.zarr")))
    lit = Corrected(source, stored(tmp_path / "illumination.ome.zarr", content))
    assert (lit.shape, lit.spacing_um) == (source.shape, source.spacing_um)
    box = Box((1, 4, 5), (3, 20, 33))
    found = lit.read(0, [1], box)
    wanted = even(image[0, 1:, 1:3, 4:20, 5:33].copy(), (4, 5), (30, 40), content[1:2], content[3:])
    assert np.array_equal(found, wanted)
    assert not np.array_equal(found, source.read(0, [1], box))


def test_profiles_are_a_collection_of_images_that_any_reader_opens(tmp_path: Path) -> None:
    root = tmp_path / "illumination.ome.zarr"
    profile = stored(root, profiles(7, 2, 6, 8))
    found = open_dataset(str(root))
    assert [image.path for image in found.images] == ["0"]
    assert open_image(str(root), "0").channels == ("DNA", "AGP", "DNA dark", "AGP dark")
    before = sorted((p.name, p.read_bytes()) for p in root.rglob("*") if p.is_file())
    stored(root, profiles(7, 2, 6, 8))
    assert sorted((p.name, p.read_bytes()) for p in root.rglob("*") if p.is_file()) == before
    assert profile.read()[0].shape == (2, 6, 8)


def test_another_profile_than_the_record_speaks_of_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "illumination.ome.zarr"
    old = stored(root, profiles(8, 2, 6, 8))
    stored(root, profiles(9, 2, 6, 8))
    with pytest.raises(StoreUnavailable, match="another one"):
        old.read()
    with pytest.raises(StoreUnavailable, match="absent"):
        StoredProfile(str(tmp_path / "none"), "0", old.sha256).read()
