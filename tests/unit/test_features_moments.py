"""Moments against cp_measure, exact fractions and hand-counted objects."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from cp_measure.core.measureobjectsizeshape import get_sizeshape
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from feature_scenes import blobs, dense, one_of_each, volume
from shared import SHARED, needs_shared
from voxelmill.features import moments
from voxelmill.features.moments import Moments
from voxelmill.plugin import BadConfig

UNIT = (1.0, 1.0, 1.0)
SKIMAGE = {
    "SpatialMoment": "moments",
    "CentralMoment": "moments_central",
    "NormalizedMoment": "moments_normalized",
}

Found = dict[str, NDArray[Any]]


def measure(labels: NDArray[np.int32], volumes: bool = False, only: tuple[str, ...] = ()) -> Found:
    return Moments(volumes=volumes, only=only)(labels, {}, UNIT)


def oracle(labels: NDArray[np.int32]) -> Found:
    """Columns of cp_measure, and those 12 in volumes (0_3_0 … 0_3_3) that it forgets."""
    mask = dense(labels)
    found = {f"AreaShape_{k}": np.asarray(v) for k, v in get_sizeshape(mask, None).items()}
    if mask.ndim == 3:
        for group, name in SKIMAGE.items():
            for key, value in regionprops_table(mask, properties=[name]).items():
                column = f"AreaShape_{group}{key.removeprefix(name).replace('-', '_')}"
                np.testing.assert_array_equal(found.setdefault(column, value), value)
    return found


def absolute(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sums of absolute terms (n, 4, 4, 4) about the centroid: what rounding errors grow with."""
    rows = []
    for label in np.unique(labels[labels > 0]):
        places = np.argwhere(labels == label).astype(np.float64)
        powers = np.abs(places - places.mean(axis=0))[:, :, None] ** np.arange(4)
        rows.append(np.einsum("vp,vq,vr->pqr", powers[:, 0], powers[:, 1], powers[:, 2]))
    return np.array(rows)


def tolerance(column: str, scale: NDArray[np.float64], axes: int) -> NDArray[np.float64]:
    """1e-12 of what the value would be if nothing cancelled: moments near 0 are rounding there."""
    group, *index = column.removeprefix("AreaShape_").split("_")
    order = tuple(map(int, index))
    size = scale[:, 0, 0, 0]

    def eta(*powers: int) -> NDArray[np.float64]:
        at = (0,) * (3 - len(powers)) + powers
        value: NDArray[np.float64] = scale[:, at[0], at[1], at[2]]
        return value / size ** (sum(powers) / axes + 1)

    if group == "HuMoment":
        second = eta(2, 0) + eta(0, 2)
        third = 2 * (eta(3, 0) + eta(0, 3) + eta(2, 1) + eta(1, 2))
        of = [second, second**2, third**2, third**2, third**4, second * third**2, third**4]
        return 1e-12 * of[order[0]]
    if group.startswith("InertiaTensor"):
        return 1e-12 * (scale[:, 2, 0, 0] + scale[:, 0, 2, 0] + scale[:, 0, 0, 2]) / size
    if group == "SpatialMoment":
        return np.zeros_like(size)
    return 1e-12 * eta(*order) * (size ** (sum(order) / axes + 1) if "Central" in group else 1)


def check_against_oracle(labels: NDArray[np.int32], count: int, volumes: bool = False) -> None:
    ours, theirs, scale = measure(labels, volumes), oracle(labels), absolute(labels)
    axes = 2 if labels.shape[0] == 1 else 3
    compared = 0
    for column, mine in ours.items():
        if column not in theirs:
            assert np.isnan(mine).all(), column
            continue
        reference, order = theirs[column], column.split("_")[2:]
        if "Normalized" in column and sum(map(int, order)) < 2:
            assert np.isnan(reference).all()
            assert set(mine) == {float(sum(map(int, order)) == 0)}, column
            continue
        allowed = 1e-6 * np.abs(reference) + tolerance(column, scale, axes)
        assert np.max(np.abs(mine - reference) - allowed) <= 0, column
        compared += 1
    assert compared == count


@pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])
def test_planes_agree_with_cp_measure(labels: NDArray[np.int32]) -> None:
    check_against_oracle(labels, 50)


def test_volumes_agree_with_cp_measure() -> None:
    check_against_oracle(volume(), 192 - 4 + 12, volumes=True)


@needs_shared
def test_real_nuclei_agree_with_cp_measure() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation" / "labels"
    for file in sorted(folder.glob("*"))[:3]:
        check_against_oracle(cv2.imread(str(file), -1)[None].astype(np.int32), 50)


