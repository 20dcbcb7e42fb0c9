"""Focus: blur is found whatever else differs, on synthetic plates and on real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi

from qc_scenes import SPACING, field, flagged, measured
from shared import SHARED, needs_shared
from voxelmill.qc.focus import SHARPNESS, SLOPE, Focus

FAULT = "OutOfFocus"
REAL = SHARED / "data" / "qc_focus"


def sharpness(image: NDArray[Any]) -> float:
    return Focus()(image, SPACING)[SHARPNESS]


def load(folder: str, pattern: str) -> list[NDArray[Any]]:
    cv2 = pytest.importorskip("cv2")
    files = sorted((REAL / folder).glob(pattern))
    assert files
    return [cv2.imread(str(Path(file)), -1)[None] for file in files]


def test_sharpness_falls_with_blur() -> None:
    values = [sharpness(field(blur=blur)) for blur in (0, 1, 2, 3, 4, 6)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5
    assert values[-1] < 0.1


@pytest.mark.parametrize(
    "change",
    [{"nuclei": 5}, {"nuclei": 80}, {"bright": 3000}, {"background": 2000}, {"falloff": 0.0}],
    ids=str,
)
def test_sharpness_sees_blur_only(change: dict[str, Any]) -> None:
    assert sharpness(field(**change)) == pytest.approx(sharpness(field()), abs=0.08)


def test_sharpness_ignores_gain_and_offset() -> None:
    image = field().astype(np.float64)
    assert sharpness(3 * image + 500) == pytest.approx(sharpness(image), rel=1e-9)


def test_blurred_fields_are_flagged_on_a_plate() -> None:
    plate = [field(seed=s, nuclei=10 + s) for s in range(14)]
    plate += [field(seed=s, blur=4) for s in (20, 21)] + [field(seed=22, blur=2)]
    assert flagged(Focus(), plate, FAULT) == [14, 15, 16]


def test_a_small_plate_is_judged_by_the_fixed_limit() -> None:
    assert flagged(Focus(), [field(), field(blur=2), field(blur=6)], FAULT) == [2]


def test_noise_is_never_out_of_focus() -> None:
    plate = [field(seed=s) for s in range(9)] + [field(nuclei=0, seed=30)]
    values = measured(Focus(), plate)
    assert np.isnan(values[SHARPNESS][-1])
    assert not Focus().flags(values)[FAULT].any()


def test_constant_and_small_planes_are_nan() -> None:
    for image in (np.full((1, 64, 64), 7, np.uint8), field()[:, :6, :6]):
        assert np.isnan(list(Focus()(image, SPACING).values())).all()
    broken = field().astype(np.float32)
    broken[0, 3, 3] = np.nan
    assert np.isnan(list(Focus()(broken, SPACING).values())).all()


def test_a_volume_is_judged_on_its_middle_plane() -> None:
    sharp, blurred = field(), field(blur=6)
    assert sharpness(np.concatenate([blurred, sharp, blurred])) == sharpness(sharp)


def slope_by_definition(image: NDArray[Any]) -> float:
    """Radial power spectrum and its log-log slope, as CellProfiler defines them, spelled out."""
    plane = image[0].astype(np.float64)
    height, width = plane.shape
    square = np.arange(height)[:, None] ** 2 + np.arange(width) ** 2
    square = np.minimum(square, np.flipud(square))
    square = np.minimum(square, np.fliplr(square))
    radius = np.floor(np.sqrt(square)).astype(int) + 1
    power = np.abs(np.fft.fft2(plane - plane.mean())) ** 2
    rings = np.arange(2, int(min(height, width) / 8))
    sums = ndi.sum(power, radius, rings)
    return float(np.polyfit(np.log(rings), np.log(sums), 1)[0])


@pytest.mark.parametrize("shape", [(512, 512), (311, 512), (400, 257)], ids=str)
def test_slope_is_that_of_cellprofiler(shape: tuple[int, int]) -> None:
    image = field(blur=1)[:, : shape[0], : shape[1]]
    assert Focus()(image, SPACING)[SLOPE] == pytest.approx(slope_by_definition(image), abs=1e-6)


@needs_shared
@pytest.mark.parametrize("column", [SHARPNESS, SLOPE])
def test_real_images_rank_by_focus(column: str) -> None:
    """BBBC006: two planes of a stack; BBBC005: three simulated blurs. No pair is out of order."""
    pairs = [
        (load("bbbc006_z10", "*.png"), load("bbbc006_z00", "*.tif")),
        (load("bbbc005", "*_F1_*"), load("bbbc005", "*_F23_*")),
        (load("bbbc005", "*_F1_*"), load("bbbc005", "*_F48_*")),
    ]
    for sharp, blurred in pairs:
        near, far = (measured(Focus(), images)[column] for images in (sharp, blurred))
        assert near.min() > far.max()


@needs_shared
def test_real_plates_are_flagged() -> None:
    sharp, blurred = load("bbbc006_z10", "*.png"), load("bbbc006_z00", "*.tif")
    assert flagged(Focus(), sharp + blurred, FAULT) == list(range(3, 11))
    assert flagged(Focus(), load("bbbc005", "*_F1_*"), FAULT) == []
    assert len(flagged(Focus(), load("bbbc005", "*_F48_*"), FAULT)) == 13
