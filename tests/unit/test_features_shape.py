"""Shape features against hand-counted objects, cp_measure and scikit-image."""

import math
from typing import Any

import numpy as np
import pytest
import tifffile
from cp_measure.core.measureobjectsizeshape import get_feret, get_sizeshape
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import regionprops

from feature_scenes import blobs, dense, one_of_each, volume
from shared import SHARED, needs_shared
from voxelmill.features import shape
from voxelmill.features._shape_columns import COLUMNS
from voxelmill.features.shape import Shape

UNIT = (1.0, 1.0, 1.0)
PIXEL = {"rtol": 1e-6, "atol": 2e-8}

planes = pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])


def measure(labels: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    return Shape()(labels, {}, UNIT)


def oracle(labels: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
    mask = dense(labels)
    found = {**get_sizeshape(mask, None), **get_feret(mask, None)}
    return {f"AreaShape_{k}": np.asarray(v) for k, v in found.items()}


def check_against_oracle(labels: NDArray[np.int32], shared: int) -> None:
    ours, theirs = measure(labels), oracle(labels)
    absent = {c for c, v in ours.items() if np.isnan(v).all()}
    columns = [c for c in ours if c in theirs and c not in absent]
    assert len(columns) == shared
    for column in columns:
        mine, reference = ours[column], theirs[column]
        if column == "AreaShape_FormFactor":
            reference = np.where(np.isinf(reference), np.nan, reference)
        if column == "AreaShape_Orientation":
            clear = theirs["AreaShape_Eccentricity"] > 1e-3
            mine, reference = mine[clear], reference[clear]
        np.testing.assert_allclose(mine, reference, **PIXEL, err_msg=column)


@planes
def test_planes_agree_with_cp_measure(labels: NDArray[np.int32]) -> None:
    check_against_oracle(labels, 25)


def test_volumes_agree_with_cp_measure() -> None:
    check_against_oracle(volume(), 18)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation" / "labels"
    for file in sorted(folder.glob("*"))[:3]:
        check_against_oracle(cv2.imread(str(file), -1)[None].astype(np.int32), 25)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei_in_a_volume() -> None:
    """With a margin: there, the surface of an object at the border would be open."""
    file = SHARED / "data" / "nuclei3d" / "stardist_sample" / "mask3d.tif"
    labels = np.pad(tifffile.imread(file).astype(np.int32), 1)
    assert len(np.unique(labels)) > 50
    check_against_oracle(labels, 18)


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
    assert found["AreaShape_MaximumRadius"] == 2
    assert (found["AreaShape_MeanRadius"], found["AreaShape_MedianRadius"]) == (20 / 16, 1)
    assert found["AreaShape_MinFeretDiameter"] == 3
    assert found["AreaShape_MaxFeretDiameter"] == pytest.approx(math.sqrt(18))


def test_undefined_is_nan() -> None:
    labels = np.zeros((1, 5, 5), np.int32)
    labels[0, 2, 2] = 1
    plane, thick = measure(labels), measure(np.repeat(labels, 3, 0))
    nan = {c for c, v in plane.items() if np.isnan(v).any()}
    assert nan == {
        "AreaShape_Volume",
        "AreaShape_BoundingBoxVolume",
        "AreaShape_FormFactor",
        "AreaShape_SurfaceArea",
    }
    nan = {c for c, v in thick.items() if np.isnan(v).any()}
    assert nan == {c for c, column in COLUMNS.items() if "planes only" in column.text}
    assert thick["AreaShape_Volume"].tolist() == [3]
    assert thick["AreaShape_Solidity"].tolist() == [1]


def test_columns_are_those_promised_and_rows_ascend() -> None:
    labels = np.zeros((1, 4, 8), np.int32)
    labels[0, 1, 5], labels[0, 2, 1:3] = 2, 2**31 - 1
    found = measure(labels)
    assert list(found) == list(Shape().columns(["any"]))
    assert found["AreaShape_Area"].tolist() == [1, 2]
    empty = measure(np.zeros_like(labels))
    assert {v.shape for v in empty.values()} == {(0,)}


@pytest.mark.parametrize("name", COLUMNS)
def test_only_the_chosen_groups_are_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column alone has the value that it has among all, and no other group is touched."""
    for labels in (one_of_each(), volume()):
        expected = measure(labels)[name]
        with monkeypatch.context() as patch:
            group = COLUMNS[name].group
            patch.setattr(shape, "MEASURES", {group: shape.MEASURES[group]})
            found = Shape(only=(name,))(labels, {}, UNIT)
        assert list(found) == [name]
        np.testing.assert_array_equal(found[name], expected)


def test_edges_of_disconnected_hulls_are_exact() -> None:
    """Hulls of sparse dots cross rows without a pixel and pixels exactly on an edge."""
    rng = np.random.default_rng(4)
    labels = np.zeros((1, 300, 30), np.int32)
    for i in range(10):
        labels[0, 30 * i : 30 * i + 29, :] = (i + 1) * (rng.random((29, 30)) < 0.01)
    expected = [r.area_convex for r in regionprops(labels[0])]
    assert measure(labels)["AreaShape_ConvexArea"].tolist() == expected
    assert ndi.label(labels[0] == 1)[1] > 1
