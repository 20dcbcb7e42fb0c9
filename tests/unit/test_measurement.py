"""Every object is measured once, whole, at its absolute place, whatever the blocks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from plain_target import PlainTarget
from samples import balls, photograph
from voxelmill.arrayends import ArraySource
from voxelmill.blocks import Box, Grid
from voxelmill.features import check_features, features
from voxelmill.kernels.objects import extents
from voxelmill.kernels.runs import runs
from voxelmill.measurement import PARENT, MeasureTask, measure_block, measure_objects
from voxelmill.numbering import merge_index
from voxelmill.overframe import over_frame
from voxelmill.ownership import Owners
from voxelmill.plugin import Array, BadConfig, Index, Labels, Pixels, Spacing
from voxelmill.scratch import load_all
from voxelmill.stages import Frame

FAMILIES = tuple(cls() for cls in features().values())
CHANNELS = ("D/N A", "ER")
SPACING: Spacing = (2.0, 0.5, 0.5)


def index_of(labels: Labels) -> NDArray[np.int64]:
    ids, table = extents(runs(labels), labels.shape[1])
    return np.column_stack([ids, table, np.zeros_like(ids)])


@st.composite
def scattered(draw: st.DrawFn) -> tuple[Labels, Grid]:
    """Labels of any shape, in pieces, and a grid."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 14), st.integers(1, 14)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.choice([0, 0, 0, 1, 4, 9, 70_000], shape).astype(np.int32)
    size = draw(st.tuples(*[st.integers(1, 15)] * 3))
    return labels, Grid(shape, size)


@settings(max_examples=60)
@given(scattered())
def test_every_object_has_one_owner_that_reads_it_whole(case: tuple[Labels, Grid]) -> None:
    labels, grid = case
    rows = index_of(labels)
    owners = Owners(grid)
    for portion in (rows[:2], rows[2:], rows[:0]):
        owners.add("a", portion)
    owners.add("none", rows[:0])
    found = owners.blocks()
    seen: list[int] = []
    for place, owned in found.items():
        (mine,) = owned
        assert mine.name == "a"
        core = grid.block(place).core
        for label in mine.ids:
            voxels = np.argwhere(labels == label)
            assert (voxels[0] >= core.start).all()
            assert (voxels[0] < core.stop).all()
            assert (voxels.min(0) >= mine.box.start).all()
            assert (voxels.max(0) < mine.box.stop).all()
        assert mine.ids.tolist() == sorted(mine.ids.tolist())
        assert mine.box.clip(Box((0, 0, 0), grid.shape)) == mine.box
        seen += mine.ids.tolist()
    assert sorted(seen) == [int(i) for i in np.unique(labels) if i]
    assert list(found) == sorted(found)


@settings(max_examples=40)
@given(scattered())
def test_indexes_of_shards_join_to_that_of_the_image(case: tuple[Labels, Grid]) -> None:
    labels, grid = case
    parts = []
    for block in grid:
        rows = index_of(labels[block.core.slices])
        rows[:, 1:10] += np.tile(block.core.start, 3)
        parts.append(rows)
    np.testing.assert_array_equal(merge_index(np.concatenate(parts[::-1])), index_of(labels))


def test_a_seam_anywhere_is_a_seam() -> None:
    part = np.array([[3, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0]])
    other = np.array([[3, 0, 2, 0, 0, 2, 0, 1, 3, 1, 1]])
    assert merge_index(np.concatenate([other, part])).tolist() == [
        [3, 0, 0, 0, 0, 0, 0, 1, 3, 1, 1]
    ]
    assert merge_index(part[:0]).shape == (0, 11)


PARENTS = {"rim": ("nuclei",)}
CHILDREN: dict[str, tuple[str, ...]] = {"nuclei": ("rim",), "rim": ()}


