"""What every QC metric promises, checked over whatever is discovered."""

import re
from collections import Counter

import numpy as np
import pytest

import samples
from voxelmill.plugin import Array, Pixels
from voxelmill.qc import Metric, metrics

METRICS = list(metrics().values())
NAME = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9.-]+)*")

every = pytest.mark.parametrize("cls", METRICS, ids=lambda c: str(c.model_fields["kind"].default))


def image(shape: tuple[int, int, int] = (1, 96, 80)) -> Pixels:
    pixels: Pixels = samples.photograph(samples.balls(shape, samples.PLANE, samples.DIAMETER_PX))[0]
    return pixels


def measure(cls: type[Metric], pixels: Pixels) -> dict[str, float]:
    values = samples.minimal(cls)(samples.read_only(pixels), samples.PLANE)
    assert list(values) == list(samples.minimal(cls).columns())
    assert {type(v) for v in values.values()} <= {float}
    assert not any(np.isinf(v) for v in values.values())
    return values


@every
def test_columns_are_named_and_carry_units(cls: type[Metric]) -> None:
    columns = samples.minimal(cls).columns()
    assert columns or cls.level == "plate"
    assert [c for c in columns if not NAME.fullmatch(c)] == []
    assert [c for c, unit in columns.items() if not unit.strip()] == []


def test_no_two_metrics_make_the_same_column() -> None:
    made = Counter(c for cls in METRICS for c in samples.minimal(cls).columns())
    assert [column for column, families in made.items() if families > 1] == []


@every
def test_an_ordinary_image_has_numbers(cls: type[Metric]) -> None:
    values = measure(cls, image())
    assert [c for c, v in values.items() if np.isnan(v)] == []
    assert measure(cls, image()) == values


@pytest.mark.parametrize("how", samples.STORED_AS)
@every
def test_any_stored_type_is_measured(cls: type[Metric], how: str) -> None:
    values = samples.minimal(cls)(samples.as_stored(image(), how), samples.PLANE)
    assert [c for c, v in values.items() if np.isnan(v)] == []
    if how in (">u2", "strided"):
        assert values == measure(cls, image())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((1, 64, 64), np.uint16),
        np.full((1, 64, 64), 65535, np.uint16),
        np.full((1, 64, 64), 0.5, np.float32),
        np.full((1, 64, 64), np.nan, np.float32),
        np.ones((1, 1, 1), np.uint8),
        np.eye(3, 50, dtype=np.int16)[None],
        np.arange(5 * 40 * 40, dtype=np.uint16).reshape(5, 40, 40),
    ],
    ids=["zeros", "full", "constant", "nan", "one voxel", "thin", "volume"],
)
@every
def test_odd_images_do_not_crash(cls: type[Metric], pixels: Pixels) -> None:
    measure(cls, pixels)


def plate(count: int) -> dict[str, Array]:
    """QC columns of a plate of `count` images, some undefined, for all metrics together."""
    rng = np.random.default_rng(5)
    columns = [c for cls in METRICS for c in samples.minimal(cls).columns()]
    values = {c: rng.normal(10, 1, count) for c in columns}
    for value in values.values():
        value[::7] = np.nan
        value.setflags(write=False)
    return values


@pytest.mark.parametrize("count", [0, 1, 24])
@every
def test_flags_judge_each_image(cls: type[Metric], count: int) -> None:
    flags = samples.minimal(cls).flags(plate(count))
    for fault, images in flags.items():
        assert NAME.fullmatch(fault)
        assert images.shape == (count,)
        assert images.dtype == np.bool_


@every
def test_flags_are_all_undefined_columns_too(cls: type[Metric]) -> None:
    undefined = {c: np.full(6, np.nan) for c in plate(1)}
    for images in samples.minimal(cls).flags(undefined).values():
        assert images.shape == (6,)
