"""Batches hold every image once, in order, large ones alone."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.batch import LARGE_VOXELS, Batch, Item, split

ITEM = Item("", "P", "A01", "A", "01", "0", None, 0)


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0, 10, LARGE_VOXELS - 1, LARGE_VOXELS])), st.integers(1, 5))
def test_every_image_is_in_one_batch_in_order(sizes: list[int], most: int) -> None:
    items = [replace(ITEM, path=str(i), voxels=n) for i, n in enumerate(sizes)]
    batches = split("d", "u", items, most)
    assert [i for b in batches for i in b.items] == items
    assert [int(b.name) for b in batches] == list(range(len(batches)))
    assert sorted(b.name for b in batches) == [b.name for b in batches]
    for batch in batches:
        large = [i for i in batch.items if i.voxels >= LARGE_VOXELS]
        assert 1 <= len(batch.items) <= (1 if large else most)
    if LARGE_VOXELS not in sizes:
        assert len(batches) == -(-len(items) // most)


def test_names_sort_beyond_ten_thousand() -> None:
    names = [b.name for b in split("d", "u", [ITEM] * 10_001, 1)]
    assert names == sorted(names)
    assert len(set(names)) == 10_001


def test_a_batch_file_gives_the_same_batch() -> None:
    (batch,) = split("d", "u", [replace(ITEM, acquisition=3), ITEM], 4)
    value = json.loads(json.dumps(batch.as_json()))
    assert Batch.from_json(value) == batch
    assert value == batch.as_json(), "or it would be rewritten by every scan"
