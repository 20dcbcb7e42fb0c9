"""Flat-fields from fields: planted ones, and the references that BaSiC was published with."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from lit_plates import even_field, photograph, vignette
from shared import SHARED, needs_shared
from voxelmill.illumination import LEAST, Illumination, estimate, smooth

SIZE = 96
BASIC = SHARED / "data" / "illumination" / "basic"
LIKE = 0.95


def fields(number: int, objects: int, empty: int = 0, dark: float = 0.0) -> NDArray[np.uint16]:
    """Fields under a vignette, of which every so many is without objects."""
    return np.stack(
        [
            photograph(even_field(i, SIZE, 0 if empty and i % empty == 0 else objects), i, dark)
            for i in range(number)
        ]
    )


def likeness(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(("objects", "empty"), [(0, 0), (8, 0), (8, 2), (60, 3)])
def test_a_vignette_is_found_under_bright_objects(objects: int, empty: int) -> None:
    truth = vignette(SIZE, SIZE)
    found = estimate(fields(40, objects, empty), Illumination())
    assert found.fields == 40
    assert found.flat.dtype == np.float32
    assert found.flat.mean() == pytest.approx(1, abs=1e-3)
    assert likeness(found.flat, truth) > 0.995
    assert np.abs(found.flat / truth - 1).max() < 0.06
    # Such a plate could have fooled us: the mean of its fields is not it.
    assert np.abs(found.flat / truth - 1).std() < 0.01


def test_bright_objects_would_fool_a_mean() -> None:
    truth, many = vignette(SIZE, SIZE), fields(40, 60, 3)
    mean = many.mean(axis=0) / many.mean()
    assert np.abs(mean / truth - 1).max() > 0.2


def test_black_fields_and_broken_ones_do_not_count() -> None:
    good = fields(30, 8).astype(np.float32)
    with_black = np.concatenate([good, np.zeros((20, SIZE, SIZE), np.float32)])
    with_black[45, 3, 3] = np.nan
    one, other = (estimate(f, Illumination()) for f in (good, with_black))
    assert one.fields == other.fields == 30
    assert np.array_equal(one.flat, other.flat)


@pytest.mark.parametrize("number", [0, 1, LEAST - 1])
def test_too_few_fields_correct_nothing(number: int) -> None:
    found = estimate(fields(LEAST, 8)[:number].reshape(number, SIZE, SIZE), Illumination())
    assert found.fields == 0
    assert (found.flat == 1).all()
    assert (found.dark == 0).all()


def test_an_offset_of_the_camera_can_be_given() -> None:
    truth = vignette(SIZE, SIZE)
    found = estimate(fields(40, 8, dark=100), Illumination(dark=100))
    ignored = estimate(fields(40, 8, dark=100), Illumination())
    assert np.abs(found.flat / truth - 1).max() < 0.06
    assert (found.dark == 100).all()
    assert np.abs(ignored.flat / truth - 1).max() > 0.1


def test_an_offset_of_the_camera_is_estimated_from_fields_of_differing_brightness() -> None:
    truth = vignette(SIZE, SIZE)
    found = estimate(fields(60, 8, dark=100), Illumination(dark="estimate"))
    assert likeness(found.flat, truth) > 0.99
    assert np.abs(found.dark - 100).max() < 25


def test_order_and_brightness_of_fields_do_not_matter() -> None:
    many = fields(24, 8).astype(np.float64)
    base = estimate(many, Illumination()).flat
    brighter = estimate(many * 4, Illumination()).flat
    assert np.array_equal(base, brighter)


def test_a_slope_is_smoothed_to_itself_up_to_its_edges() -> None:
    y, x = np.mgrid[:40, :30].astype(np.float64)
    plane = 1 + 0.02 * y - 0.01 * x
    assert np.allclose(smooth(plane, 8.0), plane, atol=1e-9)
    assert smooth(plane, 0.0) is plane


@pytest.mark.parametrize("wrong", [{"fields": 3}, {"dark": -1}, {"dark": "auto"}, {"knots": 4}])
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Illumination.model_validate(wrong)


@needs_shared
@pytest.mark.parametrize("name", ["timelapse_brightfield", "wsi_brain"])
@pytest.mark.parametrize(
    ("dark", "reference"),
    [
        (0.0, "flatfield-flatonly"),
        ("estimate", "flatfield"),
    ],
)
def test_the_flat_fields_are_those_of_basic(
    name: str,
    dark: Any,  # noqa: ANN401
    reference: str,
) -> None:
    images = np.load(BASIC / f"{name}.npz")["images"]
    truth = np.load(BASIC / f"{name}_reference.npz")[reference]
    found = estimate(images, Illumination(dark=dark)).flat
    # The references were made from stacks that were brought to 128 x 128.
    places = [np.arange(128) * n // 128 for n in found.shape]
    assert likeness(found[np.ix_(*places)], truth) >= LIKE


@needs_shared
def test_all_references_are_tried() -> None:
    names = {path.name.removesuffix("_reference.npz") for path in BASIC.glob("*_reference.npz")}
    assert names == {"timelapse_brightfield", "wsi_brain"}
