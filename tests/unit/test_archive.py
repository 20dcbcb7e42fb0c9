"""Zipped OME-Zarr: the same tree gives the same bytes, others read it, damage is an error."""

import json
import os
import struct
import subprocess
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from ome_zarr_models import open_ome_zarr

from voxelmill.blocks import Box
from voxelmill.plugin import Labels, StoreUnavailable
from voxelmill.store.archive import pack
from voxelmill.store.labels import create_labels, labels_digest, read_labels, write_labels
from voxelmill.store.objects import objects_at
from voxelmill.store.open import open_image
from voxelmill.store.read import read_box

SHAPE = (1, 300, 260)
WHOLE = Box((0, 0, 0), SHAPE)
IMAGES = ("A/01/0", "A/01/1", "B/12/0")
NAMES = st.lists(
    st.sampled_from(["zarr.json", "a", "b", "c", "ä", "0", "1", "labels"]), min_size=1, max_size=4
)


def some_labels(seed: int = 0) -> Labels:
    ids = np.random.default_rng(seed).integers(0, 500, (1, 15, 13))
    return np.kron(ids, np.ones((1, 20, 20))).astype(np.int32)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "labels.ome.zarr"
    for seed, image in enumerate(IMAGES):
        for name in ("nuclei", "cells"):
            shape = (1, 1, *SHAPE)
            create_labels(str(root), image, "yx", shape, None, ["nuclei", "cells"], name, "../x")
            write_labels(str(root), image, name, 0, WHOLE, some_labels(seed))
    return root


@pytest.fixture
def archive(tree: Path, tmp_path: Path) -> Path:
    pack(tree, tmp_path / "0000.ozx")
    return tmp_path / "0000.ozx"


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@given(
    st.dictionaries(NAMES.map("/".join), st.binary(max_size=50), min_size=1, max_size=12),
    st.randoms(),
)
def test_bytes_depend_on_the_tree_alone(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], shuffled: Random
) -> None:
    made = []
    for turn in range(2):
        folder = tmp_path_factory.mktemp("tree")
        names = [n for n in files if not any(o.startswith(f"{n}/") for o in files)]
        shuffled.shuffle(names)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(files[name])
            os.utime(folder / name, (turn * 10**9, turn * 10**9))
            (folder / name).chmod(0o600 + 0o44 * turn)
        out = tmp_path_factory.mktemp("out") / "x.ozx"
        pack(folder, out)
        made.append(out.read_bytes())
        with zipfile.ZipFile(out) as found:
            assert found.testzip() is None
            assert {n: found.read(n) for n in found.namelist()} == contents(folder)
    assert made[0] == made[1]


def test_metadata_come_first_from_the_root_down(archive: Path) -> None:
    with zipfile.ZipFile(archive) as found:
        names = found.namelist()
        offsets = [i.header_offset for i in found.infolist()]
        assert json.loads(found.comment) == {
            "ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        }
        assert {i.compress_type for i in found.infolist()} == {zipfile.ZIP_STORED}
    documents = [n for n in names if n.endswith("zarr.json")]
    assert names[: len(documents)] == documents
    assert names[0] == "zarr.json"
    assert all(a.count("/") <= b.count("/") for a, b in pairwise(documents))
    assert offsets == sorted(offsets)
    data = archive.read_bytes()
    assert data[:4] == b"PK\3\4"
    assert data.count(b"PK\6\6") == data.count(b"PK\6\7") == 1, "ZIP64 ends whatever the size"


def test_the_record_is_of_what_was_written(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "x.ozx"
    packed = pack(tree, out)
    assert packed.bytes == out.stat().st_size
    said = subprocess.run(["sha256sum", out], check=True, capture_output=True, text=True).stdout
    assert said.startswith(packed.sha256)
    assert [p.name for p in out.parent.iterdir()] == ["x.ozx"]


def test_what_killed_writers_left_is_not_packed(tree: Path, tmp_path: Path, archive: Path) -> None:
    (tree / "A" / ".zarr.json.1f.partial").write_text("{")
    pack(tree, tmp_path / "other.ozx")
    assert (tmp_path / "other.ozx").read_bytes() == archive.read_bytes()


def test_a_broken_write_leaves_the_old_archive(
    tree: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = archive.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("gone")))
        (tree / "new").write_text("x")
        with pytest.raises(OSError, match="gone"):
            pack(tree, archive)
    assert archive.read_bytes() == before
    assert not list(archive.parent.glob(".*.part"))


@pytest.mark.filterwarnings("error")
def test_zarr_and_the_models_read_it(archive: Path, tree: Path) -> None:
    store = zarr.storage.ZipStore(archive, mode="r")
    group = zarr.open_group(store, mode="r")
    for image in IMAGES:
        assert type(open_ome_zarr(group[f"{image}/labels"])).__name__ == "Labels"
        assert type(open_ome_zarr(group[f"{image}/labels/nuclei"])).__name__ == "ImageLabel"
        for level in group[f"{image}/labels/nuclei"].attrs["ome"]["multiscales"][0]["datasets"]:
            path = f"{image}/labels/nuclei/{level['path']}"
            np.testing.assert_array_equal(group[path][:], zarr.open_array(tree / path)[:])


def test_it_reads_as_the_folder_does(archive: Path, tree: Path) -> None:
    folder, packed = objects_at(str(tree)), objects_at(str(archive))
    keys = [*contents(tree), "absent", "A/01", "A/01/0/labels/zarr.json/x"]
    assert packed.get_many(keys) == folder.get_many(keys)
    assert packed.sizes("A/01/0", ["labels/zarr.json", "no"]) == folder.sizes(
        "A/01/0", ["labels/zarr.json", "no"]
    )
    for key in keys:
        assert (packed.stamp(key) is None) == (packed.get(key) is None)
        for span in ((0, 4), (3, 10**6), (10**6, 1)):
            assert packed.get_range(key, *span) == folder.get_range(key, *span)
            assert packed.get_tail(key, span[1]) == folder.get_tail(key, span[1])


def test_labels_are_read_through_it(archive: Path, tree: Path) -> None:
    box = Box((0, 30, 40), (1, 210, 77))
    for image in IMAGES:
        inside = f"{image}/labels/cells"
        expected = read_labels(str(tree), image, "cells", 0, box)
        np.testing.assert_array_equal(read_labels(str(archive), image, "cells", 0, box), expected)
        for url, path in ((archive, inside), (archive / image, "labels/cells")):
            found = open_image(str(url), path)
            np.testing.assert_array_equal(read_box(found, 0, [0], box)[0], expected)
            np.testing.assert_array_equal(read_box(found, 0, [0], box, sparse=True)[0], expected)
    assert labels_digest(str(archive), IMAGES[0], "cells") == labels_digest(
        str(tree), IMAGES[0], "cells"
    )


def test_zarr_reads_what_is_inside(archive: Path, tree: Path) -> None:
    """For the codecs that are left to it."""
    store = objects_at(str(archive / "A/01/0")).zarr_store()
    array = zarr.open_array(store, path="labels/nuclei/0", mode="r")
    np.testing.assert_array_equal(array[:], zarr.open_array(tree / "A/01/0/labels/nuclei/0")[:])


def test_a_new_archive_is_read_anew(archive: Path, tree: Path) -> None:
    before = read_labels(str(archive), IMAGES[0], "nuclei", 0, WHOLE)
    write_labels(str(tree), IMAGES[0], "nuclei", 0, WHOLE, some_labels(9))
    pack(tree, archive)
    after = read_labels(str(archive), IMAGES[0], "nuclei", 0, WHOLE)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, some_labels(9))


