"""Emptiness: nothing but noise is empty, however it is lit; one nucleus is not nothing."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from qc_scenes import SPACING, field, flagged
from shared import SHARED, needs_shared
from voxelmill.qc.empty import NOISE, STRUCTURED, Empty

FAULT = "Empty"
EMPTY = {
    "plain": field(nuclei=0),
    "uneven": field(nuclei=0, falloff=0.8, background=3000),
    "dark": field(nuclei=0, background=0),
    "constant": np.full((1, 200, 200), 9, np.uint16),
    "zeros": np.zeros((1, 200, 200), np.float32),
    "clipped": np.maximum(field(nuclei=0), 385) - 385,
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_fields_are_flagged(name: str) -> None:
    assert flagged(Empty(), [EMPTY[name]], FAULT) == [0]


@pytest.mark.parametrize("seed", range(6))
def test_noise_has_no_structure(seed: int) -> None:
    assert Empty()(field(nuclei=0, seed=seed), SPACING)[STRUCTURED] < 0.03


@pytest.mark.parametrize(
    "image",
    [
        field(nuclei=1),
        field(nuclei=20, bright=60),
        field(blur=10),
        field(nuclei=150),
        (field() // 16).astype(np.uint8),
        field().astype(np.float32) / 65535,
    ],
    ids=["one nucleus", "dim", "blurred", "full", "8 bits", "float"],
)
def test_fields_with_nuclei_are_not(image: NDArray[Any]) -> None:
    assert flagged(Empty(), [image], FAULT) == []


def test_hot_pixels_are_not_structure() -> None:
    image = field(nuclei=0)
    hot = np.random.default_rng(0).integers(0, 512, (2, 2))
    image[0, hot[0], hot[1]] += 300
    assert flagged(Empty(), [image], FAULT) == [0]


@pytest.mark.parametrize("sigma", [1.0, 8.0, 40.0])
def test_noise_is_estimated(sigma: float) -> None:
    image = np.random.default_rng(1).normal(1000, sigma, (1, 400, 400))
    image += np.linspace(0, 3000, 400)
    assert Empty()(image, SPACING)[NOISE] == pytest.approx(sigma, rel=0.02)


def test_nan_and_small_planes_are_undefined_and_not_flagged() -> None:
    broken = field().astype(np.float32)
    broken[0, 4, 4] = np.nan
    plate = [broken, field()[:, :20, :20]]
    assert all(np.isnan(Empty()(image, SPACING)[STRUCTURED]) for image in plate)
    assert flagged(Empty(), plate, FAULT) == []


@pytest.mark.parametrize("pixels", [1, 2])
def test_infinite_pixels_are_undefined_and_not_flagged(pixels: int) -> None:
    broken = field().astype(np.float32)
    broken[0, 40, 40 : 40 + pixels] = np.inf
    assert np.isnan(list(Empty()(broken, SPACING).values())).all()
    assert flagged(Empty(), [broken], FAULT) == []


@needs_shared
def test_real_fields_are_not_empty() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "qc_focus"
    files = [*folder.glob("bbbc005/*.TIF"), *folder.glob("bbbc006_z*/*")]
    assert len(files) == 50
    assert flagged(Empty(), [cv2.imread(str(f), -1)[None] for f in files], FAULT) == []


@needs_shared
def test_the_real_field_without_nuclei_is_the_only_empty_one() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    images = [cv2.imread(str(f), -1)[None] for f in sorted(folder.glob("images/*"))]
    labels = [cv2.imread(str(f), -1) for f in sorted(folder.glob("labels/*"))]
    without = [i for i, mask in enumerate(labels) if not mask.any()]
    assert len(without) == 1
    assert flagged(Empty(), images, FAULT) == without
