"""Columns that are compared: identical, near enough, or not; and which rows belong together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill.agreement import least_iou, overlap
from voxelmill.batch import Item
from voxelmill.crate.installed import differences
from voxelmill.crate.recorded import Recorded
from voxelmill.ngff import ImageRef
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.reproduction import (
    ATOL,
    DIFFERENT,
    IDENTICAL,
    NOT_COMPARED,
    RTOL,
    WITHIN,
    Column,
    Finding,
    absent,
    deviations,
    family,
    join,
    worst,
)
from voxelmill.steps.originals import Originals, choose, refuse_others
from voxelmill.steps.rerun import cut


def compared(recorded: object, here: object) -> Finding:
    column = Column("Nuclei_AreaShape_Area")
    column.add(recorded, here, lambda row: f"row {row}")
    return column.finding("objects nuclei")


def test_the_same_bits_are_identical_and_nan_is_nan() -> None:
    values = np.array([1.5, np.nan, np.inf, -0.0])
    assert compared(values, values.copy()).verdict == IDENTICAL
    assert compared(np.array([0.0]), np.array([-0.0])).verdict == WITHIN
    assert compared(np.array([np.nan]), np.array([1.0])).verdict == DIFFERENT
    assert compared(np.array([np.inf]), np.array([-np.inf])).verdict == DIFFERENT


@given(st.floats(-1e12, 1e12), st.floats(0, 3))
def test_tolerance_is_relative_to_what_is_recorded(value: float, share: float) -> None:
    allowed = RTOL * abs(value) + ATOL
    there = value + share * allowed
    verdict = compared(np.array([value]), np.array([there])).verdict
    away = abs(there - value)
    if there == value:
        assert verdict == IDENTICAL or value == 0
    else:
        assert verdict == (WITHIN if away / allowed <= 1 else DIFFERENT)


def test_whole_numbers_text_and_gaps_have_to_be_equal() -> None:
    assert compared(np.array([1, 2]), np.array([1, 2], np.int32)).verdict == IDENTICAL
    assert compared(np.array([10**9]), np.array([10**9 + 1])).verdict == DIFFERENT
    assert compared(["a", None], ["a", None]).verdict == IDENTICAL
    assert compared(["a", None], ["a", "b"]).verdict == DIFFERENT
    assert compared([1, None], [1, 2]).verdict == DIFFERENT
    assert compared([1, 2], np.array([1, 2])).verdict == IDENTICAL, "gaps in rows elsewhere"
    assert compared(np.array([True]), np.array([False])).verdict == DIFFERENT


def test_the_worst_row_of_all_portions_is_named() -> None:
    column = Column("a")
    column.add(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-6]), lambda row: f"first {row}")
    column.add(np.array([4.0, 5.0]), np.array([9.0, 5.1]), lambda row: f"second {row}")
    found = column.finding("t")
    assert (found.verdict, found.rows) == (DIFFERENT, 4)
    assert found.note == "3 of 4 rows, the worst second 0: 4.0; here 9.0"


def test_the_verdict_is_the_worst_of_what_was_compared() -> None:
    kinds = (NOT_COMPARED, IDENTICAL, WITHIN, DIFFERENT)
    for i, kind in enumerate(kinds):
        assert worst(Finding("t", "c", k) for k in reversed(kinds[: i + 1])) == kind
    assert worst([]) == NOT_COMPARED


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.integers(1, 5)),
                unique=True), st.randoms())  # fmt: skip
def test_rows_are_joined_by_their_keys_in_any_order(
    rows: list[tuple[str, int, int]], random: object
) -> None:
    other = rows[: len(rows) // 2 + 1]
    random.shuffle(other)  # type: ignore[attr-defined]
    sides = [
        ([r[0] for r in side], *(np.array([r[i] for r in side], np.int64) for i in (1, 2)))
        for side in (rows, other)
    ]
    one, twins = join(*sides)
    assert [rows[i] for i in one] == [other[i] for i in twins]
    assert sorted(one) == list(one)
    assert len(one) == len(other)


def test_an_absent_column_says_nothing() -> None:
    assert absent(np.array([np.nan]))
    assert absent(np.zeros(0, np.int64))
    assert absent([None])
    assert not absent(np.array([0]))
    assert not absent([""])


def test_families_of_columns() -> None:
    assert family("Nuclei_AreaShape_Area") == "Nuclei_AreaShape"
    assert family("ImageQuality_Focus_DNA") == "ImageQuality"
    assert family("Metadata_Count_Nuclei") == "Metadata"


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.data())
def test_least_iou_is_that_of_the_worst_object(values: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)))
    a, b = np.array(values), np.array(other)

    def best(mine: np.ndarray, theirs: np.ndarray, label: int) -> float:  # type: ignore[type-arg]
        here = mine == label
        pairs = [theirs == k for k in set(theirs) - {0}]
        return max([(here & p).sum() / (here | p).sum() for p in pairs], default=0.0)

    scores = [best(a, b, k) for k in set(a) - {0}] + [best(b, a, k) for k in set(b) - {0}]
    assert least_iou(overlap(a, b)) == pytest.approx(min(scores, default=1.0))


REFS = tuple(
    ImageRef(f"{row}/{column:02}/{site}", "p", f"{row}{column:02}", row, f"{column:02}", str(site))
    for row in "AB"
    for column in range(1, 7)
    for site in range(2)
)


def test_a_seed_draws_the_same_whole_wells_again() -> None:
    plate = Originals("plate.zarr", "plate", REFS)
    images, wells = choose(plate, 3, 7)
    assert (images, wells) == choose(plate, 3, 7)
    assert wells == [w for w in plate.wells if w in wells]
    assert images == [ref.path for ref in REFS if ref.well in wells]
    assert len({tuple(choose(plate, 3, seed)[1]) for seed in range(20)}) > 10
    drawn = [well for seed in range(300) for well in choose(plate, 3, seed)[1]]
    assert min(drawn.count(well) for well in plate.wells) > 40, "75 of each are expected"
    assert choose(plate, None, 7) == ([ref.path for ref in REFS], plate.wells)
    with pytest.raises(BadConfig, match="--sample 13: there are 12 wells"):
        choose(plate, 13, 0)


def test_images_are_drawn_where_there_are_no_wells() -> None:
    loose = Originals("c.zarr", "collection", tuple(ImageRef(str(i)) for i in range(9)))
    images, wells = choose(loose, 4, 1)
    assert (len(images), wells) == (4, [])


def test_batches_are_cut_as_recorded_or_as_usual() -> None:
    items = [Item(r.path, r.plate, r.well, r.row, r.column, r.site, None, 9) for r in REFS]
    whole = cut("p", "plate.zarr", items, {})
    assert [len(b.items) for b in whole] == [24]
    recorded = {"0000": [i.path for i in items[:10]], "0001": [i.path for i in items[10:]]}
    mine = cut("p", "elsewhere.zarr", items[12:14], recorded)
    assert [(b.name, b.url, len(b.items)) for b in mine] == [("0001", "elsewhere.zarr", 2)]
    parts = cut("p", "plate.zarr", items, recorded)
    assert [len(b.items) for b in parts] == [10, 14]


def test_other_versions_are_told() -> None:
    recorded = Recorded(
        root="", dataset="d", url="", name="", config={}, lock="0" * 64,
        versions={"numpy": np.__version__, "scipy": "0.1", "nowhere-to-be-found": "1.0",
                  "voxelmill": "0.0.1"},
    )  # fmt: skip
    lines = list(differences(recorded))
    assert lines[0].startswith("voxelmill 0.0.1 is recorded, here is ")
    assert "pip install voxelmill==0.0.1" in lines[0]
    assert lines[1] == "nowhere-to-be-found 1.0 is recorded, here is none"
    assert lines[2].startswith("scipy 0.1 is recorded, here is ")
    assert lines[3:] == ["requirements.lock is another one here"]


def test_lists_and_arrays_of_numbers_deviate_alike() -> None:
    assert deviations([1.0], [2.0]).tolist() == [np.inf]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"a": "other", "b": "2"}, "other chunks are stored of a"),
        ({"a": "1", "b": ""}, "there is nothing to read of b"),
        ({"a": "other", "b": ""}, "other chunks are stored of a; there is nothing to read of b"),
    ],
)
def test_another_input_is_refused_in_words(found: dict[str, str], words: str) -> None:
    recorded = Recorded("", "d", "", "", {}, inputs={"a": "1", "b": "2"})
    refuse_others(recorded, "p.zarr", {"a": "1", "b": "2"})
    said = f"p.zarr: not the input that the crate records: {words}. Another input proves nothing"
    with pytest.raises(BadInput, match=f"^{said}"):
        refuse_others(recorded, "p.zarr", found)
