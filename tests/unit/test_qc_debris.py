"""Debris: what outshines the objects is found, however many there are; the objects are not."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qc_scenes import SPACING, field, flagged, measured
from voxelmill.qc.debris import PERCENT, RATIO, Debris

FAULT = "Debris"
STRICT = Debris(max_percent=0.05)


def with_fibre(image: NDArray[Any], times: float = 12) -> NDArray[Any]:
    """A fibre of 8 x 80 pixels, so many times as bright as nuclei."""
    image = image.copy()
    image[0, 200:208, 100:180] += int(times * 800)
    return image


@pytest.mark.parametrize("nuclei", [20, 100])
@pytest.mark.parametrize("blur", [0, 4])
def test_a_fibre_is_debris(nuclei: int, blur: float) -> None:
    image = field(nuclei=nuclei, blur=blur)
    assert flagged(STRICT, [image, with_fibre(image)], FAULT) == [1]


@pytest.mark.parametrize("nuclei", [1, 5])
def test_a_few_nuclei_in_uneven_light_are_not_debris(nuclei: int) -> None:
    plate = [field(nuclei=nuclei, seed=seed, falloff=0.8) for seed in range(4)]
    assert flagged(STRICT, plate, FAULT) == []


def test_the_share_is_that_of_the_fibre() -> None:
    found = Debris()(with_fibre(field()), SPACING)
    assert found[PERCENT] == pytest.approx(100 * 10 / 64**2, rel=0.6)
    assert found[RATIO] == pytest.approx(12, rel=0.4)


@pytest.mark.parametrize("bright", [0.5, 1, 3])
def test_bright_nuclei_are_not(bright: float) -> None:
    assert flagged(STRICT, [with_fibre(field(nuclei=40), bright)], FAULT) == []


def test_noise_uneven_light_and_hot_pixels_are_not() -> None:
    hot = field(nuclei=20)
    hot[0, 10, 10] = 65535
    plate = [field(nuclei=0), field(nuclei=0, falloff=0.8, background=3000), hot]
    assert flagged(STRICT, plate, FAULT) == []


def test_what_is_undefined() -> None:
    broken = field().astype(np.float32)
    broken[0, 3, 3] = np.nan
    plate = [broken, np.full((1, 64, 64), 7, np.uint8), field()[:, :20, :20]]
    assert all(np.isnan(Debris()(image, SPACING)[RATIO]) for image in plate)
    assert flagged(STRICT, plate, FAULT) == []


def test_tiles_are_put_together() -> None:
    tiles = {RATIO: np.array([2.0, 9.0, np.nan]), PERCENT: np.array([0.0, 1.0, np.nan])}
    assert Debris().combine(tiles, np.array([30, 10, 10])) == {RATIO: 9, PERCENT: 0.25}
    nothing = {RATIO: np.array([np.nan]), PERCENT: np.array([np.nan])}
    assert np.isnan(Debris().combine(nothing, np.array([4]))[RATIO])


def test_without_a_limit_it_is_only_measured() -> None:
    image = with_fibre(field())
    assert Debris().flags(measured(Debris(), [image])) == {}
    assert Debris()(image, SPACING)[PERCENT] > 0.05
