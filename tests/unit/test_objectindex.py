"""The index of objects comes back as it was written, in portions, whatever portions it came in."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from voxelmill import tables
from voxelmill.objectindex import read_index, write_index
from voxelmill.plugin import StoreUnavailable

PLACES = [("A/01/0", 0, "nuclei"), ("A/01/0", 1, "nuclei"), ("A/01/0", 0, "cells"), ("B", 0, "x")]


def rows(n: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, 2**31, (n, 11))


def test_rows_come_back_by_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS", 50)
    wanted = {place: rows(70 * i, i) for i, place in enumerate(PLACES)}
    assert write_index(tmp_path / "a.parquet", wanted.items()) == 70 * 6
    found: dict[tuple[str, int, str], list[NDArray[np.int64]]] = {}
    for place, part in read_index(tmp_path / "a.parquet"):
        assert len(part) <= 50, "never more than a row group at once"
        found.setdefault(place, []).append(part)
    assert list(found) == PLACES[1:], "a place without objects has no rows"
    for place, parts in found.items():
        np.testing.assert_array_equal(np.concatenate(parts), wanted[place])


@pytest.mark.parametrize("portion", [1, 7, 49, 50, 51, 400])
def test_bytes_do_not_depend_on_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(tables, "ROWS", 50)
    table = rows(317, 3)
    write_index(tmp_path / "whole", [(PLACES[0], table)])
    parts = [(PLACES[0], table[i : i + portion]) for i in range(0, len(table), portion)]
    write_index(tmp_path / "parts", parts)
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_an_index_without_objects(tmp_path: Path) -> None:
    assert write_index(tmp_path / "none", []) == 0
    assert list(read_index(tmp_path / "none")) == []
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        list(read_index(tmp_path / "absent"))


def test_nothing_is_left_of_a_table_that_failed(tmp_path: Path) -> None:
    def broken() -> object:
        yield PLACES[0], rows(5, 0)
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        write_index(tmp_path / "a", broken())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
