"""What every QC metric promises, checked over whatever is discovered."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

import samples
from plates import COUNT, counts
from plates import plate as made_up
from voxelmill.plugin import Array, Pixels
from voxelmill.qc import Judgement, Metric, ObjectMetric, Plate, PlateMetric, checks, metrics

METRICS = list(metrics().values())
OBJECTS = [cls for cls in checks().values() if issubclass(cls, ObjectMetric)]
PLATES = [cls for cls in checks().values() if issubclass(cls, PlateMetric)]
NAME = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9.-]+)*")


def each(classes: list[type[Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "cls", classes, ids=lambda c: str(c.model_fields["kind"].default)
    )


every, every_object, every_plate = each(METRICS), each(OBJECTS), each(PLATES)


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


def test_every_metric_is_of_one_level() -> None:
    assert OBJECTS
    assert PLATES
    assert len(METRICS) + len(OBJECTS) + len(PLATES) == len(checks())
    levels = {cls.level for cls in METRICS}, {c.level for c in OBJECTS}, {c.level for c in PLATES}
    assert levels == ({"image"}, {"object"}, {"plate"})


IMAGES = 9
"""Of the objects below; the third has none, the last was not segmented."""


def objects(per_image: int = 30) -> tuple[dict[str, Array], Array, Array]:
    """Columns that tables of objects may have, image of each object, objects of each image."""
    rng = np.random.default_rng(11)
    image = np.repeat([0, 1, 3, 4, 5, 6, 7], per_image)
    n = image.size
    columns: dict[str, Array] = {
        "Metadata_ObjectNumber": np.arange(1, n + 1),
        "Metadata_Parent_Nuclei": np.arange(1, n + 1),
        "Metadata_Seam": rng.random(n) < 0.1,
        "Metadata_Border": rng.random(n) < 0.1,
        "AreaShape_Area": 300 * np.exp(rng.normal(0, 0.3, n)),
        "AreaShape_Volume": np.full(n, np.nan),
        "AreaShape_Solidity": 1 - rng.random(n) / 5,
        "Intensity_MeanIntensity_DNA": 900 * np.exp(rng.normal(0, 0.3, n)),
        "Children_Nuclei_Count": rng.integers(0, 3, n).astype(np.float64),
    }
    columns["AreaShape_Area"][::17] = np.nan
    counted = np.bincount(image, minlength=IMAGES).astype(np.float64)
    counted[-1] = np.nan
    return columns, image, counted


def judge_objects(
    metric: ObjectMetric, columns: dict[str, Array], image: Array, counted: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    read = {c: samples.read_only(columns[c]) for c in metric.reads(columns, ["DNA"])}
    values = metric(read, samples.read_only(image), samples.read_only(counted))
    assert list(values) == list(metric.columns())
    assert all(v.shape == (counted.size,) and not np.isinf(v).any() for v in values.values())
    flags = metric.flags(values, counted)
    for fault, images in flags.items():
        assert NAME.fullmatch(fault)
        assert images.shape == (counted.size,)
        assert images.dtype == np.bool_
    return values, flags


@every_object
def test_columns_of_objects_are_named_and_carry_units(cls: type[ObjectMetric]) -> None:
    columns = samples.minimal(cls).columns()
    assert columns
    assert [c for c in columns if not re.fullmatch(r"ObjectQuality_[A-Z][A-Za-z]*", c)] == []
    assert [c for c, unit in columns.items() if not unit.strip()] == []


def test_no_two_metrics_of_objects_make_the_same_column() -> None:
    made = Counter(c for cls in OBJECTS for c in samples.minimal(cls).columns())
    assert [column for column, families in made.items() if families > 1] == []


@every_object
def test_ordinary_objects_have_numbers(cls: type[ObjectMetric]) -> None:
    columns, image, counted = objects()
    values, _ = judge_objects(samples.minimal(cls), columns, image, counted)
    assert all(np.isfinite(v[counted > 0]).all() for v in values.values())


@every_object
def test_the_order_of_objects_does_not_matter(cls: type[ObjectMetric]) -> None:
    columns, image, counted = objects()
    expected, _ = judge_objects(samples.minimal(cls), columns, image, counted)
    order = np.random.default_rng(2).permutation(image.size)
    shuffled = {c: v[order] for c, v in columns.items()}
    found, _ = judge_objects(samples.minimal(cls), shuffled, image[order], counted)
    for column, values in expected.items():
        np.testing.assert_array_equal(found[column], values)


@every_object
def test_nothing_to_judge_is_no_fault(cls: type[ObjectMetric]) -> None:
    columns, image, counted = objects()
    undefined = {c: np.full(v.size, np.nan) for c, v in columns.items() if v.dtype.kind == "f"}
    _, flags = judge_objects(samples.minimal(cls), columns | undefined, image, counted)
    assert not any(hit[np.isnan(counted)].any() for hit in flags.values())
    none = {c: v[:0] for c, v in columns.items()}
    for images in (0, 3):
        _, flags = judge_objects(samples.minimal(cls), none, image[:0], np.full(images, np.nan))
        assert not any(hit.any() for hit in flags.values())


@every_object
def test_a_table_without_the_columns_is_not_judged(cls: type[ObjectMetric]) -> None:
    metric = samples.minimal(cls)
    assert metric.reads((), ["DNA"]) == ()
    assert bool(metric.needs) == bool(metric.reads(objects()[0], ["DNA"]))


def judge_plate(cls: type[PlateMetric], of: Plate) -> Judgement:
    for values in of.values.values():
        values.setflags(write=False)
    found = samples.minimal(cls)(of)
    for finding in found.findings:
        assert finding.name
        assert finding.text
        assert finding.unit
        assert finding.verdict in ("pass", "warn", "fail")
        assert float(f"{finding.value:.6g}") == finding.value
    for fault, hit in found.faults.items():
        assert NAME.fullmatch(fault.rpartition(": ")[2])
        assert hit.shape == (len(of.wells),)
        assert hit.dtype == np.bool_
    return found


LABELS = ["positive", "negative", "x", "x", "x", "x"] * 64


@every_plate
def test_an_ordinary_plate_is_judged_whatever_the_order_of_its_wells(
    cls: type[PlateMetric],
) -> None:
    values = {COUNT: counts(3), "ImageQuality_Background_DNA": counts(4, cv=0.03)}
    labels = {"Metadata_control": LABELS}
    found = judge_plate(cls, made_up(values, labels=labels))
    assert found.findings
    assert found.unjudged == ()
    order = np.random.default_rng(5).permutation(384)
    other = judge_plate(cls, made_up(values, labels=labels, shuffle=order))
    assert [f.value for f in other.findings] == [f.value for f in found.findings]
    for fault, hit in found.faults.items():
        np.testing.assert_array_equal(other.faults[fault], hit[order])


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (2, 3), (16, 24)])
@every_plate
def test_odd_plates_do_not_crash(cls: type[PlateMetric], shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(6)
    half = np.where(rng.random(shape) < 0.5, np.nan, 5.0)
    for values in (np.zeros(shape), np.full(shape, np.nan), np.full(shape, -3.0), half):
        judge_plate(cls, made_up({COUNT: values}, shape, {"Metadata_control": LABELS}))
    judge_plate(cls, made_up({}, shape))
