"""Intensity features against cp_measure and against NumPy, object by object."""

from typing import Any

import numpy as np
import pytest
from cp_measure.core.measureobjectintensity import get_intensity
from numpy.typing import NDArray

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features.intensity import Intensity
from voxelmill.features.shape import Shape
from voxelmill.kernels import measure_values
from voxelmill.kernels.measure import indexed
from voxelmill.kernels.measure_outline import outlines
from voxelmill.plugin import BadInput

UNIT = (1.0, 1.0, 1.0)
SCENES = {"blobs": blobs(), "one of each": one_of_each(), "volume": volume()}

scenes = pytest.mark.parametrize("name", SCENES)


def measure(labels: NDArray[np.int32], image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return Intensity()(labels, {"C": image}, UNIT)


def check_against_oracle(labels: NDArray[np.int32], image: NDArray[Any], edges: bool) -> None:
    mask = dense(labels)
    theirs = get_intensity(mask, image.reshape(mask.shape).astype(np.float64))
    ours = measure(labels, image)
    assert len(ours) == len(theirs) == 21
    for column, mine in ours.items():
        if edges or "Edge" not in column:
            reference = theirs[column.removesuffix("_C")]
            np.testing.assert_allclose(mine, reference, rtol=1e-6, atol=2e-8, err_msg=column)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@scenes
def test_agrees_with_cp_measure(name: str, dtype: str) -> None:
    labels = SCENES[name]
    check_against_oracle(labels, picture(labels, dtype), edges=True)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    pairs = list(
        zip(sorted(folder.glob("images/*")), sorted(folder.glob("labels/*")), strict=True)
    )[:3]
    for picture_file, label_file in pairs:
        image, labels = (cv2.imread(str(f), -1)[None] for f in (picture_file, label_file))
        labels = labels.astype(np.int32)
        check_against_oracle(labels, image, edges=False)
        border = np.unique(
            np.concatenate([labels[0, [0, -1]].ravel(), labels[0, :, [0, -1]].ravel()])
        )
        check_against_oracle(np.where(np.isin(labels, border), 0, labels), image, edges=True)


@scenes
def test_quantiles_are_those_of_numpy(name: str) -> None:
    labels = SCENES[name]
    image = np.random.default_rng(5).normal(0, 1e6, labels.shape)
    image[labels % 2 == 0] = np.rint(image[labels % 2 == 0] / 1e5)
    ours = measure(labels, image)
    for row, label in enumerate(np.unique(labels[labels > 0])):
        mine = image[labels == label]
        quartiles = np.percentile(mine, [25, 50, 75])
        spread = np.median(np.abs(mine - quartiles[1]))
        for column, value in zip(
            ("LowerQuartile", "Median", "UpperQuartile", "MAD"), (*quartiles, spread), strict=True
        ):
            got = ours[f"Intensity_{column}Intensity_C"][row]
            assert got == pytest.approx(value, rel=1e-12, abs=1e-9), column


@scenes
def test_counted_and_sorted_values_have_the_same_quantiles(name: str) -> None:
    """The same whole numbers a power of two further apart are too far apart to be counted."""
    labels = SCENES[name]
    image = np.random.default_rng(2).integers(-40, 300, labels.shape).astype(np.int16)
    near, far = measure(labels, image), measure(labels, image.astype(np.float64) * 2.0**30)
    for column in ("LowerQuartile", "Median", "UpperQuartile", "MAD"):
        name = f"Intensity_{column}Intensity_C"
        np.testing.assert_array_equal(near[name] * 2.0**30, far[name])


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = blobs()
    whole = measure(labels, picture(labels))
    monkeypatch.setattr(measure_values, "BATCH_VOXELS", 50)
    for column, value in measure(labels, picture(labels)).items():
        np.testing.assert_array_equal(whole[column], value, err_msg=column)


@pytest.mark.parametrize("dtype", ["bool", "int8", ">i4", "uint64", "float16", ">f4", "longdouble"])
def test_any_real_type_is_read(dtype: str) -> None:
    labels = volume()
    image = (picture(labels) % 2).astype(dtype)
    expected = measure(labels, image.astype(np.float64))
    for column, value in measure(labels, image).items():
        np.testing.assert_array_equal(value, expected[column], err_msg=column)


def test_sums_of_integers_are_exact() -> None:
    labels = np.ones((1, 300, 300), np.int32)
    image = np.random.default_rng(0).integers(0, 2**32, labels.shape, dtype=np.uint32)
    total = int(image.astype(object).sum())
    assert int(measure(labels, image)["Intensity_IntegratedIntensity_C"][0]) == total


def test_nan_stays_with_its_object_and_channel() -> None:
    labels = one_of_each()
    clean = picture(labels, "float32")
    broken = clean.copy()
    broken[0, 5, 14] = np.nan
    found = Intensity()(labels, {"A": clean, "B": broken}, UNIT)
    alone = measure(labels, clean)
    row = np.unique(labels[labels > 0]).tolist().index(7)
    for column, value in alone.items():
        np.testing.assert_array_equal(found[f"{column[:-1]}A"], value)
        expected = value.copy()
        expected[row] = np.nan
        np.testing.assert_array_equal(found[f"{column[:-1]}B"], expected)


def test_no_light_no_centre_of_mass() -> None:
    labels = one_of_each()
    found = measure(labels, np.zeros(labels.shape, np.uint16))
    for column, value in found.items():
        undefined = "CenterMass" in column or "MassDisplacement" in column
        assert np.isnan(value).all() == undefined, column


def test_uniform_light_has_its_centre_in_the_centroid() -> None:
    labels = volume()
    found = measure(labels, np.full(labels.shape, 9, np.uint8))
    shape = Shape()(labels, {}, UNIT)
    for axis in "XYZ":
        centre = found[f"Location_CenterMassIntensity_{axis}_C"]
        np.testing.assert_allclose(centre, shape[f"Location_Center_{axis}"], atol=2e-8)


def test_channels_come_in_image_order_and_must_fit() -> None:
    labels = one_of_each()
    image = {"b": picture(labels), "a": picture(labels)}
    assert list(Intensity()(labels, image, UNIT)) == list(Intensity().columns(["b", "a"]))
    with pytest.raises(BadInput, match="channel 'a'"):
        Intensity()(labels, {"a": image["a"][:, 1:]}, UNIT)


class Unreadable:
    """An image that has a shape and nothing else."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def test_only_what_is_chosen_is_measured() -> None:
    labels = one_of_each()
    image: dict[str, Any] = {c: picture(labels, seed=seed) for seed, c in enumerate("AB")}
    every = Intensity()(labels, image, UNIT)
    image["B"] = Unreadable(labels.shape)
    for column in Intensity().columns(["A"]):
        with indexed(labels) as objects:
            found = Intensity(only=(column,))(labels, image, UNIT)
            assert (outlines in objects.memo) == ("Edge" in column), column
        assert list(found) == [column]
        np.testing.assert_array_equal(found[column], every[column], err_msg=column)
    with pytest.raises(AttributeError):
        Intensity(only=("*_B",))(labels, image, UNIT)
