"""Neighbors features against cp_measure, by hand, and across a frame."""

from typing import Any

import numpy as np
import pytest
from cp_measure.multimask.measureobjectneighbors import (
    D_ADJACENT,
    D_WITHIN,
    measureobjectneighbors,
)
from numpy.typing import NDArray
from scipy import ndimage as ndi

from feature_scenes import blobs, dense, one_of_each
from shared import SHARED, needs_shared
from voxelmill.features.neighbors import Neighbors

UNIT = (1.0, 1.0, 1.0)
Labels = NDArray[np.int32]


def near(labels: Labels, within: int = 5) -> dict[str, NDArray[Any]]:
    found = Neighbors(within_px=within)(labels, {}, UNIT)
    return {column.split("_")[1]: values for column, values in found.items()}


def nearest(labels: Labels) -> dict[str, NDArray[Any]]:
    ids = np.unique(labels[labels > 0]).astype(np.int64)
    centres = np.asarray(ndi.center_of_mass(labels > 0, labels, ids)).reshape(-1, 3)
    found = Neighbors().over_frame(ids, centres)
    return {column.split("_")[1]: values for column, values in found.items()}


def oracle(labels: Labels, within: int) -> dict[str, NDArray[Any]]:
    mask = dense(labels)
    method = D_WITHIN if within else D_ADJACENT
    found = measureobjectneighbors(mask, mask, distance_method=method, distance=within or 1)
    return {column.split("_")[1]: np.asarray(values) for column, values in found.items()}


def check(labels: Labels, within: int) -> None:
    theirs = oracle(labels, within)
    ours = near(labels, within) | nearest(labels)
    for column in ("NumberOfNeighbors", "PercentTouching", "AngleBetweenNeighbors"):
        np.testing.assert_allclose(ours[column], theirs[column], 1e-6, 2e-6, err_msg=column)
    for column in ("FirstClosestDistance", "SecondClosestDistance"):
        np.testing.assert_allclose(ours[column], theirs[column], 1e-6, err_msg=column)


@pytest.mark.parametrize("within", [0, 1, 3, 5, 9])
@pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])
def test_agrees_with_cp_measure(labels: Labels, within: int) -> None:
    check(labels, within)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    files = sorted((SHARED / "data/nuclei2d/bbbc039_validation/labels").glob("*"))[:3]
    for file in files:
        check(cv2.imread(str(file), -1)[None].astype(np.int32), 5)


def discs(*places: tuple[int, int]) -> Labels:
    labels = np.zeros((1, 40, 60), np.int32)
    for i, (y, x) in enumerate(places):
        labels[0, y : y + 3, x : x + 3] = 10 * (i + 1)
    return labels


def test_a_row_is_counted_by_hand() -> None:
    labels = discs((10, 10), (10, 13), (10, 20), (30, 50))
    assert near(labels, 0)["NumberOfNeighbors"].tolist() == [1, 1, 0, 0]
    assert near(labels, 5)["NumberOfNeighbors"].tolist() == [1, 2, 1, 0]
    assert near(labels, 0)["PercentTouching"].tolist() == [37.5, 37.5, 0, 0]
    found = nearest(labels)
    assert found["FirstClosestObjectNumber"].tolist() == [20, 10, 20, 30]
    assert found["SecondClosestObjectNumber"].tolist() == [30, 30, 10, 20]
    assert found["FirstClosestDistance"][:3].tolist() == [3, 3, 7]
    assert found["AngleBetweenNeighbors"][:3].tolist() == [0, 180, 0]


def test_in_a_volume_depth_counts() -> None:
    labels = np.zeros((9, 12, 12), np.int32)
    labels[1:3, 4:8, 4:8], labels[5:8, 4:8, 4:8] = 1, 2
    assert near(labels, 2)["NumberOfNeighbors"].tolist() == [0, 0]
    assert near(labels, 3)["NumberOfNeighbors"].tolist() == [1, 1]
    assert nearest(labels)["FirstClosestDistance"].tolist() == [4.5, 4.5]


def test_alone_there_is_none() -> None:
    found = near(discs((5, 5))) | nearest(discs((5, 5)))
    assert found["NumberOfNeighbors"] == found["PercentTouching"] == 0
    assert found["FirstClosestObjectNumber"] == found["SecondClosestObjectNumber"] == 0
    assert np.isnan(found["FirstClosestDistance"])
    two = nearest(discs((5, 5), (9, 9)))
    assert two["SecondClosestObjectNumber"].tolist() == [0, 0]
    assert np.isnan(two["AngleBetweenNeighbors"]).all()
    assert near(np.zeros((1, 5, 5), np.int32))["NumberOfNeighbors"].size == 0


def test_more_neighbours_than_expected() -> None:
    labels = np.zeros((1, 300, 9), np.int32)
    labels[0, :, 4] = 1
    labels[0, ::2, 2], labels[0, 1::2, 6] = np.arange(150) + 2, np.arange(150) + 500
    assert near(labels, 2)["NumberOfNeighbors"][0] == 300


def test_concentric_objects_are_not_their_own_neighbours() -> None:
    centres = np.zeros((5, 3))
    found = Neighbors().over_frame(np.arange(5, dtype=np.int64) + 1, centres)
    for column in ("FirstClosestObjectNumber", "SecondClosestObjectNumber"):
        numbers = found[f"Neighbors_{column}_5"]
        assert (numbers != np.arange(5) + 1).all()
        assert (numbers > 0).all()
    assert found["Neighbors_FirstClosestDistance_5"].tolist() == [0] * 5
