"""Shape features against hand-counted objects, cp_measure and scikit-image."""

import math
from typing import Any

import numpy as np
import pytest
from cp_measure.core.measureobjectsizeshape import get_sizeshape
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import regionprops

from feature_scenes import blobs, dense, one_of_each, volume
from voxelmill.features.shape import Shape

UNIT = (1.0, 1.0, 1.0)
PIXEL = {"rtol": 1e-6, "atol": 2e-8}

planes = pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])


def measure(labels: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    return Shape()(labels, {}, UNIT)


def oracle(labels: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    mask = dense(labels)
    return {f"AreaShape_{k}": np.asarray(v) for k, v in get_sizeshape(mask, None).items()}


@planes
def test_planes_agree_with_cp_measure(labels: NDArray[np.int32]) -> None:
    ours, theirs = measure(labels), oracle(labels)
    shared = [c for c in ours if c in theirs]
    assert len(shared) == 20
    for column in shared:
        mine, reference = ours[column], theirs[column]
        if column == "AreaShape_FormFactor":
            reference = np.where(np.isinf(reference), np.nan, reference)
        if column == "AreaShape_Orientation":
            clear = theirs["AreaShape_Eccentricity"] > 1e-3
            mine, reference = mine[clear], reference[clear]
        np.testing.assert_allclose(mine, reference, **PIXEL, err_msg=column)


def test_volumes_agree_with_cp_measure() -> None:
    labels = volume()
    ours, theirs = measure(labels), oracle(labels)
    absent = {"AreaShape_ConvexArea", "AreaShape_Solidity"}
    shared = [c for c in ours if c in theirs and c not in absent]
    assert len(shared) == 16
    for column in shared:
        np.testing.assert_allclose(ours[column], theirs[column], **PIXEL, err_msg=column)


@planes
def test_planes_agree_with_scikit_image(labels: NDArray[np.int32]) -> None:
    ours = measure(labels)
    for row, region in enumerate(regionprops(labels[0])):
        expected = {
            "AreaShape_Area": region.area,
            "AreaShape_ConvexArea": region.area_convex,
            "AreaShape_EulerNumber": region.euler_number,
            "AreaShape_Perimeter": region.perimeter,
            "AreaShape_MajorAxisLength": region.axis_major_length,
            "AreaShape_Eccentricity": region.eccentricity,
            "AreaShape_Extent": region.extent,
            "Location_Center_X": region.centroid[1],
            "Location_Center_Y": region.centroid[0],
        }
        for column, value in expected.items():
            assert ours[column][row] == pytest.approx(value, rel=1e-6, abs=2e-8), column


def test_volumes_count_cavities_and_tunnels() -> None:
    labels = np.zeros((7, 7, 23), np.int32)
    labels[1:6, 1:6, 1:6] = 5
    labels[2:5, 2:5, 2:5] = 0
    labels[1:6, 1:6, 8:13] = 6
    labels[1:6, 3, 10] = 0
    labels[1:3, 1:3, 16:18] = labels[3, 3, 18] = 9
    assert measure(labels)["AreaShape_EulerNumber"].tolist() == [2, 0, 1]


def test_a_square_is_counted_by_hand() -> None:
    labels = np.zeros((1, 9, 9), np.int32)
    labels[0, 2:6, 3:7] = 7
    found = {k: v.item() for k, v in measure(labels).items()}
    assert found["AreaShape_Area"] == found["AreaShape_BoundingBoxArea"] == 16
    assert (found["AreaShape_Center_Y"], found["AreaShape_Center_X"]) == (3.5, 4.5)
    assert found["AreaShape_BoundingBoxMinimum_Y"] == 2
    assert found["AreaShape_BoundingBoxMaximum_X"] == 7
    assert found["AreaShape_Perimeter"] == 12
    assert found["AreaShape_ConvexArea"] == 16
    assert found["AreaShape_Eccentricity"] == 0
    assert found["AreaShape_Orientation"] == -45
    assert found["AreaShape_EquivalentDiameter"] == pytest.approx(math.sqrt(64 / math.pi))


def test_undefined_is_nan() -> None:
    labels = np.zeros((1, 5, 5), np.int32)
    labels[0, 2, 2] = 1
    plane, thick = measure(labels), measure(np.repeat(labels, 3, 0))
    nan = {c for c, v in plane.items() if np.isnan(v).any()}
    assert nan == {
        "AreaShape_Volume",
        "AreaShape_BoundingBoxVolume",
        "AreaShape_FormFactor",
    }
    assert np.isnan(thick["AreaShape_Area"]).all()
    assert thick["AreaShape_Volume"].tolist() == [3]


def test_columns_are_those_promised_and_rows_ascend() -> None:
    labels = np.zeros((1, 4, 8), np.int32)
    labels[0, 1, 5], labels[0, 2, 1:3] = 2, 2**31 - 1
    found = measure(labels)
    assert list(found) == list(Shape().columns(["any"]))
    assert found["AreaShape_Area"].tolist() == [1, 2]
    empty = measure(np.zeros_like(labels))
    assert {v.shape for v in empty.values()} == {(0,)}


def test_edges_of_disconnected_hulls_are_exact() -> None:
    """Hulls of sparse dots cross rows without a pixel and pixels exactly on an edge."""
    rng = np.random.default_rng(4)
    labels = np.zeros((1, 300, 30), np.int32)
    for i in range(10):
        labels[0, 30 * i : 30 * i + 29, :] = (i + 1) * (rng.random((29, 30)) < 0.01)
    expected = [r.area_convex for r in regionprops(labels[0])]
    assert measure(labels)["AreaShape_ConvexArea"].tolist() == expected
    assert ndi.label(labels[0] == 1)[1] > 1
