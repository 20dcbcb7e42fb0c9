"""Granularity against cp_measure on each object alone, and against spectra counted by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cp_measure.core.measuregranularity import get_granularity
from numpy.typing import NDArray
from pydantic import ValidationError
from skimage.morphology import ball, disk

from feature_scenes import blobs, one_of_each, picture, volume
from shared import SHARED, needs_shared
from voxelmill.features import granularity
from voxelmill.features.granularity import Granularity
from voxelmill.kernels.measure import Objects
from voxelmill.kernels.measure_granularity import spectra
from voxelmill.plugin import BadInput
from voxelmill.synthetic import nuclei_image

UNIT = (1.0, 1.0, 1.0)
NUCLEI, NUCLEI_LABELS = nuclei_image((1, 200, 200), 14, 30.0, 3)
SCENES = {
    "blobs": blobs(),
    "one of each": one_of_each(),
    "volume": volume(),
    "nuclei": NUCLEI_LABELS,
}
CP_DIFFERENCES = 1e-9
"""cp_measure subtracts means of 100 %, so that its zeros are zeros to about 1e-12."""


def measure(labels: NDArray[np.int32], image: NDArray[Any], **how: int) -> NDArray[np.float64]:
    """Spectra as rows."""
    return np.stack(list(Granularity(**how)(labels, {"C": image}, UNIT).values()), axis=1)


def pooled(
    inside: NDArray[np.bool_], values: NDArray[np.float64], side: int
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Means over the object's own voxels of cells of `side`, counted from the first voxel."""
    sides = [side if n > 1 or side == 1 else 1 for n in inside.shape]
    pad = [(0, -n % s) for n, s in zip(inside.shape, sides, strict=True)]
    shape = [part for n, s in zip(inside.shape, sides, strict=True) for part in (-(-n // s), s)]
    count = np.pad(inside, pad).reshape(shape).sum((1, 3, 5))
    total = np.pad(values * inside, pad).reshape(shape).sum((1, 3, 5))
    return count > 0, total / np.maximum(count, 1)


def oracle(
    labels: NDArray[np.int32],
    image: NDArray[Any],
    steps: int = 16,
    background_px: int = 10,
    subsample: int = 1,
) -> NDArray[np.float64]:
    """cp_measure on a crop of each object with a wide margin of zeros."""
    rows = []
    for label in np.unique(labels[labels > 0]):
        at = np.argwhere(labels == label)
        box = tuple(slice(a, b + 1) for a, b in zip(at.min(0), at.max(0), strict=True))
        inside = labels[box] == label
        values = np.maximum(image[box].astype(np.float64), 0) * inside
        inside, values = pooled(inside, values, subsample)
        if labels.shape[0] == 1:
            inside, values = inside[0], values[0]
        margin = steps + background_px + 2
        mask, pixels = np.pad(inside, margin).astype(int), np.pad(values, margin)
        found = get_granularity(mask, pixels, 1, 1, background_px, steps)
        rows.append([found[f"Granularity_{i}"][0] for i in range(1, steps + 1)])
    return np.array(rows)


def check(labels: NDArray[np.int32], image: NDArray[Any], **how: int) -> NDArray[np.float64]:
    ours, theirs = measure(labels, image, **how), oracle(labels, image, **how)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=CP_DIFFERENCES)
    return ours


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", ["blobs", "one of each"])
def test_planes_agree_with_cp_measure(name: str, dtype: str) -> None:
    found = check(SCENES[name], picture(SCENES[name], dtype))
    assert (found[:, :2] > 0).any(axis=0).all()


@pytest.mark.parametrize("background_px", [1, 4, 10])
def test_backgrounds_agree_with_cp_measure(background_px: int) -> None:
    """Nuclei of 30 px: a disc of radius 10 fits into most of them, smaller ones into all."""
    found = check(NUCLEI_LABELS, NUCLEI, background_px=background_px)
    without = measure(NUCLEI_LABELS, NUCLEI, background_px=100)
    fits = found[:, 0] > without[:, 0] + 1
    assert fits.any()
    assert fits.all() == (background_px < 10)


@pytest.mark.parametrize("background_px", [1, 2, 5])
def test_volumes_agree_with_cp_measure(background_px: int) -> None:
    labels = volume()
    found = check(labels, picture(labels), steps=4, background_px=background_px)
    assert (found[:, 1] > 0).any() == (background_px > 1)


@pytest.mark.parametrize("subsample", [2, 3, 7])
@pytest.mark.parametrize("name", ["nuclei", "one of each", "volume"])
def test_subsampled_objects_agree_with_cp_measure(name: str, subsample: int) -> None:
    how = {"steps": 4, "background_px": 3, "subsample": subsample}
    check(SCENES[name], picture(SCENES[name]), **how)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, shape: rng.integers(0, 3, shape).astype(np.uint8),
        lambda rng, shape: np.exp(rng.normal(0, 8, shape)),
        lambda rng, shape: rng.normal(0, 1, shape),
        lambda rng, shape: np.where(rng.random(shape) < 0.01, 1e300, 1e-300),
        lambda rng, shape: np.zeros(shape, np.int16),
    ],
    ids=["ties", "many scales", "half of it negative", "extremes", "dark"],
)
def test_any_values_agree_with_cp_measure(draw: Callable[..., NDArray[Any]]) -> None:
    check(NUCLEI_LABELS, draw(np.random.default_rng(8), NUCLEI.shape), background_px=5)


