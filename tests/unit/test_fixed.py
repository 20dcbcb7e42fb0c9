"""Preprocessing with fixed numbers: what the specification's formulas say, for the whole image."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from voxelmill.plugin import BadConfig
from voxelmill.segmenters._fixed import fixed
from voxelmill.segmenters._step import Step, applied

Formula: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
RNG = np.random.default_rng(2)
IMAGE = RNG.integers(100, 900, (2, 1, 40, 50)).astype(np.uint16)


def run(name: str, settings: dict[str, Any]) -> NDArray[np.float32]:
    steps = fixed([(name, settings)], IMAGE)
    assert [Step.model_validate_json(s.model_dump_json()) for s in steps] == list(steps)
    return applied(steps, IMAGE[:, 0])


def test_scale_range_is_that_of_all_channels_or_of_each() -> None:
    settings = {"min_percentile": 1, "max_percentile": 99, "eps": 1e-6, "reference_tensor": None}
    low, high = np.percentile(IMAGE, (1, 99))
    for axes in (["c", "y", "x"], None):
        found = run("scale_range", {**settings, "axes": axes})
        np.testing.assert_allclose(found, (IMAGE[:, 0] - low) / (high - low + 1e-6), atol=1e-6)
    low, high = np.percentile(IMAGE, (1, 99), axis=(1, 2, 3))[..., None, None]
    found = run("scale_range", {**settings, "axes": ["y", "x"]})
    np.testing.assert_allclose(found, (IMAGE[:, 0] - low) / (high - low + 1e-6), atol=1e-6)


def test_zero_mean_unit_variance() -> None:
    found = run("zero_mean_unit_variance", {"axes": ["b", "c", "y", "x"], "eps": 1e-6})
    np.testing.assert_allclose((found.mean(), found.std()), (0, 1), atol=1e-5)
    found = run("zero_mean_unit_variance", {"axes": ["y", "x"], "eps": 1e-6})
    np.testing.assert_allclose(found.mean(axis=(1, 2)), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "formula"),
    [
        ("scale_linear", {"gain": 2.0, "offset": -3.0}, lambda v: 2 * v - 3),
        ("scale_linear", {"gain": [2.0, 4.0], "offset": 1.0, "axis": "c"},
         lambda v: v * np.array([2, 4])[:, None, None] + 1),
        ("fixed_zero_mean_unit_variance", {"mean": 300.0, "std": 50.0}, lambda v: (v - 300) / 50),
        ("clip", {"min": 200.0, "max": None}, lambda v: np.maximum(v, 200)),
        ("clip", {"min_percentile": None, "max_percentile": 100.0, "axes": None}, lambda v: v),
        ("ensure_dtype", {"dtype": "uint8"}, lambda v: np.minimum(v, 255)),
        ("ensure_dtype", {"dtype": "float32"}, lambda v: v),
    ],
)  # fmt: skip
def test_steps_of_one_pixel(name: str, settings: dict[str, Any], formula: Formula) -> None:
    np.testing.assert_allclose(run(name, settings), formula(IMAGE[:, 0].astype(float)), rtol=1e-6)


def test_a_flat_image_and_no_number_are_finite() -> None:
    flat = np.full((1, 1, 4, 4), 20, np.float32)
    flat[0, 0, 0, 0] = np.nan
    for name in ("scale_range", "zero_mean_unit_variance"):
        settings = {"axes": None, "eps": 1e-6, "min_percentile": 0, "max_percentile": 100}
        assert not applied(fixed([(name, settings)], flat), flat[:, 0]).any()


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("sigmoid", {}, "preprocessing 'sigmoid'; allowed: ensure_dtype"),
        ("zero_mean_unit_variance", {"axes": ["x"], "eps": 1e-6}, "over axes x; allowed"),
        ("scale_range", {"axes": None, "reference_tensor": "other"}, "another tensor"),
        ("scale_linear", {"gain": [1.0], "offset": 0.0, "axis": "y"}, "another tensor or axis"),
        ("ensure_dtype", {"dtype": "bool"}, "to bool; allowed: numbers"),
    ],
)
def test_what_cannot_be_fixed_is_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        fixed([(name, settings)], IMAGE)
