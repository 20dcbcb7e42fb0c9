"""Radii and Feret diameters against SciPy and against all pairs of pixels."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.spatial import ConvexHull

from feature_scenes import blobs
from voxelmill.features.shape import Shape

UNIT = (1.0, 1.0, 1.0)
RADII = ("AreaShape_MaximumRadius", "AreaShape_MeanRadius", "AreaShape_MedianRadius")


def measure(labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = Shape(only=("*Radius", "*Feret*"))(labels, {}, UNIT)
    return found


def check_radii(labels: NDArray[np.int32]) -> None:
    found = measure(labels)
    for row, label in enumerate(np.unique(labels[labels > 0])):
        alone = np.pad(labels[0] == label, 1)
        inside = ndi.distance_transform_edt(alone)[alone]
        for column, value in zip(
            RADII, (inside.max(), inside.mean(), np.median(inside)), strict=True
        ):
            assert found[column][row] == pytest.approx(value, rel=1e-12), column


def coast(height: int, width: int, grain: float) -> NDArray[np.int32]:
    """One object with bays, islands and holes that fills about half of its box."""
    rng = np.random.default_rng(3)
    field = ndi.gaussian_filter(rng.normal(size=(height, width)), grain)
    return (field > 0).astype(np.int32)[None]


@pytest.mark.parametrize(
    ("height", "width", "grain"), [(90, 400, 5), (400, 90, 5), (65, 64, 20), (300, 129, 1)]
)
def test_radii_are_exact_in_large_objects(height: int, width: int, grain: float) -> None:
    """Objects are treated in bands of columns and chunks of rows, which must not be seen."""
    check_radii(coast(height, width, grain))


def test_radii_are_exact_where_squares_need_more_bits() -> None:
    """More than 254 pixels across: squares of 16 bits no longer hold the sums."""
    labels = coast(300, 700, 12)
    labels[0, 5:-5, 200:520] = 1
    assert measure(labels)[RADII[0]][0] > 127
    check_radii(labels)


def test_neighbours_are_outside_and_the_border_is_too() -> None:
    labels = np.zeros((1, 10, 20), np.int32)
    labels[0, :, :9], labels[0, :, 9:] = 5, 9
    check_radii(labels)
    assert measure(labels)[RADII[0]].tolist() == [5, 5]


def test_a_line_is_one_pixel_deep() -> None:
    labels = np.zeros((1, 9, 9), np.int32)
    labels[0, 4, 1:8] = labels[0, 2, 2] = 3
    assert [measure(labels)[column].tolist() for column in RADII] == [[1], [1], [1]]


def feret(pixels: NDArray[np.bool_]) -> tuple[float, float]:
    """Least width over the edges of the hull, largest distance of two pixels."""
    corners = np.argwhere(pixels)[ConvexHull(np.argwhere(pixels)).vertices]
    edges = np.roll(corners, -1, 0) - corners
    normals = np.stack([-edges[:, 1], edges[:, 0]], 1) / np.hypot(*edges.T)[:, None]
    apart = np.linalg.norm(corners[:, None] - corners[None], axis=2)
    return np.ptp(corners @ normals.T, axis=0).min(), apart.max()


def test_feret_diameters_are_those_of_all_directions() -> None:
    labels = blobs()
    labels[np.isin(labels, np.flatnonzero(np.bincount(labels.ravel()) < 40))] = 0
    found = measure(labels)
    assert len(found["AreaShape_MaxFeretDiameter"]) > 20
    for row, label in enumerate(np.unique(labels[labels > 0])):
        least, largest = feret(labels[0] == label)
        assert found["AreaShape_MinFeretDiameter"][row] == pytest.approx(least, rel=1e-12)
        assert found["AreaShape_MaxFeretDiameter"][row] == pytest.approx(largest, rel=1e-12)


def test_feret_diameters_of_pixels_and_lines() -> None:
    labels = np.zeros((1, 9, 9), np.int32)
    labels[0, 0, 0] = 1
    labels[0, 1, 2:6] = 2
    labels[0, 3:7, 1] = 3
    labels[0, [3, 5, 7], [3, 5, 7]] = 4
    found = measure(labels)
    assert found["AreaShape_MinFeretDiameter"].tolist() == [0, 0, 0, 0]
    expected = [0, 3, 3, np.sqrt(32)]
    np.testing.assert_array_equal(found["AreaShape_MaxFeretDiameter"], expected)
