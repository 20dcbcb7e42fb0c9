"""Threshold against centrosome and scikit-image, signal-to-noise against what was put in."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qc_scenes import SPACING, field, flagged
from voxelmill.kernels.measure_quality import noise_means
from voxelmill.qc.signal import SNR, THRESHOLD, Signal, _gap, _last_below


def value(image: NDArray[Any], column: str) -> float:
    return Signal()(image, SPACING)[column]


@pytest.mark.parametrize("scene", [{}, {"blur": 4}, {"nuclei": 100}, {"bright": 3000}], ids=str)
def test_threshold_is_that_of_cellprofiler(scene: dict[str, Any]) -> None:
    """Centrosome tries every 256th of the sorted pixels: as many may be on the other side."""
    centrosome = pytest.importorskip("centrosome.threshold")
    image = field(**scene)
    expected = 65535 * centrosome.get_otsu_threshold(image[0] / 65535)
    between = (image > value(image, THRESHOLD)) != (image > expected)
    assert between.mean() < 2 / 256


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_threshold_splits_log_intensity_best(dtype: str) -> None:
    """Otsu's criterion, spelled out for every grey level."""
    image = (field(nuclei=60)[:, :120, :120] / 8).astype(dtype)
    if dtype == "float32":
        image += np.float32(0.25)
    plane = image[0].astype(np.float64)
    logs = np.log(np.maximum(plane, plane.min() + np.ptp(plane) / 256))
    levels = np.unique(plane)
    between = []
    for level in levels[:-1]:
        low = plane <= level
        between.append(low.mean() * (1 - low.mean()) * (logs[low].mean() - logs[~low].mean()) ** 2)
    best = int(np.argmax(between))
    assert value(image, THRESHOLD) == pytest.approx(np.sqrt(levels[best] * levels[best + 1]))


@pytest.mark.parametrize("sigma", [5.0, 20.0, 60.0])
def test_the_ratio_is_contrast_over_noise(sigma: float) -> None:
    image = np.full((1, 300, 300), 1000.0)
    image[0, 50:150, 50:200] += 600
    image += np.random.default_rng(1).normal(0, sigma, image.shape)
    assert value(image, SNR) == pytest.approx(600 / sigma, rel=0.03)


def test_noise_alone_has_what_theory_says_and_is_flagged() -> None:
    rng = np.random.default_rng(2)
    noise = np.clip(rng.normal(1000, 30, (1, 400, 400)), 0, None).astype(np.uint16)
    assert value(noise, SNR) == pytest.approx(2 * np.sqrt(2 / np.pi), abs=0.05)
    assert flagged(Signal(), [field(), noise, field(bright=100)], "LowSignal") == [1]


def test_gain_changes_the_threshold_only() -> None:
    image = field().astype(np.float64)
    assert value(7 * image, THRESHOLD) == pytest.approx(7 * value(image, THRESHOLD))
    assert value(7 * image, SNR) == pytest.approx(value(image, SNR))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("offset", [400, 5000, 60000])
def test_negative_values_change_neither_ratio_nor_verdict(dtype: str, offset: int) -> None:
    image = field().astype(dtype)
    shifted = image - image.dtype.type(offset)
    assert value(shifted, SNR) == pytest.approx(value(image, SNR), rel=0.05)
    moved = value(shifted, THRESHOLD) + offset
    assert 0.5 < ((shifted + offset > moved).mean() / (image > value(image, THRESHOLD)).mean()) < 2
    assert flagged(Signal(), [shifted], "LowSignal") == []
    noise = np.random.default_rng(2).normal(0, 30, (1, 400, 400)).astype(dtype)
    assert flagged(Signal(), [noise], "LowSignal") == [0]


def test_images_without_negative_values_keep_their_numbers() -> None:
    """Bit for bit: the logarithms are those of the values themselves."""
    image = field().astype(np.float64) / 7
    levels, counts = np.unique(image, return_counts=True)
    last = _last_below(levels, counts)
    assert value(image, THRESHOLD) == np.sqrt(levels[last] * levels[last + 1])
    noise = noise_means(image[0], 8)[0]
    assert value(image, SNR) == _gap(levels, counts, last) / noise


def test_what_is_undefined() -> None:
    assert Signal()(np.full((1, 9, 9), 7, np.uint8), SPACING)[THRESHOLD] == 7
    broken = field().astype(np.float32)
    broken[0, 3, 3] = np.nan
    assert np.isnan(value(broken, SNR))
    assert value(broken, THRESHOLD) == pytest.approx(value(field(), THRESHOLD), rel=1e-3)
    broken[0, 3, 3] = np.inf
    assert np.isnan(value(broken, SNR))
    assert flagged(Signal(), [broken], "LowSignal") == []
    negative = np.full((1, 9, 9), -3, np.int16)
    assert Signal()(negative, SPACING)[THRESHOLD] == -3
    assert np.isnan(value(negative, SNR))
    steps = np.tile(np.array([0.0, 1.0]), (9, 8))[None]
    assert np.isfinite(value(steps, THRESHOLD))
