"""Radial Zernike features against cp_measure and hand-counted objects."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from centrosome import zernike as centrosome_zernike
from cp_measure.core.measureobjectintensitydistribution import get_radial_zernikes
from numpy.typing import NDArray

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features import radial_zernike
from voxelmill.features.radial_zernike import RadialZernike
from voxelmill.features.zernike import Zernike
from voxelmill.plugin import BadInput

UNIT = (1.0, 1.0, 1.0)
MAGNITUDE, PHASE = (f"RadialDistribution_Zernike{name}_C_" for name in ("Magnitude", "Phase"))
Labels = NDArray[np.int32]

planes = pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])


def measure(
    labels: Labels, image: NDArray[Any], only: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    return RadialZernike(only=only)(labels, {"C": image}, UNIT)


@pytest.fixture
def whole_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep centrosome from dropping pixels that rounding puts outside their own circle."""
    found: Callable[..., Any] = centrosome_zernike.minimum_enclosing_circle

    def wider(labels: Labels, ids: NDArray[np.int64]) -> tuple[Any, Any]:
        centres, radii = found(labels, ids)
        return centres, radii * (1 + 1e-13)

    monkeypatch.setattr(centrosome_zernike, "minimum_enclosing_circle", wider)


def check_against_oracle(labels: Labels, image: NDArray[Any]) -> None:
    theirs = get_radial_zernikes(dense(labels), image[0].astype(np.float64))
    ours = measure(labels, image)
    assert [c.replace("_C_", "_") for c in ours] == list(theirs)
    bright = float(np.abs(image[labels > 0]).max())
    for column, mine in ours.items():
        reference = theirs[_plain(column)]
        if column.startswith(PHASE):
            turns = (mine - reference) / (2 * math.pi)
            # How far the moment has moved: the phase of one that is 0 but for rounding is noise.
            size = ours[column.replace("Phase", "Magnitude")]
            mine = size * (turns - np.rint(turns)) * 2 * math.pi
            np.testing.assert_array_less(np.abs(mine), 1e-6 * size + 1e-12 * bright, column)
        else:
            np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=1e-12 * bright)


@pytest.mark.usefixtures("whole_circles")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@planes
def test_agrees_with_cp_measure(labels: Labels, dtype: str) -> None:
    check_against_oracle(labels, picture(labels, dtype))


@needs_shared
@pytest.mark.usefixtures("whole_circles")
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    pairs = list(
        zip(sorted(folder.glob("images/*")), sorted(folder.glob("labels/*")), strict=True)
    )[:3]
    for picture_file, label_file in pairs:
        image, labels = (cv2.imread(str(f), -1)[None] for f in (picture_file, label_file))
        check_against_oracle(labels.astype(np.int32), image)


def test_unchanged_cp_measure_differs_by_pixels_on_the_circle() -> None:
    """No polynomial exceeds 1 on the disc: a pixel dropped there weighs its value at most."""
    labels = blobs()
    image = np.full(labels.shape, 7, np.uint8)
    ours, theirs = measure(labels, image), get_radial_zernikes(dense(labels), image[0])
    size = np.unique(labels[labels > 0], return_counts=True)[1]
    several = size > 1
    dropped = np.rint((ours[f"{MAGNITUDE}0_0"] - theirs[_plain(f"{MAGNITUDE}0_0")]) * size / 7)
    assert dropped[several].min() == 0
    assert 0 < dropped[several].max() <= 4
    for column in ours:
        if column.startswith(MAGNITUDE):
            far = np.abs(ours[column] - theirs[_plain(column)])[several] * size[several] / 7
            assert (far <= dropped[several] + 1e-9).all(), column


def _plain(column: str) -> str:
    return column.replace("_C_", "_")


def test_even_light_gives_the_moments_of_the_shape() -> None:
    """Magnitudes are those of `zernike` but for the area that they are divided by."""
    labels = blobs()
    found = measure(labels, np.full(labels.shape, 3, np.uint8))
    shape = Zernike()(labels, {}, UNIT)
    ratio = found[f"{MAGNITUDE}0_0"] / shape["AreaShape_Zernike_0_0"]
    for column, value in shape.items():
        mine = found[column.replace("AreaShape_Zernike_", MAGNITUDE)]
        np.testing.assert_allclose(mine, value * ratio, rtol=1e-9, atol=1e-12)


def test_a_lit_side_gives_the_phase_of_its_direction() -> None:
    """In a square, n = m = 1 is the mean of y (real) and x (imaginary) over the half diagonal."""
    labels = np.zeros((1, 7, 7), np.int32)
    labels[0, 2:5, 2:5] = 9
    for (y, x), angle in {(4, 3): math.pi / 2, (3, 4): 0, (2, 3): -math.pi / 2}.items():
        image = np.ones(labels.shape, np.uint16)
        image[0, y, x] = 10
        found = measure(labels, image, only=("*_0_0", "*_1_1"))
        assert list(found) == [f"{m}{o}" for o in ("0_0", "1_1") for m in (MAGNITUDE, PHASE)]
        assert found[f"{MAGNITUDE}0_0"].item() == pytest.approx(2)
        assert found[f"{PHASE}0_0"].item() == math.pi / 2
        assert found[f"{MAGNITUDE}1_1"].item() == pytest.approx(9 / math.sqrt(2) / 9)
        assert found[f"{PHASE}1_1"].item() == pytest.approx(angle, abs=1e-12)


def test_undefined_is_nan() -> None:
    labels = one_of_each()
    plane = measure(labels, picture(labels))
    assert all(np.flatnonzero(np.isnan(v)).tolist() == [0] for v in plane.values())
    deep = volume()
    found = measure(deep, picture(deep))
    assert list(found) == list(RadialZernike().columns(["C"]))
    assert all(np.isnan(v).all() for v in found.values())


def test_no_light_no_moments() -> None:
    labels = one_of_each()
    for value in measure(labels, np.zeros(labels.shape, np.uint8)).values():
        assert (value[1:] == 0).all()


def test_nan_stays_with_its_object_and_channel() -> None:
    labels = one_of_each()
    clean = picture(labels, "float32")
    broken = clean.copy()
    broken[0, 5, 14] = np.nan
    found = RadialZernike()(labels, {"C": clean, "B": broken}, UNIT)
    row = np.unique(labels[labels > 0]).tolist().index(7)
    for column, value in measure(labels, clean).items():
        np.testing.assert_array_equal(found[column], value)
        expected = value.copy()
        expected[row] = np.nan
        np.testing.assert_array_equal(found[column.replace("_C_", "_B_")], expected)


def test_only_what_is_chosen_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = one_of_each()
    image = {"C": picture(labels), "B": picture(labels)[:, 1:]}
    found = RadialZernike(only=("*_C_9_?",))(labels, image, UNIT)
    assert list(found) == [f"{m}9_{k}" for k in "13579" for m in (MAGNITUDE, PHASE)]
    everything = measure(labels, image["C"])
    for column, value in found.items():
        np.testing.assert_array_equal(value, everything[column])
    with pytest.raises(BadInput, match="channel 'B'"):
        RadialZernike()(labels, image, UNIT)
    monkeypatch.delattr(radial_zernike, "zernike_sums")
    assert RadialZernike(only=("none",))(labels, image, UNIT) == {}
