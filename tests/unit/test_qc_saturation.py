"""Saturation: shares at the ends of the scale, for every depth a camera may have."""

import numpy as np
import pytest

from qc_scenes import SPACING, field, flagged
from voxelmill.qc.saturation import Saturation

PERCENT = "ImageQuality_PercentSaturated"


def test_shares_are_counted() -> None:
    image = np.array([[[0, 0, 5, 255], [255, 255, 9, 9]]], np.uint8)
    assert Saturation()(image, SPACING) == {
        "ImageQuality_MinIntensity": 0,
        "ImageQuality_MaxIntensity": 255,
        "ImageQuality_PercentMinimal": 25,
        "ImageQuality_PercentMaximal": 37.5,
        PERCENT: 37.5,
    }


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_camera_of_any_depth_saturates(bits: int) -> None:
    full = 2**bits - 1
    scaled = field(bright=3000).astype(np.float64)
    clipped = np.clip(scaled / np.percentile(scaled, 98) * full, 0, full).astype(np.uint16)
    below = np.clip(clipped, 0, full - 1)
    assert flagged(Saturation(), [field(), clipped, below], "Saturated") == [1]
    assert Saturation()(clipped, SPACING)[PERCENT] == pytest.approx(2, abs=0.1)


def test_a_given_full_scale_wins() -> None:
    image = np.minimum(field(), 900)
    assert flagged(Saturation(), [image], "Saturated") == []
    assert flagged(Saturation(full_scale=900), [image], "Saturated") == [0]


def test_floating_point_pile_up_counts_but_not_a_constant() -> None:
    image = np.minimum(field(), 900).astype(np.float32) / 4095
    assert flagged(Saturation(), [image, np.zeros_like(image)], "Saturated") == [0]


def test_a_few_saturated_pixels_are_dust() -> None:
    image = field()
    image[0, :5, :5] = 65535
    assert flagged(Saturation(), [image], "Saturated") == []


def test_nan_does_not_count() -> None:
    image = np.array([[[np.nan, 1.0], [2.0, 2.0]]])
    assert Saturation()(image, SPACING)["ImageQuality_PercentMaximal"] == pytest.approx(200 / 3)
    nothing = Saturation()(np.full((1, 4, 4), np.nan), SPACING)
    assert np.isnan(list(nothing.values())).all()
    assert flagged(Saturation(), [np.full((1, 4, 4), np.nan)], "Saturated") == []


def test_signed_and_wide_integers() -> None:
    for dtype in (np.int16, np.int32, np.uint32):
        image = np.full((1, 4, 4), -5 if np.dtype(dtype).kind == "i" else 3, dtype)
        image[0, 0] = np.iinfo(dtype).max
        assert Saturation()(image, SPACING)[PERCENT] == 25, dtype