def exact(labels: NDArray[np.int32], order: tuple[int, ...], centred: bool) -> Fraction:
    places = np.argwhere(labels > 0)
    places -= places.min(axis=0)
    points = [tuple(map(int, place)) for place in places]
    centre = [Fraction(sum(axis), len(points)) * centred for axis in zip(*points, strict=True)]
    total = Fraction(0)
    for point in points:
        term = Fraction(1)
        for x, c, power in zip(point, centre, order, strict=True):
            term *= (x - c) ** power
        total += term
    return total


def test_sums_are_exact_or_rounded_once() -> None:
    """Scattered voxels of a wide object, so that powers of raw positions would cancel."""
    rng = np.random.default_rng(3)
    labels = (rng.random((2, 40, 4096)) < 2e-4).astype(np.int32)
    labels[0, 0, 0] = labels[1, 39, 4095] = 1
    found = measure(labels, volumes=True)
    for order in product(range(2), range(4), range(4)):
        index = "_".join(map(str, order))
        spatial = found[f"AreaShape_SpatialMoment_{index}"].item()
        assert spatial == pytest.approx(float(exact(labels, order, False)), rel=1e-15)
        central = found[f"AreaShape_CentralMoment_{index}"].item()
        scale = absolute(labels)[(0, *order)]
        assert abs(central - float(exact(labels, order, True))) <= 1e-14 * scale


def test_small_objects_are_exact() -> None:
    labels = blobs(7, 90)
    labels = np.where(labels == labels.max(), 1, 0).astype(np.int32)
    found = measure(labels)
    for q, r in product(range(3), range(4)):
        expected = exact(labels, (0, q, r), False)
        assert Fraction(found[f"AreaShape_SpatialMoment_{q}_{r}"].item()) == expected


def test_a_rectangle_is_counted_by_hand() -> None:
    labels = np.zeros((1, 9, 9), np.int32)
    labels[0, 3:5, 4:7] = 9
    found = {k.removeprefix("AreaShape_"): v.item() for k, v in measure(labels).items()}
    assert [found[f"SpatialMoment_{q}_0"] for q in range(3)] == [6, 3, 3]
    assert [found[f"SpatialMoment_0_{r}"] for r in range(4)] == [6, 6, 10, 18]
    assert found["SpatialMoment_1_2"] == 5
    assert (found["CentralMoment_2_0"], found["CentralMoment_0_2"]) == (1.5, 4)
    odd = [f"CentralMoment_{q}_{r}" for q, r in product(range(3), range(4)) if q % 2 or r % 2]
    assert {found[name] for name in odd} == {0}
    assert found["NormalizedMoment_2_0"] == pytest.approx(1.5 / 36)
    assert found["HuMoment_0"] == pytest.approx(5.5 / 36)
    assert found["HuMoment_1"] == pytest.approx((2.5 / 36) ** 2)
    assert (found["InertiaTensor_0_0"], found["InertiaTensor_1_1"]) == (4 / 6, 1.5 / 6)
    assert found["InertiaTensorEigenvalues_0"] == pytest.approx(4 / 6)


def test_one_pixel_has_no_spread() -> None:
    labels = np.zeros((1, 5, 5), np.int32)
    labels[0, 0, 4] = 2**31 - 1
    for column, value in measure(labels).items():
        assert value.tolist() == [float(column.endswith("Moment_0_0"))], column


def test_undefined_is_nan() -> None:
    plane, deep = one_of_each(), volume()
    assert len(measure(plane)) == 53
    assert [c for c, v in measure(plane).items() if np.isnan(v).any()] == []
    added = set(measure(plane, volumes=True)) - set(measure(plane))
    assert len(added) == 198
    nan = {c for c, v in measure(plane, volumes=True).items() if np.isnan(v).all()}
    assert nan == added
    defined = {c for c, v in measure(deep).items() if not np.isnan(v).any()}
    assert defined == {c for c in measure(plane) if "Inertia" in c}


def test_what_is_not_chosen_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = one_of_each()
    expected = measure(labels)
    groups = {"raw_moments": "SpatialMoment", "central_moments": "HuMoment", "_inertia": "Inertia"}
    for function, group in groups.items():
        with monkeypatch.context() as patch:
            for other in groups.keys() - {function}:
                patch.delattr(moments, other)
            found = measure(labels, only=(f"AreaShape_{group}*",))
        assert list(found) == [c for c in expected if group in c]
        for column, value in found.items():
            np.testing.assert_array_equal(value, expected[column])
    with pytest.raises(BadConfig, match="moments"):
        Moments(only=("AreaShape_SpatialMoment_0_0_0",)).check([])
