"""The overview: exact means of level 0, whatever is read at once, never too large."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxelmill import overview as module
from voxelmill.arrayends import ArraySource
from voxelmill.overview import factors, overview, pool
from voxelmill.plugin import Array, Index, Spacing

SPACING = (2.0, 0.5, 0.5)


def slow(pixels: Array, cell: Index) -> Array:
    """Means one cell at a time, in Python integers."""
    shape = [n // c for n, c in zip(pixels.shape, cell, strict=True)]
    found = np.zeros(shape, pixels.dtype)
    for place in np.ndindex(*shape):
        part = pixels[tuple(slice(p * c, p * c + c) for p, c in zip(place, cell, strict=True))]
        found[place] = sum(int(v) for v in part.ravel()) // part.size
    return found


@settings(max_examples=40)
@given(
    shape=st.tuples(*[st.integers(1, 13)] * 3),
    cell=st.tuples(*[st.integers(1, 4)] * 3),
    dtype=st.sampled_from(["uint8", "int16", "uint16", "uint32", "int32"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pool_is_the_exact_mean_without_the_remainder(
    shape: Index, cell: Index, dtype: str, seed: int
) -> None:
    limits = np.iinfo(dtype)
    pixels = np.random.default_rng(seed).integers(
        limits.min, limits.max, shape, dtype=dtype, endpoint=True
    )
    pooled = pool(pixels, cell)
    assert pooled.dtype == pixels.dtype
    np.testing.assert_array_equal(pooled, slow(pixels, cell))


@settings(max_examples=100)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 3000), st.integers(1, 100_000)),
    spacing=st.tuples(*[st.floats(0.1, 10)] * 3),
    limit=st.integers(1_000, 2**22),
)
def test_never_more_than_the_limit(shape: Index, spacing: Spacing, limit: int) -> None:
    cell = factors(shape, spacing, limit)
    assert all(1 <= c <= n for c, n in zip(cell, shape, strict=True))
    assert np.prod([n // c for n, c in zip(shape, cell, strict=True)]) <= limit


@pytest.mark.parametrize(
    ("shape", "spacing", "cell"),
    [
        ((1, 1024, 1536), (1, 1, 1), (1, 1, 1)),
        ((1, 1025, 1536), (1, 1, 1), (1, 2, 2)),
        ((1, 2048, 2048), (1, 1, 1), (1, 2, 2)),
        ((1, 8192, 8192), (1, 1, 1), (1, 7, 7)),
        ((64, 1024, 1024), (4, 1, 1), (1, 7, 7)),
        ((64, 1024, 1024), (1, 1, 1), (4, 4, 4)),
    ],
)
def test_voxels_are_pooled_towards_cubes(shape: Index, spacing: Spacing, cell: Index) -> None:
    assert factors(shape, spacing) == cell


@pytest.mark.parametrize("slab", [1, 100, 1000, 2**24])
@pytest.mark.parametrize("shape", [(1, 37, 53), (7, 21, 30)])
def test_overview_does_not_depend_on_slabs(
    monkeypatch: pytest.MonkeyPatch, shape: Index, slab: int
) -> None:
    monkeypatch.setattr(module, "SLAB_VOXELS", slab)
    monkeypatch.setattr(module.factors, "__defaults__", (120,))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2**16, (2, 2, *shape)).astype(np.uint16)
    seen, spacing = overview(ArraySource(pixels, SPACING), 1, (1,))
    cell = factors(shape, SPACING)
    assert max(cell) > 1
    np.testing.assert_array_equal(seen[0], slow(pixels[1, 1], cell))
    assert spacing == tuple(s * c for s, c in zip(SPACING, cell, strict=True))


def test_floats_are_averaged_in_double_precision() -> None:
    pixels = np.full((1, 2, 2), 0.1, np.float32)
    pixels[0, 0, 0] = 2**25
    assert pool(pixels, (1, 2, 2))[0, 0, 0] == np.float32((2**25 + 3 * float(np.float32(0.1))) / 4)
