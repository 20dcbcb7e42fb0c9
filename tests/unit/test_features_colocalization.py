"""Colocalization features against cp_measure, by hand, and what undefined objects become."""

import warnings
from typing import Any

import numpy as np
import pytest
from cp_measure.core.measurecolocalization import (
    get_correlation_manders_fold,
    get_correlation_overlap,
    get_correlation_pearson,
    get_correlation_rwc,
)
from numpy.typing import NDArray
from scipy import ndimage as ndi

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features.colocalization import Colocalization
from voxelmill.kernels import measure_values
from voxelmill.kernels.measure import indexed
from voxelmill.plugin import BadConfig, BadInput

UNIT = (1.0, 1.0, 1.0)
SCENES = {"blobs": blobs(), "one of each": one_of_each(), "volume": volume()}
THEIRS = {
    "Correlation_Pearson": "Correlation_Correlation_A_B",
    "Correlation_Slope": "Correlation_Slope_A_B",
    "Correlation_Overlap": "Correlation_Overlap_A_B",
    "Correlation_K_1": "Correlation_K_A_B",
    "Correlation_K_2": "Correlation_K_B_A",
    "Correlation_Manders_1": "Correlation_Manders_A_B",
    "Correlation_Manders_2": "Correlation_Manders_B_A",
    "Correlation_RWC_1": "Correlation_RWC_A_B",
    "Correlation_RWC_2": "Correlation_RWC_B_A",
}

scenes = pytest.mark.parametrize("name", SCENES)
their_warnings = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def measure(
    labels: NDArray[np.int32], a: NDArray[Any], b: NDArray[Any], **settings: float
) -> dict[str, NDArray[Any]]:
    with warnings.catch_warnings(action="error"):
        return Colocalization.model_validate(settings)(labels, {"A": a, "B": b}, UNIT)


def second(labels: NDArray[np.int32], first: NDArray[Any], seed: int = 5) -> NDArray[Any]:
    """Make another channel that follows the first one here and there, from near 0 up."""
    rng = np.random.default_rng(seed)
    follows = (labels % 3) * 0.5 * first + rng.exponential(60, labels.shape)
    return np.clip(follows, 1, 250 if first.dtype == np.uint8 else 4000).astype(first.dtype)


def check_against_oracle(
    labels: NDArray[np.int32], a: NDArray[Any], b: NDArray[Any], threshold: float = 15.0
) -> None:
    mask = dense(labels)
    first, other = (image.reshape(mask.shape).astype(np.float64) for image in (a, b))
    theirs: dict[str, list[float]] = {}
    theirs |= get_correlation_pearson(first, other, mask)
    for function in (get_correlation_overlap, get_correlation_manders_fold, get_correlation_rwc):
        theirs |= function(first, other, mask, threshold)
    ours = measure(labels, a, b, threshold_percent=threshold)
    assert set(ours) == set(THEIRS.values())
    for name, column in THEIRS.items():
        # Correlations near 0 are differences of large sums.
        np.testing.assert_allclose(ours[column], theirs[name], 1e-6, 1e-12, err_msg=column)


@their_warnings
@pytest.mark.parametrize("threshold", [0.0, 15.0, 70.0, 100.0])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
@scenes
def test_agrees_with_cp_measure(name: str, dtype: str, threshold: float) -> None:
    labels = SCENES[name]
    first = picture(labels, "uint16") % 200 + 1 if dtype == "uint8" else picture(labels, dtype)
    first = first.astype(dtype)
    check_against_oracle(labels, first, second(labels, first), threshold)


@their_warnings
@pytest.mark.parametrize("name", ["blobs", "volume"])
def test_agrees_with_cp_measure_on_values_that_must_be_sorted(name: str) -> None:
    """Real numbers of both signs, ties among them, and whole numbers far apart."""
    labels = SCENES[name]
    rng = np.random.default_rng(1)
    real = rng.normal(0, 1, labels.shape)
    real[rng.random(labels.shape) < 0.3] = 0.5
    real[rng.random(labels.shape) < 0.1] = -0.0
    far = rng.integers(1, 2**40, labels.shape) // 7**9 * 7**9
    check_against_oracle(labels, real, far)


@their_warnings
@needs_shared
def test_agrees_with_cp_measure_on_real_cells() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "features" / "cellprofiler_ExampleHuman" / "images"
    channels = [cv2.imread(str(file), 0)[None] for file in sorted(folder.glob("*.tif"))]
    assert len(channels) == 3
    smooth = ndi.gaussian_filter(channels[0].astype(np.float64), (0, 2, 2))
    labels = ndi.label(smooth > smooth.mean())[0].astype(np.int32)
    assert labels.max() > 100
    for i, j in ((0, 1), (0, 2), (1, 2)):
        check_against_oracle(labels, channels[i], channels[j])


def test_four_voxels_are_counted_by_hand() -> None:
    labels = np.ones((1, 1, 4), np.int32)
    a = np.array([[[0, 2, 4, 10]]], np.uint16)
    b = np.array([[[3, 0, 3, 9]]], np.uint8)
    found = {name: column.item() for name, column in measure(labels, a, b).items()}
    # Bright: a from 1.5 on, b from 1.35 on; both: the last two. Ranks: 0 1 2 3 and 1 0 1 2.
    assert found == pytest.approx(
        {
            "Correlation_Correlation_A_B": 42 / (56 * 42.75) ** 0.5,
            "Correlation_Slope_A_B": 42 / 56,
            "Correlation_Overlap_A_B": 102 / (116 * 90) ** 0.5,
            "Correlation_K_A_B": 102 / 116,
            "Correlation_K_B_A": 102 / 90,
            "Correlation_Manders_A_B": 14 / 16,
            "Correlation_Manders_B_A": 12 / 15,
            "Correlation_RWC_A_B": 0.75 * 14 / 16,
            "Correlation_RWC_B_A": 0.75 * 12 / 15,
        },
        rel=1e-12,
    )


