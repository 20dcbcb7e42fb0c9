"""Texture features against cp_measure and against pairs counted by hand."""

import math
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from cp_measure.core.measuretexture import get_texture
from numpy.typing import NDArray
from pydantic import ValidationError
from skimage.exposure import rescale_intensity
from skimage.util import img_as_ubyte

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features import texture
from voxelmill.features.texture import Texture
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_haralick import TABLED
from voxelmill.kernels.measure_texture import grey_table, textures
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.plugin import BadInput

UNIT = (1.0, 1.0, 1.0)
SCENES = {"blobs": blobs(size=80), "one of each": one_of_each(), "volume": volume()}
SMALL = {"rtol": 1e-6, "atol": 1e-9}
ROOT = {"rtol": 1e-6, "atol": 2e-7}
"""InfoMeas2 is the square root of a difference that cp_measure rounds to 1e-15 or so."""


def measure(
    labels: NDArray[np.int32], image: NDArray[Any], **fields: object
) -> dict[str, NDArray[Any]]:
    return Texture.model_validate(fields)(labels, {"C": image}, UNIT)


def plain(column: str) -> str:
    """Return cp_measure's name: without group and channel."""
    return column.removeprefix("Texture_").replace("_C_", "_")


def check_against_oracle(
    labels: NDArray[np.int32], image: NDArray[Any], full_scale: float, scale: int, levels: int
) -> int:
    """Compare every column; return how many numbers are not NaN."""
    mask = dense(labels)
    count = 4 if mask.ndim == 2 else 13
    theirs = get_texture(mask, image.reshape(mask.shape) / full_scale, scale, levels)
    fields = {"scales_px": (scale,), "gray_levels": levels, "directions": count}
    ours = measure(labels, image, full_scale=full_scale, **fields)
    assert [plain(c) for c in ours] == list(theirs)
    for column, mine in ours.items():
        allowed = ROOT if "InfoMeas2" in column else SMALL
        reference = theirs[plain(column)]
        np.testing.assert_allclose(mine, reference, **allowed, err_msg=column)
    return sum(int(np.isfinite(mine).sum()) for mine in ours.values())


@pytest.mark.parametrize(("scale", "levels"), [(1, 256), (3, 256), (2, 7)])
@pytest.mark.parametrize("name", SCENES)
def test_agrees_with_cp_measure(name: str, scale: int, levels: int) -> None:
    labels = SCENES[name]
    dark = picture(labels) % 9
    assert (dark[labels > 0] == 0).any()
    for image, full_scale in ((picture(labels), 2500.0), (dark, 20.0)):
        found = check_against_oracle(labels, image, full_scale, scale, levels)
        assert found > 300 or name == "one of each"


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    image, labels = (
        cv2.imread(str(sorted(folder.glob(f"{kind}/*"))[0]), -1)[None]
        for kind in ("images", "labels")
    )
    for full_scale, most in ((65535.0, 60), (4095.0, 10)):
        few = np.where(labels <= most, labels, 0).astype(np.int32)
        image = np.minimum(image, 4095)
        assert check_against_oracle(few, image, full_scale, 3, 256) > 52 * most / 2


def test_counts_beyond_the_table_of_logarithms() -> None:
    labels = np.ones((1, 120, 120), np.int32)
    image = np.random.default_rng(1).choice([3, 4, 9], labels.shape, p=[0.9, 0.08, 0.02])
    assert (image == 3).sum() > 2 * TABLED
    check_against_oracle(labels, image, 255.0, 3, 256)


