"""Nuclei on one thread: `watershed` against the usual scikit-image recipe, speed and accuracy.

    python -m benchmarks.segmentation

One tile of 2048² with 1800 dense nuclei of known outline, a lamp that is uneven, an uneven
background and the noise of a camera. Ours is what the engine does with it: the overview, the fit
and the call, with default settings. The recipe is Gaussian, local threshold gated by Otsu's, filled
holes, distance transform, peaks, watershed, smallest size; its free numbers are the best of a small
search on this very tile (`search`), so they favour it. Both get the same diameter.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from scipy import ndimage as ndi

from benchmarks.matching import compare, overlaps
from benchmarks.timing import Row, interleaved, less_is_better, table
from voxelmill.arrayends import ArraySource
from voxelmill.overview import overview
from voxelmill.plugin import Labels, Pixels
from voxelmill.segmenters.watershed import Watershed
from voxelmill.synthetic import nuclei_image

SIZE, NUCLEI, DIAMETER = 2048, 1800, 27.0
SPACING = (1.0, 1.0, 1.0)
CONTRAST, BACKGROUND = 900.0, 300.0
LOCAL, SMALLEST = 101, 60
GATE, APART, BLUR = 0.8, 4, 1.5
"""Of the recipe: share of Otsu's threshold, least distance of peaks, blur of the distance map."""


def scene(seed: int = 7) -> tuple[Pixels, Labels]:
    """Draw the tile, (1, 1, y, x) uint16, and its true labels (1, y, x)."""
    image, truth = nuclei_image(
        (1, SIZE, SIZE), NUCLEI, DIAMETER, seed, touching=0.5, contrast=CONTRAST
    )
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    light = BACKGROUND * (0.5 + 0.3 * np.sin(5 * x + 1) * np.cos(4 * y) + 0.2 * x)
    return (image + np.random.default_rng(seed).poisson(light)).astype(np.uint16)[None], truth


def recipe(
    image: NDArray[np.uint16], gate: float = GATE, apart: int = APART, blur: float = BLUR
) -> Labels:
    """Segment (y, x) as most tutorials do, with scikit-image and scipy."""
    sk: Any = skimage  # without annotations
    smooth = sk.filters.gaussian(image, 1.5, preserve_range=True)
    mask = smooth > sk.filters.threshold_local(smooth, LOCAL)
    mask &= smooth > gate * sk.filters.threshold_otsu(smooth)
    mask = ndi.binary_fill_holes(mask)
    depth = sk.filters.gaussian(ndi.distance_transform_edt(mask), blur)
    peaks = sk.feature.peak_local_max(depth, min_distance=apart, labels=sk.measure.label(mask))
    markers = np.zeros(image.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found = sk.segmentation.watershed(-depth, markers, mask=mask)
    return np.asarray(sk.morphology.remove_small_objects(found, max_size=SMALLEST), np.int32)


def ours(image: Pixels) -> Labels:
    """Segment (1, 1, y, x) with the default `watershed`: overview, fit and call."""
    seen, spacing = overview(ArraySource(image[None], SPACING), 0, (0,))
    return Watershed(diameter_um=DIAMETER).fit(seen, spacing)(image, SPACING)


def quality(truth: Labels, found: Labels) -> tuple[float, float]:
    """F1 at an overlap of 0.5, and the mean over the true objects of their best overlap."""
    shared, of_truth, of_found = overlaps(truth, found)
    best = (shared / (of_truth[:, None] + of_found[None] - shared)).max(axis=1)
    return compare(truth, found).f1(), float(best.mean())


def search() -> None:
    """Print what the recipe reaches with other numbers."""
    image, truth = scene()
    for gate, apart, blur in product((0.5, 0.6, 0.7, 0.8, 0.9, 1.0), (3, 4, 5, 7), (1.0, 1.5, 2.0)):
        f1, overlap = quality(truth[0], recipe(image[0, 0], gate, apart, blur))
        print(f"gate {gate}, apart {apart}, blur {blur}: F1 {f1:.4f}, overlap {overlap:.4f}")


def measure() -> list[Row]:
    """Time both on one thread, in turn, and compare their masks with the truth."""
    cv2.setNumThreads(1)
    image, truth = scene()
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(image),
        "recipe": lambda: recipe(image[0, 0]),
    }
    seconds = interleaved(calls)
    f1, overlap = quality(truth[0], ours(image)[0])
    peer_f1, peer_overlap = quality(truth[0], recipe(image[0, 0]))
    peer = "scikit-image: Gaussian, local threshold, distance, peaks, watershed"
    what = f"watershed segmentation, {SIZE}² with {int(truth.max())} nuclei"
    return [
        less_is_better(what, seconds["ours"], seconds["recipe"], peer, "s", 8, 20),
        Row(f"{what}: F1 at 0.5", round(f1, 4), round(peer_f1, 4), peer, "1",
            round(f1 / peer_f1, 4), 1.0, None),
        Row(f"{what}: mean overlap", round(overlap, 4), round(peer_overlap, 4), peer, "1",
            round(overlap / peer_overlap, 4), 1.0, None),
    ]  # fmt: skip


if __name__ == "__main__":
    print(table(measure()))
