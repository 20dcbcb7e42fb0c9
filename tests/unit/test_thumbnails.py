"""Which images are shown, and pictures of volumes as projections."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trees import write_image as write_plain
from voxelmill.batch import Batch, Item
from voxelmill.blocks import Box
from voxelmill.plugin import Array
from voxelmill.sizes import HELD_BYTES, SMALLEST_EDGE, THUMBNAIL_EDGE, edge_for
from voxelmill.steps import thumbnails
from voxelmill.steps.thumbnails import choose, thumbnail
from voxelmill.store.labels import create_labels, write_labels
from voxelmill.store.write import Channel, write_image

ITEM = Item("", "", "", "", "", "", None, 1)


def item(path: str, well: str) -> Item:
    return Item(path, "", well, "", "", "", None, 1)


def volume(depth: int = 12, size: int = 64, channels: int = 2) -> Array:
    rng = np.random.default_rng(depth)
    return rng.integers(0, 60_000, (1, channels, depth, size, size)).astype(np.uint16)


def batch_of(folder: Path) -> Batch:
    return Batch("d", str(folder), "0000", (ITEM,))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Volume with a pyramid, whose objects overlap along z."""
    write_image(
        str(tmp_path / "image"), volume(), "czyx", (1.0, 0.5, 0.5), [Channel("a"), Channel("b")]
    )
    labels = np.zeros((12, 64, 64), np.int32)
    labels[2:6, 10:40, 10:40] = 1
    labels[4:9, 30:60, 30:60] = 2
    root, shape = str(tmp_path / "labels"), (1, 2, 12, 64, 64)
    create_labels(root, "", "czyx", shape, (1.0, 0.5, 0.5), ["n"], "n", "..")
    write_labels(root, "", "n", 0, Box((0, 0, 0), (12, 64, 64)), labels)
    return tmp_path


def test_a_volume_is_shown_as_its_maximum_and_objects_from_above(stored: Path) -> None:
    found = thumbnail(batch_of(stored / "image"), ITEM, str(stored / "labels"), ["n"])
    assert np.array_equal(found.pixels, volume()[0].max(axis=1))
    expected = np.zeros((64, 64), np.int32)
    expected[30:60, 30:60] = 2
    expected[10:40, 10:40] = 1
    assert np.array_equal(found.labels["n"], expected)
    assert found.note == "maximum of 12 planes"
    assert found.pixel_size_um == 0.5


@pytest.mark.parametrize(
    ("planes", "z", "note"),
    [
        (3, [2, 6, 10], "maximum of 3 planes, spread over 12"),
        (1, [6], "plane 7 of 12"),
        (0.1, [6], "plane 7 of 12"),
    ],
)
def test_of_what_is_too_large_a_few_planes_are_read(
    stored: Path, monkeypatch: pytest.MonkeyPatch, planes: float, z: list[int], note: str
) -> None:
    monkeypatch.setattr(thumbnails, "SAMPLES", int(planes * 2 * 64 * 64))
    found = thumbnail(batch_of(stored / "image"), ITEM, str(stored / "labels"), ["n"])
    assert found.note == note
    assert np.array_equal(found.pixels, volume()[0][:, z].max(axis=1))
    assert {*np.unique(found.labels["n"])} == ({0, 2} if z == [6] else {0, 1, 2})


@pytest.mark.parametrize("depth", [1, 5])
def test_without_a_pyramid_pixels_are_taken_at_intervals(tmp_path: Path, depth: int) -> None:
    pixels = volume(depth, 100)
    write_plain(tmp_path / "image", pixels[0], "czyx", "0.5")
    found = thumbnail(batch_of(tmp_path / "image"), ITEM, "", [], edge=40)
    step = 100 // found.pixels.shape[1] + 1
    assert max(found.pixels.shape[1:]) <= 40
    assert np.array_equal(found.pixels, pixels[0].max(axis=1)[:, ::step, ::step])
    assert found.note == ("" if depth == 1 else "maximum of 5 planes")


@given(st.integers(0, 2000), st.integers(1, 12), st.integers(0, 6))
def test_thumbnails_fit_in_memory(count: int, channels: int, sets: int) -> None:
    edge = edge_for(count, channels, sets)
    assert SMALLEST_EDGE <= edge <= THUMBNAIL_EDGE
    held = count * edge**2 * (2 * channels + 4 * sets)
    assert held <= HELD_BYTES or edge == SMALLEST_EDGE


def test_images_are_chosen_by_rank_or_well_by_well() -> None:
    items = [item(f"{w}/{i}", w) for w in "AB" for i in range(3)]
    assert [i.path for i in choose(items, {"A/0"}, 3)] == ["A/1", "A/2", "B/0"]
    rank = {i.path: n for n, i in enumerate(reversed(items))}
    assert [i.path for i in choose(items, {"B/2"}, 2, rank)] == ["B/0", "B/1"]