def read_all(archive: Path) -> list[Labels]:
    names = ("nuclei", "cells")
    return [read_labels(str(archive), i, n, 0, WHOLE) for i in IMAGES for n in names]


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_cut_archive_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, whole: Callable[[], bytes], cut: float
) -> None:
    path = tmp_path_factory.mktemp("cut") / "0000.ozx"
    data = whole()
    end = data.rindex(b'{"ome"')  # of the comment nobody but a person needs all
    path.write_bytes(data[: int(cut * end)])
    with pytest.raises(StoreUnavailable, match=r"0000\.ozx.*cut short.*segment.*again"):
        read_all(path)


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_labels(
    tmp_path_factory: pytest.TempPathFactory, whole: Callable[[], bytes], where: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "0000.ozx"
    data = bytearray(whole())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(data)
    error, found = "", []
    try:
        found = read_all(path)
    except StoreUnavailable as raised:
        error = str(raised)
    assert bool(found) or ("0000.ozx" in error and "again" in error)
    for labels, seed in zip(found, (0, 0, 1, 1, 2, 2), strict=bool(found)):
        np.testing.assert_array_equal(labels, some_labels(seed))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], bytes]:
    """Bytes of the archive of `tree`, made once."""
    root, out = tmp_path_factory.mktemp("whole") / "l", tmp_path_factory.mktemp("out") / "0000.ozx"
    for seed, image in enumerate(IMAGES):
        for name in ("nuclei", "cells"):
            shape = (1, 1, *SHAPE)
            create_labels(str(root), image, "yx", shape, None, ["nuclei", "cells"], name, "../x")
            write_labels(str(root), image, name, 0, WHOLE, some_labels(seed))
    pack(root, out)
    return out.read_bytes


def test_every_entry_is_checked(archive: Path) -> None:
    """One byte of each entry in turn is another one."""
    data = archive.read_bytes()
    with zipfile.ZipFile(archive) as found:
        entries = found.infolist()
    for entry in entries:
        extra = struct.unpack_from("<2H", data, entry.header_offset + 26)
        changed = bytearray(data)
        changed[entry.header_offset + 30 + sum(extra) + entry.file_size // 2] ^= 4
        archive.write_bytes(changed)
        with pytest.raises(StoreUnavailable, match=f"checksum of {entry.filename}"):
            objects_at(str(archive)).get(entry.filename)


def test_what_is_absent_or_compressed(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"no\.ozx.*Run the segment step again"):
        read_labels(str(tmp_path / "no.ozx"), "", "nuclei", 0, WHOLE)
    with zipfile.ZipFile(tmp_path / "x.ozx", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("zarr.json", b"{}" * 100)
    with pytest.raises(StoreUnavailable, match="compressed"):
        objects_at(str(tmp_path / "x.ozx")).get("zarr.json")
    (tmp_path / "folder.ozx").mkdir()
    (tmp_path / "folder.ozx" / "a").write_text("b")
    assert objects_at(str(tmp_path / "folder.ozx")).get("a") == b"b"
