"""The threshold and watershed segmenters: on planted objects, odd data and empty images."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage as ndi

from voxelmill.plugin import Array, NotFitted, Pixels
from voxelmill.segmenters import Segmenter, segmenters
from voxelmill.segmenters.threshold import Threshold
from voxelmill.segmenters.watershed import Watershed
from voxelmill.synthetic import nuclei_image

UM = (1.0, 0.5, 0.5)
KINDS = [Threshold(diameter_um=10), Watershed(diameter_um=10)]


def field(seed: int = 0, gain: float = 1.0, floor: float = 100.0) -> tuple[Pixels, int]:
    """Discs of 20 px in rows, alone and in threes that overlap, brightness 1 to 7, uneven light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:300, :320]
    light = np.zeros(y.shape)
    count = 0
    for cy in range(25, 290, 36):
        for k, cx in enumerate(range(25, 300, 36)):
            shifts = (0, 19) if k % 3 == 0 else (0,)
            level = rng.uniform(100, 700)
            for shift in shifts:
                disc = ((y - cy) ** 2 + (x - cx - shift) ** 2) ** 0.5
                light = np.maximum(light, level * np.clip(10.5 - disc, 0, 1))
                count += 1
    shade = 1 - 0.4 * ((y - 150) ** 2 + (x - 160) ** 2) / 150**2 / 2
    noisy = floor + 40 * x / 320 + ndi.gaussian_filter(light, 1) * shade
    noisy = noisy + rng.normal(0, 3, y.shape)
    return (noisy * gain)[None, None], count


def run(segmenter: Segmenter, image: Pixels, spacing: tuple[float, float, float] = UM) -> Array:
    labels = segmenter.fit(image, spacing)(image, spacing)
    assert labels.dtype == np.int32
    assert labels.shape == image.shape[1:]
    ids, first = np.unique(labels, return_index=True)
    ids, first = ids[ids > 0], first[ids > 0]
    assert np.array_equal(ids, np.arange(1, ids.size + 1))
    assert (np.diff(first) > 0).all(), "ids are in raster order of first voxels"
    return labels


def test_they_are_discovered() -> None:
    assert {"threshold", "watershed", "propagate"} <= set(segmenters())


def test_watershed_finds_dim_bright_and_touching_discs() -> None:
    image, count = field()
    labels = run(Watershed(diameter_um=10), image.astype(np.uint16))
    assert labels.max() == pytest.approx(count, rel=0.05)
    areas = np.bincount(labels.ravel())[1:]
    assert np.median(areas) == pytest.approx(np.pi * 10**2, rel=0.12)


def test_threshold_finds_what_is_bright_and_joins_what_touches() -> None:
    image, count = field()
    labels = run(Threshold(diameter_um=10, method="log-otsu"), image.astype(np.uint16))
    assert 0.3 * count < labels.max() < 0.7 * count
    fixed = Threshold(diameter_um=10, value=400.0, smoothing=0.0, fill=False, smallest=0.0)
    labels = run(fixed, image.astype(np.uint16))
    assert np.array_equal(labels > 0, image[0].astype(np.uint16) > 400)


@pytest.mark.parametrize("method", ["otsu", "li", "log-otsu"])
def test_all_methods_find_bright_discs(method: str) -> None:
    image = np.random.default_rng(1).normal(100, 5, (1, 1, 90, 90))
    image[0, 0, 20:40, 20:40] += 300
    assert run(Threshold(diameter_um=10, method=method), image).max() == 1


@pytest.mark.parametrize(
    ("dtype", "gain", "floor"),
    [
        ("uint8", 0.25, 0.0),
        (">u2", 1.0, 100.0),
        ("int16", 1.0, -3000.0),
        ("uint32", 1e5, 100.0),
        ("float32", 1e-4, 1.0),
        ("float64", 1e6, -5e4),
    ],
)
def test_the_result_does_not_depend_on_the_dtype(dtype: str, gain: float, floor: float) -> None:
    image, count = field(gain=gain, floor=floor)
    if dtype == "uint8":
        image = image.clip(0, 255)
    labels = run(Watershed(diameter_um=10), image.astype(dtype))
    assert labels.max() == pytest.approx(count, rel=0.05)


@pytest.mark.parametrize("segmenter", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 1, 1), (1, 1, 7), (1, 9, 1), (6, 20, 20)])
@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_images_hold_nothing(
    segmenter: Segmenter, shape: tuple[int, ...], value: int
) -> None:
    image = np.full((1, *shape), value, np.uint16)
    assert run(segmenter, image).max() == 0


@pytest.mark.parametrize("segmenter", KINDS, ids=lambda s: s.kind)
@pytest.mark.parametrize("ramp", [0, 100])
def test_noise_and_uneven_light_are_no_objects(segmenter: Segmenter, ramp: int) -> None:
    rng = np.random.default_rng(5)
    image = 200 + ramp * np.linspace(0, 1, 512) ** 2 + rng.poisson(50, (1, 1, 512, 512))
    image[0, 0, :10] -= 20  # a dark edge is no foreground either
    found = run(segmenter, image.astype(np.uint16)).max()
    assert found <= (2 if segmenter.kind == "watershed" or not ramp else 60)


