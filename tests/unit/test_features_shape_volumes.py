"""Surface area and convex hull of volumes against scikit-image, and counted by hand."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import euler_number, marching_cubes, mesh_surface_area
from skimage.morphology import convex_hull_image

from voxelmill.features.shape import Shape
from voxelmill.kernels.measure_surface import AREAS, CASES

UNIT = (1.0, 1.0, 1.0)


def measure(labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = Shape()(labels, {}, UNIT)
    return found


def surface(voxels: NDArray[np.bool_]) -> float:
    vertices, faces, _, _ = marching_cubes(voxels, level=0, method="lewiner")
    return float(mesh_surface_area(vertices, faces))


def test_every_cube_has_the_area_of_scikit_image() -> None:
    assert AREAS[CASES[0]] == AREAS[CASES[255]] == 0
    for case in range(1, 255):
        cube = np.array([case >> bit & 1 for bit in range(8)], bool).reshape(2, 2, 2)
        assert AREAS[CASES[case]] == pytest.approx(surface(cube), rel=1e-6, abs=1e-6), case


def test_a_voxel_is_wrapped_in_an_octahedron_through_its_neighbours() -> None:
    labels = np.zeros((3, 4, 5), np.int32)
    labels[1, 1, 1] = 2
    assert measure(labels)["AreaShape_SurfaceArea"][0] == pytest.approx(8 * np.sqrt(3) / 2)


def test_the_surface_is_closed_at_the_border_and_between_neighbours() -> None:
    block = np.ones((4, 5, 6), np.int32)
    expected = surface(np.pad(block > 0, 1))
    touching = np.concatenate([block, 2 * block], axis=1)
    areas = measure(touching)["AreaShape_SurfaceArea"]
    np.testing.assert_allclose(areas, expected, rtol=1e-6)
    assert areas[0] == areas[1]


def objects() -> list[NDArray[np.bool_]]:
    """Dots, sponges and blobs that fill their boxes from end to end, none of them flat."""
    rng = np.random.default_rng(6)
    found = []
    while len(found) < 60:
        shape = tuple(rng.integers(2, 13, 3))
        if len(found) % 2:
            voxels = rng.random(shape) < rng.random() ** 3
        else:
            voxels = ndi.gaussian_filter(rng.normal(size=shape), rng.uniform(0.5, 2)) > 0
        if voxels.any():
            box = ndi.find_objects(voxels.astype(int))[0]
            if min(voxels[box].shape) > 1 and convex(voxels[box]):
                found.append(voxels[box])
    return found


def convex(voxels: NDArray[np.bool_]) -> int:
    """Voxels of the convex hull, 0 where Qhull finds all of them on a plane."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return int(convex_hull_image(voxels).sum())


def test_odd_objects_agree_with_scikit_image() -> None:
    for voxels in objects():
        found = {k: v.item() for k, v in measure(voxels.astype(np.int32)).items()}
        assert found["AreaShape_Solidity"] == voxels.sum() / convex(voxels)
        assert found["AreaShape_EulerNumber"] == euler_number(np.pad(voxels, 1), 3)
        area = surface(np.pad(voxels, 1))
        assert found["AreaShape_SurfaceArea"] == pytest.approx(area, rel=1e-6)


def test_flat_objects_have_a_hull() -> None:
    """Qhull refuses them; the hull of the centres of the voxels' faces is never flat."""
    labels = np.zeros((9, 9, 60), np.int32)
    labels[4, 4, 2] = 1
    labels[4, 2:7, 6] = 2
    labels[2:7, 2:7, 12] = 3
    labels[3, 3, 18], labels[5, 5, 20] = 4, 4
    labels[2, 2:5, 30:33] = 5
    labels[2, 3, 31] = 0
    expected = [1, 1, 1, 2 / 3, 8 / 9]
    assert measure(labels)["AreaShape_Solidity"].tolist() == expected
