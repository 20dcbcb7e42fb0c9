"""What every feature family promises, checked over whatever is discovered."""

import re
from collections import Counter

import numpy as np
import pytest

import samples
from voxelmill.features import Feature, features
from voxelmill.plugin import Array, Labels, Pixels

FEATURES = list(features().values())
CHANNELS = ("DNA", "AGP")
SHAPES = {"plane": (1, 72, 96), "volume": (12, 64, 72)}
COLUMN = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9.-]+)+")

every = pytest.mark.parametrize("cls", FEATURES, ids=lambda c: str(c.model_fields["kind"].default))
in_2d_and_3d = pytest.mark.parametrize("name", SHAPES)


def sample(name: str) -> tuple[Labels, dict[str, Pixels]]:
    labels = samples.balls(SHAPES[name], samples.VOLUME, samples.DIAMETER_PX)
    pixels = {c: samples.photograph(labels, seed)[0] for seed, c in enumerate(CHANNELS)}
    return labels, pixels


def measure(cls: type[Feature], labels: Labels, pixels: dict[str, Pixels]) -> dict[str, Array]:
    """Call with arrays that raise when written to; check what comes back."""
    feature = samples.minimal(cls)
    frozen = {c: samples.read_only(p) for c, p in pixels.items()}
    values = feature(samples.read_only(labels), frozen, samples.VOLUME)
    late = feature.frame_columns(tuple(pixels))
    assert list(values) == [c for c in feature.chosen(tuple(pixels)) if c not in late]
    count = len(np.setdiff1d(labels, 0))
    for column, value in values.items():
        assert value.shape == (count,), column
        assert value.dtype.kind in "iufb", column
        assert value.dtype.isnative, column
    return values


@every
def test_columns_are_named_and_carry_units(cls: type[Feature]) -> None:
    feature = samples.minimal(cls)
    for channels in ((), CHANNELS[:1], CHANNELS):
        columns = feature.columns(channels)
        assert [c for c in columns if not COLUMN.fullmatch(c)] == []
        assert [c for c, unit in columns.items() if not unit.strip()] == []
        positions = feature.positions(channels)
        assert set(positions) <= set(columns)
        assert set(positions.values()) <= {0, 1, 2}


def test_no_two_families_make_the_same_column() -> None:
    made = Counter(c for cls in FEATURES for c in samples.minimal(cls).columns(CHANNELS))
    assert [column for column, families in made.items() if families > 1] == []


@every
def test_ordinary_objects_have_numbers(cls: type[Feature]) -> None:
    """NaN means that a column does not exist for planes, or for volumes: all or none."""
    undefined: list[set[str]] = []
    for name in SHAPES:
        values = measure(cls, *sample(name))
        assert [c for c, v in values.items() if 0 < np.isfinite(v).sum() < len(v)] == []
        undefined.append({c for c, v in values.items() if not np.isfinite(v).any()})
    assert set.intersection(*undefined) == set()


@in_2d_and_3d
@every
def test_same_again(cls: type[Feature], name: str) -> None:
    first, second = measure(cls, *sample(name)), measure(cls, *sample(name))
    for column, value in first.items():
        np.testing.assert_array_equal(value, second[column], err_msg=column)


@in_2d_and_3d
@every
def test_rows_ascend_by_label(cls: type[Feature], name: str) -> None:
    """Reversing the ids reverses the rows, whatever is measured."""
    labels, pixels = sample(name)
    reversed_ids = np.where(labels > 0, labels.max() + 3 - labels, 0).astype(np.int32)
    forward, backward = measure(cls, labels, pixels), measure(cls, reversed_ids, pixels)
    for column, value in forward.items():
        if not column.endswith("ObjectNumber"):
            np.testing.assert_array_equal(value, backward[column][::-1], err_msg=column)


@in_2d_and_3d
@every
def test_values_do_not_depend_on_the_box(cls: type[Feature], name: str) -> None:
    """A larger box around the same objects changes positions only, by its origin."""
    labels, pixels = sample(name)
    corner = (2, 5, 9) if name == "volume" else (0, 5, 9)
    pad = [(c, 4 * (c > 0)) for c in corner]
    wide = {c: np.pad(p, pad, mode="symmetric") for c, p in pixels.items()}
    near, far = measure(cls, labels, pixels), measure(cls, np.pad(labels, pad), wide)
    positions = samples.minimal(cls).positions(CHANNELS)
    for column, value in near.items():
        moved = value + corner[positions[column]] if column in positions else value
        np.testing.assert_array_equal(moved, far[column], err_msg=column)


@in_2d_and_3d
@every
def test_no_objects_no_rows(cls: type[Feature], name: str) -> None:
    labels, pixels = sample(name)
    empty, full = measure(cls, np.zeros_like(labels), pixels), measure(cls, labels, pixels)
    assert {c: v.dtype for c, v in empty.items()} == {c: v.dtype for c, v in full.items()}


@every
def test_tiny_touching_and_clipped_objects(cls: type[Feature]) -> None:
    labels, pixels = sample("plane")
    labels = np.zeros_like(labels)
    labels[0, 0, 0] = 2**30
    labels[0, :3, 40:50], labels[0, 3, 40:50] = 8, 3
    labels[0, 60:, 90:] = 5
    flat = {c: np.full_like(p, 7) for c, p in pixels.items()}
    for channels in (pixels, flat):
        measure(cls, labels, channels)


@pytest.mark.parametrize("how", samples.STORED_AS)
@every
def test_the_stored_type_does_not_matter(cls: type[Feature], how: str) -> None:
    labels, pixels = sample("plane")
    stored = {c: samples.as_stored(p, how) for c, p in pixels.items()}
    expected = measure(cls, labels, pixels)
    found = samples.minimal(cls)(labels, stored, samples.VOLUME)
    for column, value in expected.items():
        np.testing.assert_allclose(found[column], value, rtol=1e-6, atol=1e-9, err_msg=column)
