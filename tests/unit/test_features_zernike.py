"""Zernike features against cp_measure, the definition in polar coordinates, and exact circles."""

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from centrosome import zernike as centrosome_zernike
from cp_measure.core.measureobjectsizeshape import get_zernike
from cp_measure.utils import _zernike_scores
from numpy.typing import NDArray

from feature_scenes import blobs, dense, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features import zernike
from voxelmill.features.zernike import Zernike
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_circle import enclosing_circles
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.kernels.measure_zernike import ORDERS, zernike_sums

UNIT = (1.0, 1.0, 1.0)
# Sums that vanish by symmetry are rounding errors: 1e-13 of the pixels here, 1e-12 by the radius.
CLOSE = {"rtol": 1e-6, "atol": 2e-11}
Labels = NDArray[np.int32]

planes = pytest.mark.parametrize("labels", [blobs(), one_of_each()], ids=["blobs", "one of each"])


def measure(labels: Labels, only: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    return Zernike(only=only)(labels, {}, UNIT)


@pytest.fixture
def whole_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep centrosome from dropping pixels that rounding puts outside their own circle."""
    found: Callable[..., Any] = centrosome_zernike.minimum_enclosing_circle

    def wider(labels: Labels, ids: NDArray[np.int64]) -> tuple[Any, Any]:
        centres, radii = found(labels, ids)
        return centres, radii * (1 + 1e-12)

    monkeypatch.setattr(centrosome_zernike, "minimum_enclosing_circle", wider)


def check_against_oracle(labels: Labels) -> None:
    ours, theirs = measure(labels), get_zernike(dense(labels), None)
    assert [c.removeprefix("AreaShape_") for c in ours] == list(theirs)
    for column, mine in ours.items():
        reference = theirs[column.removeprefix("AreaShape_")]
        np.testing.assert_allclose(mine, reference, **CLOSE, err_msg=column)


@pytest.mark.usefixtures("whole_circles")
@planes
def test_planes_agree_with_cp_measure(labels: Labels) -> None:
    check_against_oracle(labels)


def real_labels() -> Iterable[Labels]:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation" / "labels"
    for file in sorted(folder.glob("*"))[:3]:
        yield cv2.imread(str(file), -1)[None].astype(np.int32)


@needs_shared
@pytest.mark.usefixtures("whole_circles")
def test_real_nuclei_agree_with_cp_measure() -> None:
    for labels in real_labels():
        check_against_oracle(labels)


def test_unchanged_cp_measure_differs_by_pixels_on_the_circle() -> None:
    """No polynomial exceeds 1 on the disc, so a pixel dropped there changes a sum by 1 at most."""
    labels = blobs()
    circles, mask = enclosing_circles(index_objects(labels)), dense(labels)
    ours, theirs = measure(labels), get_zernike(mask, None)
    area = math.pi * circles[:, 2] ** 2
    dropped = np.rint((ours["AreaShape_Zernike_0_0"] - theirs["Zernike_0_0"]) * area)
    several = circles[:, 2] > 0
    assert dropped[several].min() == 0
    assert 0 < dropped[several].max() <= 4
    for column, mine in ours.items():
        reference = theirs[column.removeprefix("AreaShape_")]
        far = np.abs(mine - reference)[several] * area[several]
        assert (far <= dropped[several] + 1e-9).all(), column


@pytest.mark.usefixtures("whole_circles")
def test_weighted_sums_agree_with_cp_measure() -> None:
    labels = blobs()
    image = picture(labels)
    objects = index_objects(labels)
    values = gather(image, objects.once(voxels))
    circles = enclosing_circles(objects)
    found = zernike_sums(objects, circles, values)
    indexes = centrosome_zernike.get_zernike_indexes(10)
    assert [tuple(order) for order in indexes] == list(ORDERS)
    expected = _zernike_scores(dense(labels), indexes, weight=image[0])[:2]
    bright = np.add.reduceat(values, objects.starts[:-1])[:, None]
    for mine, reference in zip(found, expected, strict=True):
        several = circles[:, 2] > 0
        allowed = 1e-6 * np.abs(reference) + 2e-11 * bright
        assert (np.abs(mine - reference) <= allowed)[several].all()
    for mine, plain in zip(
        zernike_sums(objects, circles, np.ones_like(values)),
        zernike_sums(objects, circles, None),
        strict=True,
    ):
        np.testing.assert_allclose(mine, plain, rtol=0, atol=1e-13 * objects.sizes.max())


def test_nan_stays_with_its_object() -> None:
    objects = index_objects(one_of_each())
    circles = enclosing_circles(objects)
    values = np.arange(float(objects.sizes.sum()))
    clean = zernike_sums(objects, circles, values)
    values[objects.starts[5]] = np.nan
    for mine, before in zip(zernike_sums(objects, circles, values), clean, strict=True):
        assert np.isnan(mine[5]).all()
        np.testing.assert_array_equal(np.delete(mine, 5, 0), np.delete(before, 5, 0))


def test_sums_follow_the_definition() -> None:
    """R_nm(r) exp(i m φ) in polar coordinates, with φ from the y axis towards x."""
    labels = blobs(5, 60)
    objects = index_objects(labels)
    circles = enclosing_circles(objects)
    real, imaginary = zernike_sums(objects, circles, None)
    for row, label in enumerate(objects.ids):
        y, x = (np.argwhere(labels[0] == label) - objects.low[row, 1:] - circles[row, :2]).T
        if circles[row, 2] == 0:
            continue
        r, angle = np.hypot(y, x) / circles[row, 2], np.arctan2(x, y)
        for column, (n, m) in enumerate(ORDERS):
            radial = sum(
                (-1) ** k
                * math.comb(n - k, k)
                * math.comb(n - 2 * k, (n - m) // 2 - k)
                * r ** (n - 2 * k)
                for k in range((n - m) // 2 + 1)
            )
            near = {"rel": 0, "abs": 1e-11 * r.size}
            assert real[row, column] == pytest.approx((radial * np.cos(m * angle)).sum(), **near)
            expected = (radial * np.sin(m * angle)).sum()
            assert imaginary[row, column] == pytest.approx(expected, **near)


def smallest_circle(points: list[tuple[int, int]]) -> tuple[Fraction, Fraction, Fraction]:
    """Centre and squared radius: the least of all circles through two or three that hold all."""
    found: list[tuple[Fraction, Fraction, Fraction]] = []
    for (ay, ax), (by, bx) in combinations(points, 2):
        square = Fraction((ay - by) ** 2 + (ax - bx) ** 2, 4)
        found.append((square, Fraction(ay + by, 2), Fraction(ax + bx, 2)))
    for (ay, ax), (by, bx), (cy, cx) in combinations(points, 3):
        by, bx, cy, cx = by - ay, bx - ax, cy - ay, cx - ax
        if cross := 2 * (bx * cy - by * cx):
            bb, cc = by * by + bx * bx, cy * cy + cx * cx
            y, x = Fraction(bx * cc - cx * bb, cross), Fraction(cy * bb - by * cc, cross)
            found.append((y * y + x * x, ay + y, ax + x))
    for square, v, u in sorted(found):
        if all((y - v) ** 2 + (x - u) ** 2 <= square for y, x in points):
            return v, u, square
    return Fraction(points[0][0]), Fraction(points[0][1]), Fraction(0)


def test_circles_are_the_smallest() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        shape = rng.integers(1, 9, 2)
        labels = np.zeros((1, *shape), np.int32)
        places = rng.integers(0, shape, (rng.integers(1, 8), 2))
        labels[0, places[:, 0], places[:, 1]] = 4
        objects = index_objects(labels)
        points = [(int(y), int(x)) for y, x in np.argwhere(labels[0]) - objects.low[0, 1:]]
        cy, cx, square = smallest_circle(points)
        found = enclosing_circles(objects)[0].tolist()
        assert found[:2] == [float(cy), float(cx)]
        assert found[2] == pytest.approx(math.sqrt(square), rel=1e-15)


def test_a_large_ring_is_held_exactly() -> None:
    """Thousands of nearly co-circular pixels: all lie within, and at least two on, the circle."""
    y, x = np.mgrid[:3000, :3000]
    ring = np.abs(np.hypot(y - 1490.3, x - 1510.8) - 1480) < 1
    objects = index_objects(ring[None].astype(np.int32))
    cy, cx, radius = enclosing_circles(objects)[0]
    py, px = np.nonzero(ring)
    far = np.hypot(py - objects.low[0, 1] - cy, px - objects.low[0, 2] - cx) - radius
    assert far.max() < 1e-11
    assert (far > -1e-11).sum() >= 2
    assert radius < 1481


def test_a_pair_is_counted_by_hand() -> None:
    labels = np.zeros((1, 4, 6), np.int32)
    labels[0, 1, 2:4] = 5
    found = measure(labels)
    area = math.pi / 4
    for n, m in ORDERS:
        value = found[f"AreaShape_Zernike_{n}_{m}"].item() * area
        assert value == pytest.approx(0 if n % 2 else 2, abs=1e-12), (n, m)


def test_turned_objects_keep_their_values() -> None:
    labels = blobs()
    before = measure(labels)
    for turned in (np.rot90(labels, 1, (1, 2)), labels[:, :, ::-1]):
        for column, value in measure(np.ascontiguousarray(turned)).items():
            np.testing.assert_allclose(value, before[column], rtol=1e-9, atol=1e-12)


def test_undefined_is_nan() -> None:
    plane = measure(one_of_each())
    assert all(np.flatnonzero(np.isnan(v)).tolist() == [0] for v in plane.values())
    deep = volume()
    for value in measure(deep).values():
        assert value.shape == (np.unique(deep[deep > 0]).size,)
        assert np.isnan(value).all()


def test_only_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = blobs()
    found = measure(labels, only=("*_9_?", "*_2_0"))
    assert list(found) == ["AreaShape_Zernike_2_0"] + [f"AreaShape_Zernike_9_{m}" for m in "13579"]
    everything = measure(labels)
    for column, value in found.items():
        np.testing.assert_array_equal(value, everything[column])
    monkeypatch.delattr(zernike, "zernike_sums")
    assert len(measure(volume())) == len(ORDERS)
