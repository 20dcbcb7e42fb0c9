"""A batch file says the same as its batch, short or as earlier versions wrote it."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.batch import Batch, Item, columns_as_json

ITEM = Item("", "P", "A01", "A", "01", "0", None, 0)
ITEMS = st.builds(
    Item,
    st.text(max_size=3), st.sampled_from(["", "P"]), st.sampled_from(["", "A01", "B02"]),
    st.sampled_from(["A", "B"]), st.just("01"), st.sampled_from(["0", "1"]),
    st.sampled_from([None, 0, 3]), st.sampled_from([0, 81, 2**40]),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(ITEMS, max_size=5))
def test_a_batch_file_gives_the_same_batch(items: list[Item]) -> None:
    batch = Batch("d", "u", "0000", tuple(items))
    value = json.loads(json.dumps(batch.as_json()))
    assert Batch.from_json(value) == batch
    assert value == batch.as_json(), "or it would be rewritten by every scan"


def test_files_of_earlier_versions_are_read() -> None:
    batch = Batch("d", "u", "0000", (replace(ITEM, acquisition=3), ITEM))
    assert Batch.from_json({**asdict(batch), "items": [asdict(i) for i in batch.items]}) == batch


def test_what_all_images_share_is_written_once() -> None:
    columns = {name: [value] * 900 for name, value in asdict(ITEM).items()}
    columns["path"] = [f"A/01/{i}" for i in range(900)]
    text = json.dumps(columns_as_json("d", "u", "0000", columns))
    assert text.count("A01") == 1
    assert len(text) < 900 * 15


@pytest.mark.parametrize("change", [{"path": ["a"]}, {"well": ["A01"]}, {"more": "x"}])
def test_a_file_that_is_damaged_is_none(change: dict[str, object]) -> None:
    value = Batch("d", "u", "0000", (ITEM, replace(ITEM, path="b", well="B02"))).as_json()
    with pytest.raises(ValueError, match=r"zip\(\)|allowed: path"):
        Batch.from_json({**value, "items": value["items"] | change})