@pytest.mark.parametrize("full_scale", [65535.0, 65534.0, 4095.0, 510.0])
def test_every_grey_value_becomes_the_byte_of_scikit_image(full_scale: float) -> None:
    """Objects of 2 x 2 equal pixels: the sum average is twice the level, NaN for level 0."""
    value = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    image, labels = (np.kron(a, np.ones((1, 2, 2), a.dtype)) for a in (value[None], value[None]))
    found = measure(
        labels.astype(np.int32) + 1,
        image,
        scales_px=(1,),
        full_scale=full_scale,
        only=("*SumAverage*",),
    )
    byte = img_as_ubyte(np.minimum(value / full_scale, 1.0)).reshape(-1)
    expected = np.where(byte > 0, 2.0 * byte, np.nan)
    for column in found.values():
        np.testing.assert_array_equal(column, expected)


def test_every_number_of_levels_is_that_of_cellprofiler() -> None:
    byte = np.arange(256, dtype=np.uint8)
    for levels in range(2, 256):
        cut = rescale_intensity(byte, in_range=(0, 255), out_range=(0, levels - 1))
        np.testing.assert_array_equal(grey_table(levels), cut.astype(np.uint8))
    np.testing.assert_array_equal(grey_table(256), byte)


def test_pairs_are_counted_by_hand() -> None:
    """Along x: (1, 2), (2, 2), (4, 1), (1, 2), (3, 3), both ways round; the 0 is left out."""
    image = np.array([[[1, 2, 2], [4, 1, 2], [3, 3, 0]]], np.uint8)
    found = measure(np.ones((1, 3, 3), np.int32), image, scales_px=(1,), full_scale=255)
    ours = {c.split("_")[1]: v.item() for c, v in found.items() if c.endswith("_00_256")}
    n = 10
    assert ours["AngularSecondMoment"] == pytest.approx((2 * 4 + 4 + 2 + 4) / n**2)
    assert ours["Contrast"] == pytest.approx((2 * 1 + 9) / 5)
    assert ours["SumAverage"] == pytest.approx((3 + 4 + 5 + 3 + 6) / 5)
    assert ours["InverseDifferenceMoment"] == pytest.approx((2 / 2 + 2 + 1 / 10) / 5)
    assert ours["DifferenceEntropy"] == pytest.approx(math.log2(5) - 4 / 5)
    pairs = [0.2, 0.2, 0.2, 0.1, 0.1, 0.2]
    assert ours["Entropy"] == pytest.approx(-sum(q * math.log2(q) for q in pairs))


def test_flat_objects_have_the_values_of_one_level() -> None:
    """Exactly: rounding must not make an entropy of nothing, whatever the number of pairs."""
    labels = np.zeros((1, 100, 900), np.int32)
    for i, size in enumerate([4, 5, 7, 11, 13, 22, 29, 47, 83]):
        labels[0, :size, 100 * i : 100 * i + size + 3] = i + 1
    expected = dict.fromkeys(texture.MEASURES, 0.0)
    expected |= dict.fromkeys(
        ("AngularSecondMoment", "Correlation", "InverseDifferenceMoment"), 1.0
    )
    expected |= {"SumAverage": 14.0, "DifferenceVariance": 7 / 8**2}
    found = measure(labels, np.full(labels.shape, 7, np.uint8), full_scale=255)
    for column, value in found.items():
        limit = np.full(9, expected[column.split("_")[1]])
        np.testing.assert_allclose(value, limit, rtol=1e-15, atol=0, err_msg=column)


def test_a_direction_without_pairs_undoes_its_scale_only() -> None:
    labels = np.zeros((1, 12, 12), np.int32)
    labels[0, 1:3, 1:9] = 3
    labels[0, 6, 6] = 9
    found = measure(labels, picture(labels), scales_px=(1, 2), full_scale=1000)
    for column, value in found.items():
        defined = [column.split("_")[3] == "1", False]
        assert np.isfinite(value).tolist() == defined, column