def test_flat_and_tiny_objects() -> None:
    labels = np.zeros((1, 3, 9), np.int32)
    labels[0, 0, :3], labels[0, 2, :5], labels[0, 1, 8] = 3, 9, 2**31 - 1
    rising = np.arange(27, dtype=np.float32).reshape(labels.shape)
    # The mean of three times 0.1 is not 0.1 in float64.
    flat = np.full(labels.shape, 0.1)
    found = measure(labels, flat, rising)
    assert np.isnan(found["Correlation_Correlation_A_B"]).all()
    assert np.isnan(found["Correlation_Slope_A_B"]).all()
    other = measure(labels, rising, flat)
    assert np.isnan(other["Correlation_Correlation_A_B"]).all()
    np.testing.assert_array_equal(other["Correlation_Slope_A_B"], [0, 0, np.nan])
    assert other["Correlation_RWC_A_B"][2] == other["Correlation_Manders_A_B"][2] == 1
    for name in ("Overlap_A_B", "K_A_B", "Manders_A_B", "RWC_A_B"):
        dark = measure(labels, np.zeros_like(flat), rising)[f"Correlation_{name}"]
        assert np.isnan(dark).all(), name


def test_no_voxel_bright_in_both() -> None:
    labels = np.full((1, 1, 4), 5, np.int32)
    found = measure(labels, np.array([[[9, 9, 0, 0]]]), np.array([[[0, 0, 9, 9]]]))
    assert found.pop("Correlation_Correlation_A_B").item() == pytest.approx(-1)
    assert found.pop("Correlation_Slope_A_B").item() == pytest.approx(-1)
    assert {column.item() for column in found.values()} == {0.0}


def test_correlation_stays_within_its_limits() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(1, 201, dtype=np.int32).repeat(7)[None, None]
    a = rng.normal(0, 1, labels.shape)
    same = measure(labels, a, 3 * a)["Correlation_Correlation_A_B"]
    against = measure(labels, a, -3 * a)["Correlation_Correlation_A_B"]
    assert same.max() <= 1 <= same.min() + 1e-12
    assert against.min() >= -1 >= against.max() - 1e-12


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_with_its_object_and_pairs(bad: float) -> None:
    labels = one_of_each()
    image = {c: picture(labels, "float32", seed) for seed, c in enumerate("ABC")}
    clean = Colocalization()(labels, image, UNIT)
    broken = {**image, "B": image["B"].copy()}
    broken["B"][0, 5, 14] = bad
    found = Colocalization()(labels, broken, UNIT)
    row = np.unique(labels[labels > 0]).tolist().index(7)
    for column, value in clean.items():
        others = np.arange(value.size) != row
        np.testing.assert_array_equal(found[column][others], value[others])
        if "B" not in column:
            np.testing.assert_array_equal(found[column], value)
        elif np.isnan(bad):
            assert np.isnan(found[column][row]), column


def test_pairs_come_in_image_order() -> None:
    labels = volume()
    image = {c: picture(labels, seed=seed) for seed, c in enumerate(("z", "m", "a"))}
    found = Colocalization()(labels, image, UNIT)
    assert list(found) == list(Colocalization().columns(list(image)))
    assert [c for c in found if "_K_" in c] == [
        f"Correlation_K_{pair}" for pair in ("z_m", "m_z", "z_a", "a_z", "m_a", "a_m")
    ]
    alone = Colocalization()(labels, {c: image[c] for c in "za"}, UNIT)
    for column, value in alone.items():
        np.testing.assert_array_equal(found[column], value, err_msg=column)
    assert Colocalization()(labels, {"z": image["z"]}, UNIT) == {}


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = blobs()
    a = picture(labels)
    whole = measure(labels, a, second(labels, a))
    monkeypatch.setattr(measure_values, "BATCH_VOXELS", 50)
    for column, value in measure(labels, a, second(labels, a)).items():
        np.testing.assert_array_equal(whole[column], value, err_msg=column)


class Unreadable:
    """An image that has a shape and nothing else."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape


def test_only_what_is_chosen_is_measured() -> None:
    labels = one_of_each()
    image: dict[str, Any] = {c: picture(labels, seed=seed) for seed, c in enumerate("ABC")}
    every = Colocalization()(labels, image, UNIT)
    for column in every:
        found = Colocalization(only=(column,))(labels, image, UNIT)
        assert list(found) == [column]
        np.testing.assert_array_equal(found[column], every[column])
    image["B"] = Unreadable(labels.shape)
    with indexed(labels) as objects:
        found = Colocalization(only=("*_A_C", "*_C_A"))(labels, image, UNIT)
        assert objects.memo == {}
    assert list(found) == [c for c in every if "B" not in c]
    with pytest.raises(AttributeError):
        Colocalization(only=("*_A_B",))(labels, image, UNIT)


def test_what_cannot_be_measured_is_refused() -> None:
    labels = one_of_each()
    with pytest.raises(BadInput, match="channel 'B'"):
        measure(labels, picture(labels), picture(labels)[:, 1:])
    with pytest.raises(BadConfig, match="same name"):
        Colocalization().columns(["A", "B_C", "A_B", "C"])
    for threshold in (-1, 101):
        with pytest.raises(ValueError, match="threshold_percent"):
            measure(labels, picture(labels), picture(labels), threshold_percent=threshold)
