"""Background: statistics against NumPy, a level that nuclei do not move, and uneven light."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qc_scenes import SPACING, field, flagged, measured
from voxelmill.qc.background import UNEVENNESS, Background


def value(image: NDArray[Any], column: str) -> float:
    return Background()(image, SPACING)[f"ImageQuality_{column}"]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64"])
def test_statistics_are_those_of_numpy(dtype: str) -> None:
    image = (field(nuclei=5)[:, :151, :151] / 8).astype(dtype)
    numbers = image.astype(np.float64)
    median = np.median(numbers)
    assert value(image, "MeanIntensity") == pytest.approx(numbers.mean(), rel=1e-9)
    assert value(image, "StdIntensity") == pytest.approx(numbers.std(), rel=1e-9)
    assert value(image, "MedianIntensity") == pytest.approx(median, rel=1e-6)
    mad = np.median(np.abs(numbers - median))
    assert value(image, "MADIntensity") == pytest.approx(mad, rel=1e-4)


@pytest.mark.parametrize("nuclei", [0, 20, 100])
def test_background_is_not_moved_by_nuclei(nuclei: int) -> None:
    assert value(field(nuclei=nuclei, falloff=0), "Background") == pytest.approx(400, abs=4)


@pytest.mark.parametrize("falloff", [0.0, 0.2, 0.4])
def test_unevenness_is_the_falloff(falloff: float) -> None:
    """Corner tiles reach 0.88 of the falloff; camera offset and noise bound the agreement."""
    got = value(field(falloff=falloff), "Unevenness")
    assert got == pytest.approx(0.88 * falloff * 300 / (400 - 0.33 * falloff * 300), abs=0.06)


def test_uneven_images_are_flagged_if_asked() -> None:
    plate = [field(falloff=0), field(falloff=0.8, background=3000)]
    assert Background().flags(measured(Background(), plate)) == {}
    assert flagged(Background(max_unevenness=0.5), plate, "Uneven") == [1]


def test_nan_does_not_count() -> None:
    image = field().astype(np.float32)
    clean = value(image, "MeanIntensity")
    image[0, 0, 0] = np.nan
    assert value(image, "MeanIntensity") == pytest.approx(clean, rel=1e-4)
    nothing = Background()(np.full((1, 16, 16), np.nan), SPACING)
    assert np.isnan(list(nothing.values())).all()


def test_constant_and_tiny_images() -> None:
    flat = Background()(np.full((3, 16, 16), 7, np.uint16), SPACING)
    assert flat[UNEVENNESS] == flat["ImageQuality_StdIntensity"] == 0
    assert flat["ImageQuality_Background"] == 7
    assert np.isnan(Background()(np.ones((1, 3, 3), np.uint8), SPACING)[UNEVENNESS])