def test_volumes_share_the_columns_of_planes() -> None:
    labels = volume()
    image = picture(labels)
    four, all_of_them = (measure(labels, image, full_scale=1000, directions=n) for n in (4, 13))
    both = np.isfinite(next(iter(all_of_them.values())))
    assert both.sum() > 3
    for column, value in four.items():
        name, direction, levels = column.rsplit("_", 2)
        same = (4, 6, 2, 10)[int(direction)]
        found = all_of_them[f"{name}_{same:02d}_{levels}"]
        np.testing.assert_array_equal(value[both], found[both], err_msg=column)
    flat = measure(labels[9:10], image[9:10], full_scale=1000, directions=13)
    assert list(flat) == list(all_of_them)
    undefined = {c.split("_")[4] for c, v in flat.items() if np.isnan(v).all()}
    assert undefined == {f"{d:02d}" for d in range(4, 13)}


def test_nan_stays_with_its_object_and_channel() -> None:
    labels = blobs(size=60)
    clean = picture(labels, "float32")
    broken = clean.copy()
    sizes = np.bincount(labels.reshape(-1))
    label = int(np.argmax(sizes[1:])) + 1
    broken[tuple(np.argwhere(labels == label)[5])] = np.nan
    found = Texture(full_scale=1000)(labels, {"A": clean, "B": broken}, UNIT)
    row = np.unique(labels[labels > 0]).tolist().index(label)
    for column, value in measure(labels, clean, full_scale=1000).items():
        assert np.isfinite(value[row])
        np.testing.assert_array_equal(found[column.replace("_C_", "_A_")], value)
        expected = value.copy()
        expected[row] = np.nan
        np.testing.assert_array_equal(found[column.replace("_C_", "_B_")], expected)


def test_values_beyond_the_scale_are_its_ends() -> None:
    labels = np.ones((1, 9, 9), np.int32)
    image = np.random.default_rng(2).choice([-np.inf, -3.0, 0.5, 1.0, 7.0, np.inf], labels.shape)
    inside = measure(labels, np.clip(image, 0, 1), scales_px=(1,), full_scale=1)
    for column, value in measure(labels, image, scales_px=(1,), full_scale=1).items():
        assert np.isfinite(value).all()
        np.testing.assert_array_equal(value, inside[column], err_msg=column)


def test_only_what_is_chosen_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = blobs(size=60)
    image = {c: picture(labels, seed=i) for i, c in enumerate("AB")}
    fields = {"scales_px": (1, 3), "full_scale": 1000.0}
    everything = Texture.model_validate(fields)(labels, image, UNIT)
    spy = Mock(side_effect=texture.textures)
    monkeypatch.setattr(texture, "textures", spy)
    only = ("Texture_*_B_3_02_256", "Texture_Contrast_B_3_00_256")
    found = Texture.model_validate({**fields, "only": only})(labels, image, UNIT)
    wanted = [call.args[-1].tolist() for call in spy.call_args_list]
    assert wanted == [[[False] * 4, [True, False, True, False]]]
    assert len(found) == 14
    for column, value in found.items():
        np.testing.assert_array_equal(value, everything[column])


def test_a_direction_that_is_not_wanted_stays_undefined() -> None:
    labels = blobs(size=60)
    objects = index_objects(labels)
    values = gather(picture(labels), voxels(objects))
    steps, wanted = np.array([[(0, 0, 1), (0, 1, 0)]]), np.array([[False, True]])
    found = textures(values, objects, 1000.0, grey_table(256), steps, wanted)
    assert np.isnan(found[0, 0]).all()
    assert np.isfinite(found[0, 1]).any()


def test_channels_must_fit_and_settings_make_sense() -> None:
    labels = one_of_each()
    with pytest.raises(BadInput, match="channel 'C'"):
        measure(labels, picture(labels)[:, 1:])
    for fields in (
        {"scales_px": ()},
        {"scales_px": (3, 3)},
        {"scales_px": (0,)},
        {"gray_levels": 257},
        {"full_scale": 0},
        {"full_scale": math.inf},
        {"directions": 5},
    ):
        with pytest.raises(ValidationError):
            Texture.model_validate(fields)
