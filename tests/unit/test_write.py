"""Label images and images on disk: same bytes whatever the order, damage found, levels right."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import BadConfig, BadInput, OutputExists, StoreUnavailable
from voxelmill.store import label_layout
from voxelmill.store.label_layout import halved, label_levels, label_shards
from voxelmill.store.labels import (
    create_labels,
    labels_digest,
    read_labels,
    write_coarse_labels,
    write_labels,
)
from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import Channel, image_shard, mean_pyramid, write_image


def files_of(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }


def some_labels(shape, seed=0):
    rng = np.random.default_rng(seed)
    coarse = tuple(-(-n // 13) for n in shape)
    ids = rng.integers(0, 5000, coarse).astype(np.int32) * (rng.random(coarse) < 0.6)
    grown = np.kron(ids, np.ones((13, 13, 13), np.int32))
    return np.ascontiguousarray(grown[tuple(slice(n) for n in shape)], dtype=np.int32)


def create(root, labels, axes="cyx", levels=None, name="nuclei"):
    shape = (1, 2, *labels.shape)
    create_labels(str(root), "A/01/0", axes, shape, (2, 0.5, 0.5), [name], name, "../../x", levels)


def write_all(root, labels, order=1, name="nuclei"):
    total = 0
    for block in list(label_shards(labels.shape))[::order]:
        total += write_labels(str(root), "A/01/0", name, 0, block.core, labels[block.core.slices])
    return total + write_coarse_labels(str(root), "A/01/0", name, 0)


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(label_layout, "SHARD_EDGE", 1024)


def shard_file(root, level=0):
    return next(p for p in sorted(root.glob(f"**/nuclei/{level}/c/**/*")) if p.is_file())


# ---- layout

lengths = st.integers(1, 12_000)
shapes = st.tuples(st.sampled_from([1, 1, 3, 20, 70]), lengths, lengths)


@given(shapes)
@settings(max_examples=60, deadline=None)
def test_no_two_shards_write_one_file(shape):
    for level in label_levels(shape):
        assert all(s % c == 0 for s, c in zip(level.shard, level.chunk, strict=True))
        assert np.prod(level.shard) * 4 <= 2**27
        if level.coarse:
            continue
        regions = [level.covered(b.core) for b in label_shards(shape)]
        assert sum(r.size for r in regions) == np.prod(level.shape)
        grid = Grid(level.shape, level.shard)
        files = [b.index for r in regions if r.size for b in grid.touching(r)]
        assert len(files) == len(set(files))


@given(shapes)
@settings(max_examples=60, deadline=None)
def test_default_levels_are_strides(shape):
    for level in label_levels(shape):
        assert level.shape == tuple(-(-n // f) for n, f in zip(shape, level.factor, strict=True))


def test_few_files():
    levels = label_levels((1, 32768, 32768))
    assert sum(len(Grid(v.shape, v.shard)) for v in levels) <= 400
    assert sum(len(Grid(v.shape, v.shard)) for v in label_levels((1, 2160, 2160))) == 5


def test_levels_of_the_image_are_followed():
    floored = [(6, 1083, 500), (3, 541, 250), (3, 270, 125)]
    assert [v.factor for v in label_levels((6, 1083, 500), floored)] == [
        (1, 1, 1),
        (2, 2, 2),
        (2, 4, 4),
    ]
    odd = [(1, 1000, 1000), (1, 640, 640)]
    assert [v.shape for v in label_levels((1, 1000, 1000), odd)] == halved((1, 1000, 1000))
    with pytest.raises(BadInput, match="first level"):
        label_levels((1, 10, 10), [(1, 9, 10)])


# ---- labels


@pytest.mark.parametrize(
    ("shape", "levels"),
    [
        ((1, 2500, 1700), None),
        ((1, 700, 2100), [(1, 700, 2100), (1, 350, 1050), (1, 116, 350)]),
        ((3, 1037, 1100), [(3, 1037, 1100), (3, 518, 550), (1, 259, 275)]),
        ((70, 520, 300), None),
        ((1, 5, 7), None),
    ],
)
@pytest.mark.usefixtures("small_shards")
def test_round_trip_and_strided_levels(tmp_path, shape, levels):
    labels = some_labels(shape)
    create(tmp_path, labels, "czyx", levels)
    assert write_all(tmp_path, labels) > 0
    plan = label_levels(shape, levels)
    for number, level in enumerate(plan):
        whole = Box((0, 0, 0), level.shape)
        found = read_labels(str(tmp_path), "A/01/0", "nuclei", 0, whole, number)
        strided = labels[tuple(slice(None, None, f) for f in level.factor)]
        np.testing.assert_array_equal(found, strided[tuple(slice(n) for n in level.shape)])
        assert found.dtype == np.int32
        assert set(np.unique(found)) <= set(np.unique(labels))
    np.testing.assert_array_equal(
        read_labels(str(tmp_path), "A/01/0", "nuclei", 0, Box((0, 0, 0), plan[1].shape), 1)
        if len(plan) > 1 and plan[1].factor == (1, 2, 2)
        else labels[:, ::2, ::2],
        labels[:, ::2, ::2][:, : plan[1].shape[1] if len(plan) > 1 else None],
    )


@pytest.mark.usefixtures("small_shards")
def test_same_bytes_in_any_order_and_again(tmp_path):
    labels = some_labels((1, 1500, 1100))
    for name, order in (("a", 1), ("b", -1)):
        create(tmp_path / name, labels)
        write_all(tmp_path / name, labels, order)
    first = files_of(tmp_path / "a")
    assert first == files_of(tmp_path / "b")
    create(tmp_path / "a", labels)
    write_all(tmp_path / "a", labels)
    assert first == files_of(tmp_path / "a")


@pytest.mark.usefixtures("small_shards")
def test_union_of_shards_is_the_shards(tmp_path):
    labels = some_labels((1, 1500, 1100))
    for name in ("a", "b"):
        create(tmp_path / name, labels)
    write_all(tmp_path / "a", labels)
    whole = Box((0, 0, 0), labels.shape)
    written = write_labels(str(tmp_path / "b"), "A/01/0", "nuclei", 0, whole, labels)
    written += write_coarse_labels(str(tmp_path / "b"), "A/01/0", "nuclei", 0)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert written == sum(p.stat().st_size for p in tmp_path.glob("b/**/c/**/*") if p.is_file())


def test_time_points_and_several_names(tmp_path):
    labels = some_labels((4, 60, 50))
    for name in ("nuclei", "cells"):
        create_labels(
            str(tmp_path), "", "tczyx", (2, 3, 4, 60, 50), None, ["nuclei", "cells"], name, "../../"
        )
        for t in range(2):
            write_labels(str(tmp_path), "", name, t, Box((0, 0, 0), (4, 60, 50)), labels + t)
    found = read_labels(str(tmp_path), "", "cells", 1, Box((1, 10, 0), (3, 20, 9)))
    np.testing.assert_array_equal(found, labels[1:3, 10:20, :9] + 1)
    assert zarr.open_group(tmp_path / "labels").attrs["ome"]["labels"] == ["nuclei", "cells"]
    assert zarr.open_array(tmp_path / "labels/cells/0").shape == (2, 4, 60, 50)


def test_processes_create_at_once(tmp_path):
    job = partial(
        create_labels, str(tmp_path), axes="yx", shape=(1, 1, 1, 300, 300), spacing_um=(1, 1, 1),
        names=["nuclei"], name="nuclei", source="../..",
    )  # fmt: skip
    paths = [f"A/{column:02d}/0" for column in range(12)] * 2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(job, paths))
    assert len(list(tmp_path.glob("A/*/0/labels/nuclei/zarr.json"))) == 12
    assert not list(tmp_path.rglob("*.partial"))


def test_digest_is_of_the_content(tmp_path):
    labels = some_labels((1, 600, 500))
    create(tmp_path, labels)
    write_all(tmp_path, labels)
    expected = hashlib.sha256(b"int32(1, 1, 600, 500)" + labels.tobytes()).hexdigest()
    assert labels_digest(str(tmp_path), "A/01/0", "nuclei") == expected
    labels[0, 599, 499] += 1
    write_all(tmp_path, labels)
    assert labels_digest(str(tmp_path), "A/01/0", "nuclei") != expected


# ---- damage


def read_whole(root, shape, level=0):
    return read_labels(str(root), "A/01/0", "nuclei", 0, Box((0, 0, 0), shape), level)


@pytest.mark.parametrize("damage", ["absent", "short", "empty", "flipped"])
def test_damage_is_found(tmp_path, damage):
    labels = np.zeros((1, 600, 600), np.int32)
    create(tmp_path, labels)
    write_all(tmp_path, labels)
    assert not read_whole(tmp_path, labels.shape).any()
    file = shard_file(tmp_path)
    content = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        last = bytes([content[-1] ^ 255])
        file.write_bytes(
            {"short": content[:-20], "empty": b"", "flipped": content[:-1] + last}[damage]
        )
    with pytest.raises(StoreUnavailable, match="Run the segment step again"):
        read_whole(tmp_path, labels.shape)
    with pytest.raises(StoreUnavailable):
        labels_digest(str(tmp_path), "A/01/0", "nuclei")
    write_all(tmp_path, labels)
    assert file.read_bytes() == content


def test_killed_writer_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    labels = some_labels((1, 600, 600))
    create(tmp_path, labels)

    def killed(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_all(tmp_path, labels)
    with pytest.raises(StoreUnavailable, match="absent"):
        read_whole(tmp_path, labels.shape)
    write_all(tmp_path, labels)
    np.testing.assert_array_equal(read_whole(tmp_path, labels.shape), labels)


@pytest.mark.usefixtures("small_shards")
def test_coarse_levels_need_all_shards(tmp_path):
    labels = some_labels((1, 1500, 1100))
    create(tmp_path, labels)
    first = next(iter(label_shards(labels.shape))).core
    write_labels(str(tmp_path), "A/01/0", "nuclei", 0, first, labels[first.slices])
    with pytest.raises(StoreUnavailable):
        write_coarse_labels(str(tmp_path), "A/01/0", "nuclei", 0)


def test_refusals(tmp_path):
    labels = some_labels((1, 60, 60))
    with pytest.raises(StoreUnavailable, match="no label image"):
        write_all(tmp_path, labels)
    with pytest.raises(BadInput, match="axes 'xy'"):
        create(tmp_path, labels, "xy")
    with pytest.raises(BadInput, match="along 'z'"):
        create(tmp_path, np.zeros((2, 60, 60), np.int32), "cyx")
    create(tmp_path, labels)
    write = partial(write_labels, str(tmp_path), "A/01/0", "nuclei", 0)
    with pytest.raises(BadInput, match="whole shards"):
        write(Box((0, 0, 0), (1, 30, 60)), labels[:, :30])
    with pytest.raises(BadInput, match="Renumber"):
        write(Box((0, 0, 0), (1, 60, 60)), labels - 1)
    with pytest.raises(BadConfig, match="URL"):
        read_labels("s3://b/x", "", "nuclei", 0, Box((0, 0, 0), (1, 1, 1)))


# ---- images


def slow_mean(plane):
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
def test_mean_pyramid(dtype):
    rng = np.random.default_rng(1)
    pixels = rng.integers(-9 if dtype == "int16" else 0, 250, (1, 1, 1, 9, 301)).astype(dtype)
    if dtype == "uint32":
        pixels += np.uint32(4_000_000_000)
    one = mean_pyramid(pixels)[1]
    assert one.shape == (1, 1, 1, 5, 151)
    np.testing.assert_allclose(one[0, 0, 0], slow_mean(pixels[0, 0, 0]), rtol=1e-6)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "float32"])
def test_image_round_trip_same_bytes(tmp_path, version, dtype):
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


def test_image_shards_make_few_files(tmp_path):
    pixels = np.zeros((1, 3, 1, 1300, 300), np.uint16)
    shard = image_shard(pixels.shape, 2)
    write_image(str(tmp_path / "i"), pixels, "cyx", None, ["a", "b", "c"], shard=shard)
    assert zarr.open_array(tmp_path / "i/0").shards == (3, 2048, 300)
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 4 + 4 + 1
    axes = zarr.open_group(tmp_path / "i").attrs["ome"]["multiscales"][0]["axes"]
    assert all("unit" not in a for a in axes), "nothing is invented"
    assert image_shard((9, 4, 100, 5000, 5000), 2) == (1, 1, 1, 5120, 5120)


def test_image_refusals(tmp_path):
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


def test_plate_refusals(tmp_path):
    with pytest.raises(BadInput, match="needs wells"):
        write_plate(str(tmp_path), "p", {})
    with pytest.raises(BadInput, match="acquisition"):
        write_plate(str(tmp_path), "p", {("A", "01"): [Field("0", 3)]})
