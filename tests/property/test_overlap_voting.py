"""Segmenters without a claim to exactness: what blocks see twice decides what is one object.

Planted discs that touch each other, across seams too. The yardstick: what cellpose's distributed
mode does, merging whatever touches across the face of two blocks, on the labels of the same blocks.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.matching import compare
from engine_runs import one_set, run_engine, workers
from simple_segmenters import Fickle, Flooded
from voxelmill.blocks import Grid
from voxelmill.plugin import Labels
from voxelmill.run import Pool
from voxelmill.segmenters import Segmenter

SIDE, DIAMETER, BLOCK = 1000, 22, 256
AT_90 = 8
"""Place of an overlap of 0.9 among the thresholds."""
PART = 0.1
"""A share of an object that counts as a part of it."""


@pytest.fixture(scope="module")
def crew() -> Iterator[Pool]:
    with workers() as made:
        yield made


@pytest.fixture(scope="module")
def discs() -> Labels:
    return touching_discs(DIAMETER + 1)


def touching_discs(step: int) -> Labels:
    """Discs on a jittered grid, so close that most touch a neighbour; (1, y, x)."""
    rng = np.random.default_rng(3)
    labels = np.zeros((SIDE, SIDE), np.int32)
    y, x = np.ogrid[:SIDE, :SIDE]
    places = range(14, SIDE - 12, step)
    for number, (row, column) in enumerate(product(places, places), start=1):
        cy, cx = np.array([row, column]) + rng.uniform(-2.5, 2.5, 2)
        radius = DIAMETER / 2 * rng.uniform(0.8, 1.05)
        near = np.s_[max(0, row - 20) : row + 20, max(0, column - 20) : column + 20]
        inside = (y[near[0]] - cy) ** 2 + (x[:, near[1]] - cx) ** 2 <= radius**2
        labels[near][inside & (labels[near] == 0)] = number
    return labels[None]


def errors(truth: Labels, found: Labels) -> tuple[int, int]:
    """Objects in several parts, and labels that hold parts of several objects."""
    both = np.stack([truth[truth > 0], found[truth > 0]])
    pairs, shared = np.unique(both, axis=1, return_counts=True)
    size = np.bincount(truth.ravel())
    pairs = pairs[:, (shared > PART * size[pairs[0]]) & (pairs[1] > 0)]
    of_object, of_label = (np.unique(side, return_counts=True)[1] for side in pairs)
    return int((of_object > 1).sum()), int((of_label > 1).sum())


def merge_what_touches(segmenter: Segmenter, image: NDArray[np.uint16]) -> Labels:
    """Crop every block to its core, then join all labels that face each other across a seam."""
    grid = Grid((1, SIDE, SIDE), (64, BLOCK, BLOCK), segmenter.halo((1, 1, 1)))
    whole, last = np.zeros((1, SIDE, SIDE), np.int32), 0
    for block in grid:
        here = segmenter.at(block.read.start, grid.shape)
        found = here(image[(slice(None), *block.read.slices)], (1, 1, 1))
        core = found[block.core.within(block.read).slices]
        whole[block.core.slices] = np.where(core > 0, core + last, 0)
        last += int(found.max())
    faces = [whole[:, s - 1 : s + 1] for s in range(BLOCK, SIDE, BLOCK)]
    faces += [whole[:, :, s - 1 : s + 1].transpose(0, 2, 1) for s in range(BLOCK, SIDE, BLOCK)]
    sides = np.concatenate([np.stack([f[0, 0], f[0, 1]]) for f in faces], axis=1)
    sides = sides[:, (sides > 0).all(axis=0)]
    graph = coo_array((np.ones(sides.shape[1]), tuple(sides)), shape=(last + 1, last + 1))
    return np.asarray(connected_components(graph, directed=False)[1][whole] * (whole > 0), np.int32)


def in_blocks(
    folder: Path, crew: Pool, segmenter: Segmenter, image: NDArray[np.uint16]
) -> tuple[Labels, NDArray[np.int64]]:
    made = run_engine(folder, image[None], one_set(segmenter), crew, block=(64, BLOCK))
    return made.labels["nuclei"][0], made.index()


def test_blocks_of_a_flood_give_nearly_what_the_whole_image_gives(
    crew: Pool, discs: Labels, tmp_path: Path
) -> None:
    image = (discs > 0).astype(np.uint16)[None]
    segmenter = Flooded(diameter=DIAMETER)
    whole = segmenter(image, (1, 1, 1))
    ours, _ = in_blocks(tmp_path, crew, segmenter, image)
    assert whole.max() > 1500
    counts = compare(whole, ours)
    assert counts.f1(AT_90) >= 0.999
    theirs = merge_what_touches(segmenter, image)
    assert compare(whole, theirs).f1(AT_90) < 0.999, "the yardstick fails where ours does not"


def test_where_blocks_disagree_ours_makes_fewer_errors_and_says_where(
    crew: Pool, tmp_path: Path
) -> None:
    discs = touching_discs(DIAMETER - 3)
    image = discs.astype(np.uint16)[None]
    segmenter = Fickle()
    ours, index = in_blocks(tmp_path, crew, segmenter, image)
    splits, merges = errors(discs, ours)
    other_splits, other_merges = errors(discs, merge_what_touches(segmenter, image))
    near = seam_objects(discs)
    assert merges <= 0.01 * near, "touching neighbours stay apart"
    assert other_merges > 10 * max(merges, 1)
    assert splits + merges < other_splits + other_merges
    flagged = index[index[:, -1] > 0]
    assert 0 < len(flagged) < 0.3 * near
    seams = np.arange(BLOCK, SIDE, BLOCK)
    for y0, x0, y1, x1 in flagged[:, [5, 6, 8, 9]]:
        far = [min(abs(seams - edge)) for edge in (y0, y1, x0, x1)]
        assert min(far) <= DIAMETER, "only objects at a seam are flagged"


def seam_objects(discs: Labels) -> int:
    """Number of discs that a seam crosses."""
    found = set()
    for s in range(BLOCK, SIDE, BLOCK):
        for one, other in ((discs[0, s - 1], discs[0, s]), (discs[0, :, s - 1], discs[0, :, s])):
            found |= set(one[(one == other) & (one > 0)].tolist())
    assert len(found) > 100
    return len(found)


def test_the_error_counts_can_tell() -> None:
    truth = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 4, axis=0)[None].astype(np.int32)
    assert errors(truth, truth) == (0, 0)
    assert errors(truth, (truth > 0).astype(np.int32)) == (0, 1)
    split = truth.copy()
    split[..., :2] = 3
    assert errors(truth, split) == (1, 0)
