"""Chunks stored and missing: on disk, in shards, over HTTP."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trees import write_image
from voxelmill.ngff import ArrayInfo
from voxelmill.store import Inventory, inventory, open_image
from voxelmill.store.local import LocalObjects
from voxelmill.store.shards import wanted_chunks
from webserver import serve


def _write(root: Path, version: str = "0.5", index: str = "", **options: object) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(1, 99, (2, 20, 26)).astype("<u2")
    shards = {"shape": (2, 8, 12), "index_location": index} if index else None
    write_image(root, pixels, "cyx", version, (1, 4, 4), shards, **options)  # type: ignore[arg-type]
    return pixels


def _count(root: Path, path: str = "") -> Inventory:
    return inventory(open_image(str(root), path))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("separator", ["/", "."])
def test_plain_chunks(tmp_path: Path, version: str, separator: str) -> None:
    name = "v2" if version == "0.4" else "default"
    options = {"chunk_key_encoding": {"name": name, "separator": separator}}
    root = tmp_path / "i.zarr"
    _write(root, version, array_options=options)
    whole = _count(root)
    assert (whole.stored, whole.expected, whole.missing) == (70, 70, ())
    assert whole.complete
    start = "" if version == "0.4" else f"c{separator}"
    files = [p for p in (root / "0").rglob("*") if p.is_file() and p.name[0] not in ".z"]
    sizes = {p.relative_to(root / "0").as_posix(): p.stat().st_size for p in files}
    assert whole.bytes == sum(sizes.values())
    lines = "".join(f"{key} {size}\n" for key, size in sorted(sizes.items()))
    assert whole.digest == hashlib.sha256(lines.encode()).hexdigest()
    gone = root / "0" / f"{start}1{separator}2{separator}3"
    gone.unlink()
    (root / "0" / f"{start}0{separator}0{separator}1").write_bytes(b"")
    (root / "0" / f"{start}1{separator}2{separator}9").write_bytes(b"not of this array")
    some = _count(root)
    assert (some.stored, some.expected) == (68, 70)
    keys = (f"0{separator}0{separator}1", f"1{separator}2{separator}3")
    assert some.missing == tuple(f"0/{start}{key}" for key in keys)
    assert some.digest != whole.digest


def test_first_few_missing_and_none(tmp_path: Path) -> None:
    root = tmp_path / "i.zarr"
    _write(root)
    shutil.rmtree(root / "0" / "c")
    none = _count(root)
    assert (none.stored, none.expected, none.bytes, len(none.missing)) == (0, 70, 0, 5)
    assert none.digest == hashlib.sha256(b"").hexdigest()


def test_fill_valued_chunks_that_were_left_out(tmp_path: Path) -> None:
    root = tmp_path / "i.zarr"
    _write(root)
    whole = _count(root)
    (root / "0" / "c" / "0" / "0" / "0").unlink()
    assert _count(root).missing == ("0/c/0/0/0",)
    assert whole.stored - _count(root).stored == 1


@pytest.mark.parametrize("index", ["start", "end"])
def test_shards(tmp_path: Path, index: str) -> None:
    root = tmp_path / "i.zarr"
    _write(root, index=index)
    whole = _count(root)
    # 5 rows by 7 columns of inner chunks lie in the image; shards hold 2 by 3 of them, twice
    assert (whole.stored, whole.expected, whole.missing) == (70, 70, ())
    shard = root / "0" / "c" / "0" / "1" / "1"
    data = bytearray(shard.read_bytes())
    start = 0 if index == "start" else len(data) - (16 * 12 + 4)
    absent = (2**64 - 1).to_bytes(8, "little") * 2
    entry = start + 16 * 7  # channel 1, inner row 0, inner column 1
    table = bytearray(data[start : start + 16 * 12])
    table[entry - start : entry - start + 16] = absent
    _put_index(shard, data, start, table)
    some = _count(root)
    assert (some.stored, some.expected) == (69, 70)
    assert some.missing == ("0/c/0/1/1 inner 1,0,1",)
    data[start + 3] ^= 255
    shard.write_bytes(data)
    assert _count(root).missing == ("0/c/0/1/1",)
    assert _count(root).stored == 70 - 12


def _put_index(shard: Path, data: bytearray, start: int, table: bytearray) -> None:
    import google_crc32c

    check = google_crc32c.value(bytes(table)).to_bytes(4, "little")
    data[start : start + len(table) + 4] = table + check
    shard.write_bytes(data)


@pytest.mark.parametrize("index", ["start", "end"])
def test_damaged_shards(tmp_path: Path, index: str) -> None:
    root = tmp_path / "i.zarr"
    _write(root, index=index)
    first, second = root / "0/c/0/0/0", root / "0/c/0/2/2"
    first.write_bytes(b"")
    second.unlink()
    some = _count(root)
    # the last shard lies at the corner: 1 of 2 rows and 1 of 3 columns of it are in the image
    assert (some.stored, some.expected) == (70 - 12 - 2, 70)
    assert some.missing == ("0/c/0/0/0", "0/c/0/2/2")
    third = root / "0/c/0/1/0"
    third.write_bytes(third.read_bytes()[:-50])
    assert _count(root).stored < 56


def test_shards_over_http(tmp_path: Path) -> None:
    _write(tmp_path / "i.zarr", index="end")
    (tmp_path / "i.zarr/0/c/0/0/1").unlink()
    with serve(tmp_path) as server:
        assert inventory(open_image(f"{server.url}/i.zarr")) == _count(tmp_path / "i.zarr")


def test_level_and_path(tmp_path: Path) -> None:
    root = tmp_path / "p.zarr" / "B" / "3" / "0"
    _write(root, paths=("s0", "s1"))
    image = open_image(str(tmp_path / "p.zarr"), "B/3/0")
    (root / "s1" / "c" / "1" / "0" / "0").unlink()
    assert inventory(image).complete
    assert inventory(image, 1).missing == ("B/3/0/s1/c/1/0/0",)


def test_names_that_are_not_files(tmp_path: Path) -> None:
    root = tmp_path / "i.zarr"
    _write(root)
    chunk = root / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    chunk.symlink_to(tmp_path / "nowhere")
    assert _count(root).missing == ("0/c/0/0/0",)
    chunk.unlink()
    chunk.mkdir()
    assert _count(root).missing == ("0/c/0/0/0",)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_every_inner_chunk_is_wanted_once(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))
    chunks = data.draw(st.tuples(*[st.integers(1, 3)] * rank))
    per = data.draw(st.tuples(*[st.integers(1, 3)] * rank))
    shape = data.draw(st.tuples(*[st.integers(1, 20)] * rank))
    shards = tuple(c * n for c, n in zip(chunks, per, strict=True))
    array = ArrayInfo(shape, "<u2", chunks, shards, (), "c", "/", "")
    total = sum(int(wanted_chunks(array, index).sum()) for index in array.indices())
    assert total == np.prod([-(-n // c) for n, c in zip(shape, chunks, strict=True)])
    for index in array.indices():
        assert array.index(array.key(index)) == index


def test_local_sizes_only_of_what_is_asked(tmp_path: Path) -> None:
    for key, text in {"a/0/0": "xx", "a/0/1": "", "b/0": "x"}.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_text(text)
    objects = LocalObjects(tmp_path)
    assert objects.sizes("a", ["0/0", "0/1", "0/2"]) == {"0/0": 2, "0/1": 0}
    assert objects.sizes("none", ["0/0"]) == {}
    assert objects.get_range("a/0/0", 1, 5) == b"x"
    assert objects.get("a") is None