def measured(
    folder: Path, sets: dict[str, Labels], pixels: Pixels, size: Index
) -> dict[str, dict[str, Array]]:
    """Measure in blocks; by object set the joined columns, ascending id."""
    shape = next(iter(sets.values())).shape
    grid = Grid((shape[0], shape[1], shape[2]), size)
    target = PlainTarget(str(folder), 1, grid.shape)
    for name, labels in sets.items():
        target.create(name)
        target.write(name, 0, Box((0, 0, 0), grid.shape), labels)
    frame = Frame("f@0", ArraySource(pixels[None], SPACING), target, 0)
    parts: dict[str, list[dict[str, Array]]] = {name: [] for name in sets}
    owners = Owners(grid)
    for name, labels in sets.items():
        owners.add(name, index_of(labels))
    tasks = []
    for place, owned in owners.blocks().items():
        file = str(folder / "deep" / f"{place}.measured")
        task = MeasureTask(frame, CHANNELS, FAMILIES, tuple(owned), file, parents=PARENTS)
        tasks.append(task)
        assert measure_block(task) == sum(o.ids.size for o in owned)
        saved = load_all(Path(file))
        for o in owned:
            names = [k for k in saved if k.startswith(f"{o.name}/")]
            parts[o.name].append({k.split("/", 1)[1]: saved[k] for k in names})
    joined = {}
    for name, tables in parts.items():
        columns = {c: np.concatenate([t[c] for t in tables]) for c in tables[0]}
        order = np.argsort(columns["ObjectNumber"])
        joined[name] = {c: v[order] for c, v in columns.items()}
        joined[name] |= over_frame(tasks, name, FAMILIES, CHANNELS, CHILDREN[name]).columns
    return joined


@pytest.mark.parametrize("shape", [(1, 80, 90), (9, 50, 60)])
def test_tables_do_not_depend_on_blocks_bit_for_bit(tmp_path: Path, shape: Index) -> None:
    nuclei = balls(shape, SPACING, 10, 15)
    sets = {"nuclei": nuclei, "rim": np.where(nuclei % 8 == 1, 0, nuclei)}
    pixels = np.concatenate([photograph(nuclei), photograph(nuclei, 9)])
    image = dict(zip(CHANNELS, pixels, strict=True))
    for i, size in enumerate([(64, 2048, 2048), (4, 16, 16), (1, 90, 7), (9, 33, 41)]):
        tables = measured(tmp_path / str(i), sets, pixels, size)
        for name, labels in sets.items():
            whole = measure_objects(labels, image, FAMILIES, SPACING)
            for family in FAMILIES:
                whole |= family.over_frame(whole["ObjectNumber"], whole["centre"])
            if name == "rim":
                whole[PARENT + "nuclei"] = whole["ObjectNumber"]
            else:
                kept = np.isin(whole["ObjectNumber"], sets["rim"])
                whole["Children_Rim_Count"] = kept.astype(np.int64)
            assert set(tables[name]) == set(whole)
            for column, values in whole.items():
                assert tables[name][column].tobytes() == values.tobytes(), (size, name, column)


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / str(i)).mkdir()


def test_positions_are_absolute() -> None:
    labels = np.zeros((3, 8, 8), np.int32)
    labels[:, 2:4, 5:7] = 6
    image = {"a": np.ones((3, 8, 8), np.uint8)}
    here = measure_objects(labels, image, FAMILIES, SPACING)
    there = measure_objects(labels, image, FAMILIES, SPACING, (100, 20, 3000))
    assert there["AreaShape_Center_X"] - here["AreaShape_Center_X"] == 3000
    assert there["AreaShape_Center_Y"] - here["AreaShape_Center_Y"] == 20
    assert there["AreaShape_Center_Z"] - here["AreaShape_Center_Z"] == 100
    assert there["AreaShape_Volume"] == here["AreaShape_Volume"] == 12


def test_two_families_with_one_column_are_refused() -> None:
    twice = [features()["shape"](), features()["shape"](only=("*_Area",))]
    with pytest.raises(BadConfig, match="'shape' and 'shape' both make 'AreaShape_Area'"):
        check_features(twice, CHANNELS)
    check_features([features()["shape"](only=("*_Perimeter",)), twice[1]], CHANNELS)


def test_a_column_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadConfig, match=r"features.intensity.only: '\*_GFP' matches no column"):
        check_features([features()["intensity"](only=("*Mean*", "*_GFP"))], CHANNELS)
