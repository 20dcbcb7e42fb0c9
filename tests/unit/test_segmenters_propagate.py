"""Cells grown from nuclei."""

import numpy as np
import pytest
from pydantic import ValidationError

from voxelmill.plugin import BadInput, Labels, NotFitted, Pixels
from voxelmill.segmenters.propagate import Propagate

UM = (1.0, 0.5, 0.5)


def cells(seed: int = 0) -> tuple[Pixels, Labels, Labels]:
    """Bright discs with a dim seam between the touching ones; seeds at centres; the truth."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :200]
    near = np.full(y.shape, np.inf)
    truth = np.zeros(y.shape, np.int32)
    seeds = np.zeros(y.shape, np.int32)
    for k, (cy, cx) in enumerate([(60, 40), (60, 78), (30, 150), (90, 150)], 1):
        far = np.hypot(y - cy, x - cx)
        truth[(far < 24) & (far < near)] = k
        near = np.minimum(near, far)
        seeds[far < 8] = k
    image = 100 + 400.0 * (truth > 0) - 250.0 * ((truth == 1) & (x > 57))
    image = image + rng.normal(0, 5, y.shape)
    return image[None, None], seeds[None], truth[None]


def run(segmenter: Propagate, image: Pixels, seeds: Labels) -> Labels:
    return segmenter.fit(image, UM)(image, UM, seeds)


def test_cells_fill_their_bodies_and_keep_ids_and_seeds() -> None:
    image, seeds, truth = cells()
    found = run(Propagate(seeds="nuclei"), image, seeds)
    assert np.array_equal(found[seeds > 0], seeds[seeds > 0])
    assert (found == truth).mean() > 0.97
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}


def test_the_largest_distance_holds() -> None:
    image, seeds, _ = cells()
    found = run(Propagate(seeds="nuclei", max_distance_px=5), image, seeds)
    y, x = np.mgrid[:120, :200]
    assert np.hypot(y - 60, x - 40)[found[0] == 1].max() < 8 + 5 + 0.1
    by_um = run(Propagate(seeds="nuclei", max_distance_um=2.5), image, seeds)
    assert np.array_equal(found, by_um)


def test_every_seed_keeps_its_object_where_there_is_no_foreground() -> None:
    image, seeds, _ = cells()
    empty = np.full_like(image, 7.0)
    assert np.array_equal(run(Propagate(seeds="nuclei"), empty, seeds), seeds)
    assert not run(Propagate(seeds="nuclei"), image, seeds * 0).any()


def test_borders_follow_the_change_of_intensity() -> None:
    image = np.full((1, 1, 9, 40), 500.0)
    image[..., 10:] = 2000.0
    image[..., 30:] = 0
    seeds = np.zeros((1, 9, 40), np.int32)
    seeds[0, 4, 2], seeds[0, 4, 24] = 5, 3
    found = run(Propagate(seeds="nuclei", value=100.0), image, seeds)
    assert (found[0, :, 4:8] == 5).all()
    assert (found[0, :, 12:20] == 3).all()
    even = run(Propagate(seeds="nuclei", value=100.0, contrast=0), image, seeds)
    assert (even[0, 4, 3:13] == 5).all()
    assert (even[0, 4, 14:30] == 3).all()
    assert even[0, 4, 13] == 3, "the smaller id takes the middle"


def test_bad_seeds_and_settings_are_refused() -> None:
    image, seeds, _ = cells()
    fitted = Propagate(seeds="nuclei").fit(image, UM)
    with pytest.raises(BadInput, match="Segment 'nuclei' first"):
        fitted(image, UM)
    with pytest.raises(BadInput, match="shape"):
        fitted(image, UM, seeds[:, 1:])
    with pytest.raises(NotFitted):
        Propagate(seeds="nuclei")(image, UM, seeds)
    with pytest.raises(ValidationError, match="set one of"):
        Propagate(seeds="nuclei", max_distance_um=1, max_distance_px=1)
