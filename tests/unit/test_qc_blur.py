"""Blur: the width of edges is found, in pixels and micrometres, whatever else differs."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from qc_scenes import SPACING, field, flagged
from voxelmill.qc.blur import BLUR, BLUR_UM, Blur

OWN = 1.2
"""Blur of the synthetic fields themselves."""


def blur_of(image: NDArray[Any], steps: int = 100) -> float:
    return Blur(steps_per_octave=steps)(image, SPACING)[BLUR]


@pytest.mark.parametrize("added", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("scene", [{}, {"seed": 3, "nuclei": 80}, {"nuclei": 5}], ids=str)
def test_the_blur_of_nuclei_is_found(added: float, scene: dict[str, Any]) -> None:
    truth = float(np.hypot(OWN, added))
    assert blur_of(field(blur=added, **scene)) == pytest.approx(truth, rel=0.12)


@pytest.mark.parametrize("sigma", [0.7, 1.5, 3.0, 6.0, 12.0])
def test_edges_of_all_directions_give_their_sigma(sigma: float) -> None:
    """Land and sea of a random map, with few bends, blurred."""
    height = ndi.gaussian_filter(np.random.default_rng(4).normal(size=(600, 600)), 50, mode="wrap")
    land = (height > 0) * 40000.0
    image = ndi.gaussian_filter(land, sigma, mode="wrap")[None]
    assert blur_of(image) == pytest.approx(sigma, rel=0.15)


def test_blur_ignores_gain_and_offset() -> None:
    image = field(blur=2).astype(np.float64)
    assert blur_of(3 * image + 500) == blur_of(image)


def test_micrometres_are_pixels_times_their_size() -> None:
    found = Blur()(field(blur=2), (2.0, 0.4, 0.4))
    assert found[BLUR] == 2
    assert found[BLUR_UM] == pytest.approx(0.8)


def test_values_are_on_the_scale() -> None:
    values = {Blur()(field(blur=b, seed=b), SPACING)[BLUR] for b in range(7)}
    assert values == {1, 2, 4}
    assert blur_of(field(blur=4), steps=2) in (4, 2.83)


def test_images_are_flagged_if_asked() -> None:
    plate = [field(), field(blur=6)]
    assert Blur().flags({BLUR: np.ones(2), BLUR_UM: np.ones(2)}) == {}
    assert flagged(Blur(max_px=2), plate, "Blurred") == [1]
    assert flagged(Blur(max_um=3), plate, "Blurred") == [1]
    assert flagged(Blur(max_px=2, max_um=100), plate, "Blurred") == [1]


def test_noise_and_what_it_hides_are_undefined() -> None:
    for image in (field(nuclei=0), field(bright=20), field()[:, :4, :4], np.full((1, 64, 64), 7)):
        assert np.isnan(list(Blur()(image, SPACING).values())).all()
    broken = field().astype(np.float32)
    broken[0, 3, 3] = np.nan
    assert np.isnan(blur_of(broken))


@pytest.mark.parametrize("bright", [60, 100, 150, 250])
def test_a_dim_image_is_never_called_sharper_than_it_is(bright: float) -> None:
    for seed in range(4):
        found = blur_of(field(blur=8, bright=bright, seed=seed, nuclei=40))
        assert np.isnan(found) or found > 3


def test_tiles_give_a_value_on_the_scale() -> None:
    tiles = {BLUR: np.array([1.0, 2.0, np.nan, 8.0]), BLUR_UM: np.array([0.5, 1.0, np.nan, 4.0])}
    assert Blur().combine(tiles, np.array([9, 9, 9, 1])) == {BLUR: 2, BLUR_UM: 1}
    assert np.isnan(Blur().combine({BLUR: np.array([np.nan])}, np.array([1]))[BLUR])