@pytest.mark.parametrize("segmenter", KINDS, ids=lambda s: s.kind)
def test_not_a_number_is_background(segmenter: Segmenter) -> None:
    image, _ = field()
    image = image.astype(np.float32)
    image[0, 0, :80] = np.nan
    labels = run(segmenter, image)
    assert labels.max() > 10
    assert not labels[0, :79].any()
    assert run(segmenter, np.full((1, 1, 30, 30), np.nan)).max() == 0


def test_a_single_bright_pixel_and_a_speck_are_no_nucleus() -> None:
    image = np.random.default_rng(2).normal(100, 3, (1, 1, 128, 128))
    image[0, 0, 40, 40] = 4000
    image[0, 0, 80:83, 80:83] = 3000
    assert run(Watershed(diameter_um=15), image).max() == 0


def test_a_nucleus_beside_a_much_brighter_one_is_found() -> None:
    y, x = np.mgrid[:120, :120]
    dim = 400.0 * ((y - 60) ** 2 + (x - 45) ** 2 < 100)
    bright = 4000.0 * ((y - 60) ** 2 + (x - 70) ** 2 < 100)
    image = 100 + ndi.gaussian_filter(dim + bright, 1.5)
    image = image + np.random.default_rng(0).normal(0, 2, y.shape)
    labels = run(Watershed(diameter_um=10), image[None, None])
    assert labels.max() == 2
    assert labels[0, 60, 45] != labels[0, 60, 70]


def test_textured_and_saturated_nuclei_stay_whole() -> None:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:160, :160]
    image = np.full(y.shape, 20.0)
    for cy in (40, 110):
        for cx in (40, 110):
            inside = ((y - cy) / 22) ** 2 + ((x - cx) / 15) ** 2 < 1
            image += 150 * inside
    texture = 1 + 0.8 * ndi.gaussian_filter(rng.normal(0, 1, y.shape), 2) * 6
    image = 20 + (image - 20) * texture.clip(0.55, 2.0)
    image[:, 80:] += 3 * (image[:, 80:] - 20)  # saturates
    labels = run(Watershed(diameter_um=18), image.clip(0, 255).astype(np.uint8)[None, None])
    assert labels.max() == 4


@pytest.mark.parametrize("factor", [0.4, 0.6, 1.6, 2.5])
def test_a_diameter_that_is_off_is_adapted_unless_told_not_to(factor: float) -> None:
    image, count = field()
    labels = run(Watershed(diameter_um=10 * factor), image)
    assert labels.max() == pytest.approx(count, rel=0.15)
    fixed = Watershed(diameter_um=10 * factor, adapt=False).fit(image, UM)
    assert fixed.diameter(UM) == pytest.approx(10 * factor)


def test_balls_in_3d_with_coarse_planes() -> None:
    spacing = (2.0, 0.5, 0.5)
    z, y, x = np.meshgrid(np.arange(14) * 2, np.arange(90) / 2, np.arange(90) / 2, indexing="ij")
    image = np.full(z.shape, 100.0)
    centres = [(9, 10, 10), (9, 10, 20), (17, 30, 12), (9, 30, 30), (19, 30, 30)]
    for cz, cy, cx in centres:
        image += 500 * ((z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < 5.0**2)
    image = ndi.gaussian_filter(image, (0.3, 1, 1))
    image += np.random.default_rng(0).normal(0, 8, z.shape)
    labels = run(Watershed(diameter_um=10), image[None], spacing)
    assert labels.max() == len(centres)
    at = [labels[int(a / 2), int(b * 2), int(c * 2)] for a, b, c in centres]
    assert sorted(at) == [1, 2, 3, 4, 5]


def test_pixels_and_micrometres_are_the_same_size() -> None:
    image, _ = field()
    by_um = run(Watershed(diameter_um=10), image)
    by_px = run(Watershed(diameter_px=20), image)
    assert np.array_equal(by_um, by_px)


def test_the_fitted_segmenter_survives_json_and_is_kept_by_fit() -> None:
    image, _ = field()
    for segmenter in KINDS:
        fitted = segmenter.fit(image, UM)
        again = type(fitted).model_validate_json(fitted.model_dump_json())
        assert again == fitted
        assert again.fit(image * 3, UM) == fitted
        assert np.array_equal(again(image, UM), fitted(image, UM))


def test_a_segmenter_without_fit_says_so() -> None:
    with pytest.raises(NotFitted, match="Call fit first"):
        Watershed(diameter_um=10)(np.zeros((1, 1, 5, 5)), UM)


@pytest.mark.parametrize("sizes", [{}, {"diameter_um": 3, "diameter_px": 4}, {"diameter_um": 0}])
def test_exactly_one_diameter_above_zero(sizes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=r"diameter"):
        Watershed(**sizes)


def test_a_threshold_given_by_hand_serves_images_without_background() -> None:
    image, truth = nuclei_image((1, 200, 200), 150, 18.0, 0, touching=1.0)
    level = float(image[0][truth[0] == 0].mean() + image[0][truth[0] > 0].mean()) / 2
    spacing = (1.0, 1.0, 1.0)
    labels = run(Watershed(diameter_px=18, value=level), image[None], spacing)
    assert 0.7 * truth.max() < labels.max() <= truth.max()
    assert not labels[0][image[0] < level / 2].any()
