"""Label images on disk: same bytes whatever the order, damage found, levels right."""

import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import (
    BadConfig,
    BadInput,
    Index,
    Labels,
    StoreUnavailable,
)
from voxelmill.store import inventory, label_layout, open_image
from voxelmill.store.label_document import array_document
from voxelmill.store.label_layout import halved, label_levels, label_shards
from voxelmill.store.labels import (
    create_labels,
    labels_digest,
    read_labels,
    write_coarse_labels,
    write_labels,
)
from voxelmill.store.shard_file import LOST, ZSTD_LEVEL


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file()
    }


def some_labels(shape: Index, seed: int = 0) -> Labels:
    rng = np.random.default_rng(seed)
    coarse = tuple(-(-n // 13) for n in shape)
    ids = rng.integers(0, 5000, coarse).astype(np.int32) * (rng.random(coarse) < 0.6)
    grown = np.kron(ids, np.ones((13, 13, 13), np.int32))
    return np.ascontiguousarray(grown[tuple(slice(n) for n in shape)], dtype=np.int32)


Levels: TypeAlias = "list[Index] | None"


def create(root: Path, labels: Labels, axes: str = "cyx", levels: Levels = None) -> None:
    shape = (1, 2, *labels.shape)
    spacing = (2, 0.5, 0.5)
    create_labels(
        str(root), "A/01/0", axes, shape, spacing, ["nuclei"], "nuclei", "../../x", levels
    )


def write_all(root: Path, labels: Labels, order: int = 1, name: str = "nuclei") -> int:
    total = 0
    for block in list(label_shards(labels.shape))[::order]:
        part = labels[block.core.slices]
        total += write_labels(str(root), "A/01/0", name, 0, block.core, part).bytes
    return total + write_coarse_labels(str(root), "A/01/0", name, 0).bytes


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_layout, "SHARD_EDGE", 1024)


def shard_file(root: Path, level: int = 0) -> Path:
    return next(p for p in sorted(root.glob(f"**/nuclei/{level}/c/**/*")) if p.is_file())


# ---- layout

lengths = st.integers(1, 12_000)
shapes = st.tuples(st.sampled_from([1, 1, 3, 20, 70]), lengths, lengths)


@given(shapes)
@settings(max_examples=60, deadline=None)
def test_no_two_shards_write_one_file(shape: Index) -> None:
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
def test_default_levels_are_strides(shape: Index) -> None:
    for level in label_levels(shape):
        assert level.shape == tuple(-(-n // f) for n, f in zip(shape, level.factor, strict=True))


def test_few_files() -> None:
    levels = label_levels((1, 32768, 32768))
    assert sum(len(Grid(v.shape, v.shard)) for v in levels) <= 400
    assert sum(len(Grid(v.shape, v.shard)) for v in label_levels((1, 2160, 2160))) == 5


def test_levels_of_the_image_are_followed() -> None:
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
def test_round_trip_and_strided_levels(tmp_path: Path, shape: Index, levels: Levels) -> None:
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


@pytest.mark.usefixtures("small_shards")
def test_same_bytes_in_any_order_and_again(tmp_path: Path) -> None:
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
def test_union_of_shards_is_the_shards(tmp_path: Path) -> None:
    labels = some_labels((1, 1500, 1100))
    for name in ("a", "b"):
        create(tmp_path / name, labels)
    write_all(tmp_path / "a", labels)
    whole = Box((0, 0, 0), labels.shape)
    written = write_labels(str(tmp_path / "b"), "A/01/0", "nuclei", 0, whole, labels).bytes
    written += write_coarse_labels(str(tmp_path / "b"), "A/01/0", "nuclei", 0).bytes
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    assert written == sum(p.stat().st_size for p in tmp_path.glob("b/**/c/**/*") if p.is_file())


def test_time_points_and_several_names(tmp_path: Path) -> None:
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


def test_processes_create_at_once(tmp_path: Path) -> None:
    job = partial(
        create_labels, str(tmp_path), axes="yx", shape=(1, 1, 1, 300, 300), spacing_um=(1, 1, 1),
        names=["nuclei"], name="nuclei", source="../..",
    )  # fmt: skip
    paths = [f"A/{column:02d}/0" for column in range(12)] * 2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(job, paths))
    assert len(list(tmp_path.glob("A/*/0/labels/nuclei/zarr.json"))) == 12
    assert not list(tmp_path.rglob("*.partial"))


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    labels = some_labels((1, 600, 500))
    create(tmp_path, labels)
    write_all(tmp_path, labels)
    expected = hashlib.sha256(b"int32(1, 1, 600, 500)" + labels.tobytes()).hexdigest()
    assert labels_digest(str(tmp_path), "A/01/0", "nuclei") == expected
    labels[0, 599, 499] += 1
    write_all(tmp_path, labels)
    assert labels_digest(str(tmp_path), "A/01/0", "nuclei") != expected


# ---- damage


def read_whole(root: Path, shape: Index, level: int = 0) -> Labels:
    return read_labels(str(root), "A/01/0", "nuclei", 0, Box((0, 0, 0), shape), level)


@pytest.mark.parametrize("damage", ["absent", "short", "empty", "flipped"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
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


def test_zarr_writes_the_same_array(tmp_path: Path) -> None:
    """A slow trusted writer: same values, and the same inner chunks stored and left out."""
    labels = some_labels((40, 700, 300))
    create(tmp_path / "ours", labels, "czyx")
    write_all(tmp_path / "ours", labels)
    shutil.copytree(tmp_path / "ours", tmp_path / "zarr", ignore=shutil.ignore_patterns("c"))
    folder = "A/01/0/labels/nuclei"
    with zarr.config.set({"array.write_empty_chunks": True}):
        zarr.open_array(tmp_path / "zarr" / folder / "0", mode="r+")[...] = labels
    own = zarr.open_array(tmp_path / "ours" / folder / "0", mode="r")
    np.testing.assert_array_equal(own[...], labels)
    found = [inventory(open_image(str(tmp_path / n / folder))) for n in ("ours", "zarr")]
    assert found[0].stored == found[0].expected == found[1].stored


def test_written_says_what_the_files_are(tmp_path: Path) -> None:
    labels = some_labels((1, 600, 600))
    create(tmp_path, labels)
    box = Box((0, 0, 0), labels.shape)
    written = write_labels(str(tmp_path), "A/01/0", "nuclei", 0, box, labels)
    files = [p.read_bytes() for p in sorted(tmp_path.glob("**/nuclei/*/c/**/*")) if p.is_file()]
    assert written.bytes == sum(map(len, files))
    assert written.digest == hashlib.sha256(b"".join(files)).hexdigest()
    labels[0, 5, 5] += 1
    assert write_labels(str(tmp_path), "A/01/0", "nuclei", 0, box, labels).digest != written.digest


@pytest.mark.parametrize("axes", ["yx", "tzyx"])
def test_what_killed_writers_left_is_swept(tmp_path: Path, axes: str) -> None:
    times = 2 if "t" in axes else 1
    box = Box((0, 0, 0), (1, 60, 50))
    create_labels(str(tmp_path), "", axes, (times, 1, *box.shape), None, ["n"], "n", "..")
    for t in range(times):
        write_labels(str(tmp_path), "", "n", t, box, some_labels(box.shape))
    rest = [f.with_name(f".{f.name}.1a2b.partial") for f in tmp_path.glob("labels/n/0/c/**/0")]
    rest = [f for f in rest if not f.with_name("0").is_dir()]
    assert len(rest) == times
    for file in rest:
        file.write_bytes(b"half")
    write_coarse_labels(str(tmp_path), "", "n", 0)
    assert [f.exists() for f in sorted(rest)] == [False, True][:times]


def die_while_writing(root: Path, labels: Labels) -> None:
    """Write in a process that dies at the moment when the first file would get its name."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: os._exit(9))
        write_all(root, labels)


def test_killed_writer_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    labels = some_labels((1, 600, 600))
    create(tmp_path, labels)
    process = get_context("spawn").Process(target=die_while_writing, args=(tmp_path, labels))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert list(tmp_path.rglob("*.partial")), "it died while writing"
    with pytest.raises(StoreUnavailable, match="is missing"):
        read_whole(tmp_path, labels.shape)
    write_all(tmp_path, labels)
    np.testing.assert_array_equal(read_whole(tmp_path, labels.shape), labels)


@pytest.mark.usefixtures("small_shards")
def test_coarse_levels_need_all_shards(tmp_path: Path) -> None:
    labels = some_labels((1, 1500, 1100))
    create(tmp_path, labels)
    first = next(iter(label_shards(labels.shape))).core
    write_labels(str(tmp_path), "A/01/0", "nuclei", 0, first, labels[first.slices])
    with pytest.raises(StoreUnavailable):
        write_coarse_labels(str(tmp_path), "A/01/0", "nuclei", 0)


def test_refusals(tmp_path: Path) -> None:
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
    with pytest.raises(BadConfig, match="read only"):
        read_labels("https://b/x", "", "nuclei", 0, Box((0, 0, 0), (1, 1, 1)))


@pytest.mark.parametrize(
    ("axes", "times", "shape"),
    [("yx", 1, (1, 1080, 1080)), ("tyx", 3, (1, 70, 5000)), ("tzyx", 2, (40, 700, 300))],
)
def test_metadata_are_the_bytes_that_zarr_would_write(
    axes: str, times: int, shape: tuple[int, int, int]
) -> None:
    for level in label_levels(shape, None):
        lengths = [
            {"t": n, **dict(zip("zyx", along, strict=True))}
            for n, along in ((times, level.shape), (1, level.chunk), (1, level.shard))
        ]
        whole, chunks, shards = (tuple(of[a] for a in axes) for of in lengths)
        files: dict[str, zarr.core.buffer.Buffer] = {}
        zarr.create_array(
            zarr.storage.MemoryStore(files),
            shape=whole,
            chunks=chunks,
            shards=shards,
            dtype="int32",
            fill_value=LOST,
            compressors=zarr.codecs.ZstdCodec(level=ZSTD_LEVEL),
            dimension_names=list(axes),
        )
        assert array_document(axes, times, level) == files["zarr.json"].to_bytes()
