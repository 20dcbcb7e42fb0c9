"""Labels painted part by part are the labels; a part costs what it touches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill.blocks import Box, Grid
from voxelmill.kernels.runs import runs
from voxelmill.painter import Held, Tile, Tiles
from voxelmill.plugin import BadInput, Index, Labels


def tiled(labels: Labels, size: Index) -> Tiles:
    """Labels held as runs of the cores of blocks of `size`."""
    shape = (labels.shape[0], labels.shape[1], labels.shape[2])
    grid = Grid(shape, size)
    found = {b.index: runs(np.ascontiguousarray(labels[b.core.slices])) for b in grid}
    return Tiles(grid, {i: Tile(r, r.table[:, 2].copy()) for i, r in found.items()})


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_part_of_tiles_is_that_part_of_the_labels(shape: Index, size: Index, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, shape).astype(np.int32).repeat(3, axis=2)
    low = [int(rng.integers(0, n)) for n in labels.shape]
    high = [int(rng.integers(a, n)) + 1 for a, n in zip(low, labels.shape, strict=True)]
    part = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    for paint in (tiled(labels, size), Held(Box((0, 0, 0), labels.shape), labels, "here")):
        out = np.full(part.shape, 7, np.int32)
        paint(part, out)
        assert np.array_equal(out, labels[part.slices])


def test_a_part_looks_at_the_tiles_that_it_touches_only() -> None:
    tiles = tiled(np.ones((1, 40, 40), np.int32), (1, 4, 4))
    near = {index: tile for index, tile in tiles.tiles.items() if max(index) < 2}
    out = np.zeros((1, 8, 8), np.int32)
    Tiles(tiles.grid, near)(Box((0, 0, 0), (1, 8, 8)), out)
    assert out.all()


def test_labels_below_zero_are_refused() -> None:
    box = Box((0, 0, 0), (1, 1, 2))
    with pytest.raises(BadInput, match="here: negative ids"):
        Held(box, np.array([[[1, -1]]], np.int32), "here")(box, np.zeros((1, 1, 2), np.int32))
