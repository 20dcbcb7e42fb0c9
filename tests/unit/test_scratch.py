"""Scratch files: what is read is what was written, or an error that says what to do."""

import ast
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from voxelmill import scratch
from voxelmill.plugin import Array
from voxelmill.scratch import ScratchError, load, load_all, save

KINDS = st.sampled_from(["i4", "i8", "f8", "u2", "?", ">u2"])


@settings(max_examples=60)
@given(array=KINDS.flatmap(lambda kind: arrays(kind, array_shapes(min_side=0, max_dims=4))))
def test_arrays_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, array: Array
) -> None:
    path = tmp_path_factory.mktemp("s") / "deep" / "a.block"
    turned = array.T
    save(path, one=array, other=turned)
    again, other = load(path, "one", "other")
    assert again.dtype == array.dtype
    assert other.flags.c_contiguous
    np.testing.assert_array_equal(again, array)
    np.testing.assert_array_equal(other, turned)
    assert list(load_all(path)) == ["one", "other"]
    assert [p.name for p in path.parent.iterdir()] == ["a.block"], "no part file stays"


@pytest.mark.parametrize(
    ("array", "most"),
    [
        (np.zeros(1 << 16), 5000),
        (np.random.default_rng(0).bytes(1 << 16), (1 << 16) + 200),
        (np.arange(100), 1000),
    ],
    ids=["compresses", "does not", "is small"],
)
def test_no_file_is_larger_than_its_arrays(tmp_path: Path, array: object, most: int) -> None:
    plain = np.frombuffer(array, np.uint8) if isinstance(array, bytes) else np.asarray(array)
    save(tmp_path / "a", x=plain)
    np.testing.assert_array_equal(load(tmp_path / "a", "x")[0], plain)
    assert (tmp_path / "a").stat().st_size < most


@pytest.mark.parametrize("piece", [1000, 5000])
def test_large_arrays_are_cut_into_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(scratch, "PIECE", piece)
    array = np.arange(3333, dtype=np.int64)
    save(tmp_path / "a", x=array)
    np.testing.assert_array_equal(load(tmp_path / "a", "x")[0], array)


@pytest.mark.parametrize("damage", ["cut", "flip", "head", "absent", "name"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.block"
    save(path, x=np.arange(500))
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-3])
    elif damage == "flip":
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif damage == "head":
        path.write_bytes(b"PK" + data)
    elif damage == "absent":
        path.unlink()
    with pytest.raises(ScratchError, match=r"a.block: scratch file absent or damaged .*run again"):
        load(path, "y" if damage == "name" else "x")


def test_many_threads_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading numpy's own files goes through `ast`, which is not safe in threads everywhere."""
    save(tmp_path / "a", x=np.arange(100))
    monkeypatch.setattr(ast, "literal_eval", None)
    monkeypatch.setattr(ast, "parse", None)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                load(tmp_path / "a", "x")
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
