"""Segmenting core and halo gives, on the core, what segmenting the whole image gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.blocks import Box
from voxelmill.plugin import Array, Index, Labels, Pixels, Spacing
from voxelmill.segmenters import Segmenter
from voxelmill.segmenters.propagate import Propagate
from voxelmill.segmenters.threshold import Threshold
from voxelmill.segmenters.watershed import Watershed

FLAT: Index = (1, 150, 170)
DEEP: Index = (24, 70, 80)
SPACING: dict[Index, Spacing] = {FLAT: (1.0, 1.0, 1.0), DEEP: (1.5, 1.0, 1.0)}


def balls(seed: int, shape: Index, diameter: float, count: int) -> tuple[Pixels, Labels]:
    """Uneven, noisy image of bright balls that touch, lie on edges and in corners; and seeds."""
    rng = np.random.default_rng(seed)
    spacing = SPACING[shape]
    grid = np.meshgrid(
        *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
    )
    image = 100 + 40 * grid[2] / shape[2] + rng.normal(0, 4, shape)
    seeds = np.zeros(shape, np.int32)
    for k in range(count):
        centre = [rng.uniform(0, n * s) for n, s in zip(shape, spacing, strict=True)]
        if k < 4:
            centre[1:] = [(k // 2) * shape[1] * spacing[1], (k % 2) * shape[2] * spacing[2]]
        stretch = rng.uniform(0.7, 1.4, 3)
        far = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, stretch, strict=True))
        radius = diameter / 2 * rng.uniform(0.7, 1.2)
        image += rng.uniform(60, 900) * np.clip(1.5 * (radius - np.sqrt(far)), 0, 1)
        seeds[far < (radius / 2) ** 2] = k + 1
    return image.astype(np.uint16)[None], seeds


def same_objects(ours: Labels, whole: Labels) -> bool:
    """Equal up to the numbers: one label here is one label there."""
    if not np.array_equal(ours > 0, whole > 0):
        return False
    pairs = np.unique(np.stack([ours.ravel(), whole.ravel()]), axis=1)
    return len(set(pairs[0])) == len(pairs[0]) and len(set(pairs[1])) == len(pairs[1])


def core_of(segmenter: Segmenter, image: Pixels, seeds: Array | None, core: Box) -> Labels:
    """Segment one block as the engine does, and cut its core out."""
    shape = image.shape[1:]
    spacing = SPACING[shape]
    read = core.grow(segmenter.halo(spacing), Box((0, 0, 0), shape))
    part = None if seeds is None else seeds[read.slices]
    labels = segmenter.at(read.start, shape)(image[(slice(None), *read.slices)], spacing, part)
    return labels[core.within(read).slices]


def crop(shape: Index, where: tuple[float, float, float], size: Index) -> Box:
    start = [int(w * max(0, n - s)) for w, n, s in zip(where, shape, size, strict=True)]
    z, y, x = (a + min(s, n) for a, s, n in zip(start, size, shape, strict=True))
    return Box((start[0], start[1], start[2]), (z, y, x))


SEGMENTERS = {
    "threshold": Threshold(diameter_um=8),
    "watershed": Watershed(diameter_um=6),
    "propagate": Propagate(seeds="nuclei", max_distance_um=6),
}
PLACES = st.tuples(*[st.floats(0, 1)] * 3)


@pytest.mark.parametrize("kind", SEGMENTERS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 160), where=PLACES)
def test_a_core_is_the_same_in_a_block_and_in_the_whole_image_in_2d(
    kind: str, seed: int, count: int, where: tuple[float, ...]
) -> None:
    check(kind, FLAT, 7.0, seed, count, where, (1, 31, 37))


@pytest.mark.parametrize("kind", SEGMENTERS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 120), where=PLACES)
def test_a_core_is_the_same_in_a_block_and_in_the_whole_image_in_3d(
    kind: str, seed: int, count: int, where: tuple[float, ...]
) -> None:
    check(kind, DEEP, 6.0, seed, count, where, (5, 11, 13))


def check(
    kind: str,
    shape: tuple[int, ...],
    diameter: float,
    seed: int,
    count: int,
    where: tuple[float, ...],
    size: tuple[int, int, int],
) -> None:
    image, seeds = balls(seed, shape, diameter, count)
    given_seeds = seeds if kind == "propagate" else None
    fitted = SEGMENTERS[kind].fit(image, SPACING[shape])
    whole = fitted(image, SPACING[shape], given_seeds)
    core = crop(shape, where, size)
    part = core_of(fitted, image, given_seeds, core)
    if fitted.keeps_ids:
        assert np.array_equal(part, whole[core.slices])
    else:
        assert same_objects(part, whole[core.slices])


def test_the_check_can_fail() -> None:
    image, _ = balls(3, FLAT, 7.0, 160)
    fitted = SEGMENTERS["watershed"].fit(image, SPACING[FLAT])
    whole = fitted(image, SPACING[FLAT])

    class Short(Watershed):
        def halo(self, spacing_um: Spacing) -> Index:
            return 0, 1, 1

    short = Short.model_validate(fitted.model_dump())
    cores = [crop(FLAT, (0, a, b), (1, 31, 37)) for a in (0, 0.4, 0.7) for b in (0.2, 0.5)]
    found = [same_objects(core_of(short, image, None, c), whole[c.slices]) for c in cores]
    assert not all(found)
