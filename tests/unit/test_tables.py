"""Tables keep values, gaps and units, byte for byte the same, whole or not at all."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voxelmill.plugin import StoreUnavailable
from voxelmill.tables import (
    Frame,
    TableWriter,
    numeric,
    read_table,
    rows,
    units,
    write_table,
)

COLUMNS = {
    "name": ["a", None, "ü"],
    "count": np.array([1, 2, 2**40]),
    "value": np.array([0.5, np.nan, np.inf]),
    "seam": np.array([True, False, True]),
    "maybe": [1, None, 3],
}


def test_round_trip(tmp_path: Path) -> None:
    assert write_table(tmp_path / "deep" / "t", COLUMNS, {"value": "µm²"}) == 3
    found = read_table(tmp_path / "deep" / "t")
    assert list(found) == list(COLUMNS)
    assert found["name"] == ["a", None, "ü"]
    assert found["maybe"] == [1, None, 3]
    assert found["seam"].tolist() == [True, False, True]
    np.testing.assert_array_equal(found["count"], COLUMNS["count"])
    np.testing.assert_array_equal(found["value"], COLUMNS["value"])
    assert found["count"].dtype == np.int64
    assert list(read_table(tmp_path / "deep" / "t", ["count", "name"])) == ["count", "name"]


def test_units_are_in_the_field_metadata(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, {"value": "µm²", "absent": "px"})
    assert units(tmp_path / "t") == {"value": "µm²"}
    assert pq.read_schema(tmp_path / "t").field("value").metadata == {b"unit": "µm²".encode()}


def test_nan_stays_nan_and_none_is_null(tmp_path: Path) -> None:
    columns = {"value": np.array([np.nan]), "gap": np.array([1.0]), "text": [None]}
    write_table(tmp_path / "t", columns)
    table = pq.read_table(tmp_path / "t")
    assert table["value"].null_count == 0
    assert table["text"].null_count == 1
    assert np.isnan(read_table(tmp_path / "t")["value"][0])
    write_table(tmp_path / "n", {"value": [1.5, None]})
    assert np.isnan(read_table(tmp_path / "n")["value"]).tolist() == [False, True]


@pytest.mark.parametrize("text", [[], [None], ["x"]])
def test_text_columns_are_text_even_if_empty(tmp_path: Path, text: list[str | None]) -> None:
    write_table(tmp_path / "t", {"text": text})
    assert pq.read_schema(tmp_path / "t").field("text").type == pa.string()


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_table(tmp_path / name, COLUMNS, {"value": "px"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS)
    old = (tmp_path / "t").read_bytes()
    with pytest.raises((pa.ArrowException, ValueError)):
        write_table(tmp_path / "t", {"a": np.zeros(2), "b": np.zeros(3)})
    assert (tmp_path / "t").read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_empty_batch_joins_a_full_one(tmp_path: Path, order: tuple[int, int]) -> None:
    full = {"text": ["x"], "id": np.array([7]), "value": np.array([0.5]), "seam": np.array([True])}
    empty = {
        "text": [],
        "id": np.zeros(0, np.int64),
        "value": np.zeros(0),
        "seam": np.zeros(0, bool),
    }
    for i, columns in zip(order, (full, empty), strict=True):
        write_table(tmp_path / str(i), columns, {"value": "px"})
    assert units(tmp_path / "0") == units(tmp_path / "1") == {"value": "px"}
    joined = read_table([tmp_path / "0", tmp_path / "1"])
    assert {c: list(v) for c, v in joined.items()} == {c: list(v) for c, v in full.items()}
    assert joined["id"].dtype == np.int64
    assert joined["value"].dtype == np.float64


def test_columns_that_one_table_lacks_become_nan(tmp_path: Path) -> None:
    write_table(tmp_path / "a", {"x": np.array([1.0])})
    write_table(tmp_path / "b", {"x": np.array([2.0]), "y": np.array([3.0])})
    np.testing.assert_array_equal(read_table([tmp_path / "a", tmp_path / "b"])["y"], [np.nan, 3.0])


def test_no_files_no_columns() -> None:
    assert read_table([]) == {}


@pytest.mark.parametrize("damage", ["absent", "empty", "cut"])
def test_an_unreadable_table_is_named(tmp_path: Path, damage: str) -> None:
    write_table(tmp_path / "t", COLUMNS)
    if damage == "absent":
        (tmp_path / "t").unlink()
    else:
        whole = (tmp_path / "t").read_bytes()
        (tmp_path / "t").write_bytes(whole[: 0 if damage == "empty" else -5])
    with pytest.raises(StoreUnavailable, match=r"t: cannot be read .*Delete it") as error:
        read_table(tmp_path / "t")
    assert "\n" not in str(error.value)


def test_rows_and_numeric() -> None:
    found = rows({"a": np.array([1, 2]), "b": ["x", None]})
    assert found == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert type(found[0]["a"]) is int
    assert list(numeric(COLUMNS)) == ["count", "value"]
    assert numeric(COLUMNS)["count"].dtype == np.float64


@pytest.mark.parametrize("numbers", [[None, None, None], [3, None, 0], [1, 2, 3]])
def test_a_frame_gives_back_what_it_holds(tmp_path: Path, numbers: list[int | None]) -> None:
    columns = {"text": ["b", "a", "b"], "gap": ["x", None, ""], "number": numbers}
    write_table(tmp_path / "t.parquet", columns)
    frame = Frame.read(tmp_path / "t.parquet", ["number"])
    assert len(frame) == 3
    assert {name: frame.column(name) for name in frame.names} == columns
    assert frame.part(1, 3).column("text") == ["a", "b"]
    assert len(frame.part(2, 2)) == 0


def test_frames_are_written_one_below_the_other(tmp_path: Path) -> None:
    """Also where the first has only nulls, and where their texts differ."""
    first = Frame.of({"text": ["a"] * 3, "number": [None] * 3}, ["number"])
    second = Frame.of({"text": ["b", None], "number": [4, None]}, ["number"])
    with TableWriter(tmp_path / "t.parquet") as writer:
        writer.add(first.having("batch", ["0", "0", "1"]))
        writer.add(second.having("batch", ["x", "y"]).having("batch", ["0", "0"]))
    found = read_table(tmp_path / "t.parquet")
    assert found["text"] == ["a", "a", "a", "b", None]
    assert list(found["number"]) == [None, None, None, 4, None]
    assert found["batch"] == ["0", "0", "1", "0", "0"]
    assert first.having("text", ["c"] * 3).names == ["number", "text"]


def test_a_frame_of_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreUnavailable, match="Delete it"):
        Frame.read(tmp_path / "t.parquet")