@needs_shared
def test_agrees_with_cp_measure_on_real_nuclei() -> None:
    cv2 = pytest.importorskip("cv2")
    folder = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
    files = zip(sorted(folder.glob("images/*")), sorted(folder.glob("labels/*")), strict=True)
    for picture_file, label_file in list(files)[:2]:
        image, labels = (cv2.imread(str(f), -1)[None] for f in (picture_file, label_file))
        check(np.where(labels % 3 == 1, labels, 0).astype(np.int32), image)


def test_squares_are_counted_by_hand() -> None:
    """A diamond of radius 1 fits into 3 x 3 pixels, one of radius 2 into 5 x 5."""
    labels = np.zeros((1, 9, 20), np.int32)
    image = np.full(labels.shape, 10, np.uint8)
    labels[0, 1:4, 1:4], labels[0, 1:6, 6:11], labels[0, 1, 15] = 1, 2, 3
    image[0, 3, 8] = 15
    found = measure(labels, image, steps=4)
    expected = [[0, 100, 0, 0], [100 * 5 / 255, 0, 100 * 250 / 255, 0], [100, 0, 0, 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_cubes_are_counted_by_hand() -> None:
    """An octahedron of radius 1 fits into 3 x 3 x 3 voxels and not into two planes."""
    labels = np.zeros((6, 6, 12), np.int32)
    labels[1:4, 1:4, 1:4], labels[1:3, 1:6, 6:11] = 1, 2
    found = measure(labels, np.full(labels.shape, 7, np.uint16), steps=3)
    np.testing.assert_allclose(found, [[0, 100, 0], [100, 0, 0]], rtol=1e-12)


def test_a_flat_disc_is_background_and_a_smaller_one_is_not() -> None:
    labels = np.zeros((1, 30, 60), np.int32)
    labels[0, 2:23, 2:23] = disk(10)
    labels[0, 2:21, 30:49] = 2 * disk(9)
    found = measure(labels, np.full(labels.shape, 50, np.uint8))
    assert found[0].tolist() == [100, *[0] * 15]
    assert found[1, 0] == 0
    balls = np.pad(ball(4), 1).astype(np.int32)
    flat = np.full(balls.shape, 50, np.uint8)
    assert measure(balls, flat, background_px=4)[0, 0] == 100
    assert measure(balls, flat, background_px=5)[0, 0] == 0


def test_a_long_spectrum_removes_everything() -> None:
    found = measure(NUCLEI_LABELS, NUCLEI, steps=40)
    np.testing.assert_allclose(found.sum(axis=1), 100, rtol=1e-12)
    np.testing.assert_array_equal(found[:, :16], measure(NUCLEI_LABELS, NUCLEI))


def test_what_lies_around_an_object_does_not_matter() -> None:
    image = np.random.default_rng(1).integers(0, 999, NUCLEI.shape).astype(np.uint16)
    together = measure(NUCLEI_LABELS, image)
    for row, label in enumerate(np.unique(NUCLEI_LABELS[NUCLEI_LABELS > 0])):
        mine = np.equal(NUCLEI_LABELS, label)
        alone = measure(np.where(mine, 5, 0).astype(np.int32), np.where(mine, image, 7777))
        np.testing.assert_array_equal(alone[0], together[row])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_with_its_object_and_channel(value: float) -> None:
    clean = NUCLEI.astype(np.float32)
    broken = clean.copy()
    labels = np.unique(NUCLEI_LABELS[NUCLEI_LABELS > 0])
    broken.reshape(-1)[np.flatnonzero(np.equal(NUCLEI_LABELS, labels[2]))[40]] = value
    both = Granularity()(NUCLEI_LABELS, {"A": clean, "B": broken}, UNIT)
    alone = measure(NUCLEI_LABELS, clean)
    table = np.stack(list(both.values()), axis=1)
    np.testing.assert_array_equal(table[:, :16], alone)
    alone[2] = np.nan
    np.testing.assert_array_equal(table[:, 16:], alone)


def test_channels_that_no_column_needs_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[float] = []

    def watched(values: NDArray[np.float64], objects: Objects, *rest: int) -> NDArray[np.float64]:
        measured.append(values.max())
        return spectra(values, objects, *rest)

    monkeypatch.setattr(granularity, "spectra", watched)
    image = {"A": NUCLEI, "B": NUCLEI + np.uint16(9)}
    chosen = Granularity(only=("Granularity_[39]_B",))(NUCLEI_LABELS, image, UNIT)
    assert measured == [image["B"][NUCLEI_LABELS > 0].max()]
    full = Granularity()(NUCLEI_LABELS, image, UNIT)
    assert list(chosen) == ["Granularity_3_B", "Granularity_9_B"]
    for column, value in chosen.items():
        np.testing.assert_array_equal(value, full[column])


def test_columns_come_in_image_order_and_channels_must_fit() -> None:
    columns = Granularity(steps=2).columns(["b", "a"])
    assert list(columns) == [f"Granularity_{i}_{c}" for c in "ba" for i in (1, 2)]
    assert list(Granularity().describe(["a"])) == list(Granularity().columns(["a"]))
    assert "3 cells" in Granularity(subsample=4).describe(["a"])["Granularity_3_a"]
    with pytest.raises(BadInput, match="channel 'C'"):
        measure(NUCLEI_LABELS, NUCLEI[:, 1:])
    with pytest.raises(ValidationError, match="background_px"):
        Granularity(background_px=0)
