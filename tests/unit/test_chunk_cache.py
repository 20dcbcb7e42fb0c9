"""Chunks that blocks share are decoded once; what is kept never outlives what is stored."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trees import write_image
from voxelmill.blocks import Grid
from voxelmill.ngff import place_of
from voxelmill.plugin import Array, StoreUnavailable
from voxelmill.store import open_image, read_box
from voxelmill.store.cache import BUDGET_BYTES, ChunkCache, chunk_cache
from voxelmill.store.checks import Checks
from voxelmill.store.chunks import StoredArray
from voxelmill.store.sharing import reading_order
from webserver import serve

SHAPE = (1, 75, 93)


@pytest.fixture(autouse=True)
def cache() -> Iterator[ChunkCache]:
    found = chunk_cache()
    found.resize(0)
    found.resize(BUDGET_BYTES)
    yield found
    found.resize(BUDGET_BYTES)


def pixels(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(1, 60_000, shape).astype(np.uint16)


def walk(url: str, grid: Grid, truth: Array, *, told: bool = True) -> None:
    image = open_image(url)
    for block in reading_order(grid, image):
        found = read_box(image, 0, [0], block.read, halo=grid.halo if told else None)
        np.testing.assert_array_equal(found[0], truth[block.read.slices])


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("layout", ["0.4", "0.5", "sharded"])
@pytest.mark.parametrize(("size", "halo"), [(16, 3), (16, 7), (32, 5), (48, 8)])
def test_each_chunk_is_decoded_once(
    tmp_path: Path, cache: ChunkCache, layout: str, size: int, halo: int, told: bool
) -> None:
    truth = pixels()
    shards = (1, 32, 32) if layout == "sharded" else None
    version = "0.4" if layout == "0.4" else "0.5"
    write_image(tmp_path / "i.zarr", truth, "zyx", version, (1, 16, 16), shards)
    before = cache.decoded
    walk(str(tmp_path / "i.zarr"), Grid(SHAPE, (1, size, size), (0, halo, halo)), truth, told=told)
    assert cache.decoded - before == 5 * 6
    before = cache.decoded
    chunk_cache().resize(0)
    walk(str(tmp_path / "i.zarr"), Grid(SHAPE, (1, size, size), (0, halo, halo)), truth)
    assert cache.decoded - before > 5 * 6, "without a budget, chunks are decoded again"


def test_halo_along_z_must_be_told(tmp_path: Path, cache: ChunkCache) -> None:
    truth = pixels((12, 20, 20))
    write_image(tmp_path / "i.zarr", truth, "zyx", "0.5", (1, 20, 20))
    grid = Grid((12, 20, 20), (4, 20, 20), (2, 0, 0))
    before = cache.decoded
    walk(str(tmp_path / "i.zarr"), grid, truth)
    assert cache.decoded - before == 12


def test_whole_images_and_aligned_blocks_keep_nothing(tmp_path: Path, cache: ChunkCache) -> None:
    truth = pixels((1, 64, 64))
    write_image(tmp_path / "i.zarr", truth, "zyx", "0.5", (1, 16, 16))
    for size in (16, 32, 64):
        walk(str(tmp_path / "i.zarr"), Grid((1, 64, 64), (1, size, size)), truth)
    assert cache.bytes == 0


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 12),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.integers(0, 4000),
)
@settings(max_examples=20, deadline=None)
def test_any_blocks_chunks_and_budget_give_the_pixels(
    tmp_path_factory: pytest.TempPathFactory,
    size: tuple[int, int],
    halo: int,
    chunk: tuple[int, int],
    budget: int,
) -> None:
    cache = chunk_cache()
    cache.resize(0)
    cache.resize(budget)
    truth = pixels((1, 33, 47))
    root = tmp_path_factory.mktemp("any")
    write_image(root / "i.zarr", truth, "zyx", "0.4", (1, *chunk))
    walk(str(root / "i.zarr"), Grid((1, 33, 47), (1, *size), (0, halo, halo)), truth)
    assert cache.bytes <= budget


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_strides(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    truth = pixels((1, 33, 47))
    root = tmp_path_factory.mktemp("strides")
    chunk = (1, data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20)))
    write_image(root / "i.zarr", truth, "zyx", "0.5", chunk)
    info = open_image(str(root / "i.zarr")).levels[0].array
    picks = []
    for n in truth.shape:
        start = data.draw(st.integers(0, n - 1))
        picks.append(
            range(start, data.draw(st.integers(start + 1, n)), data.draw(st.integers(1, 9)))
        )
    url = str(root / "i.zarr")
    stored = StoredArray(url, Checks(info, "0", place_of(url), sparse=False))
    expected = truth[tuple(slice(p.start, p.stop, p.step) for p in picks)]
    np.testing.assert_array_equal(stored.read(picks), expected)


# ---- damage and change


def test_kept_chunks_do_not_outlive_the_files(tmp_path: Path, cache: ChunkCache) -> None:
    first, second = pixels(seed=1), pixels(seed=2)
    write_image(tmp_path / "i.zarr", first, "zyx", "0.5", (1, 16, 16))
    url = str(tmp_path / "i.zarr")
    grid = Grid(SHAPE, (1, 32, 32), (0, 4, 4))
    walk(url, grid, first)
    assert cache.bytes > 0
    shutil.rmtree(url)
    write_image(tmp_path / "i.zarr", second, "zyx", "0.5", (1, 16, 16))
    walk(url, grid, second)
    (tmp_path / "i.zarr/0/c/0/2/2").unlink()
    with pytest.raises(StoreUnavailable, match="chunk 0/c/0/2/2 is missing"):
        walk(url, grid, second)


def test_damage_is_reported_each_time_and_forgotten_when_repaired(tmp_path: Path) -> None:
    truth = pixels()
    write_image(tmp_path / "i.zarr", truth, "zyx", "0.5", (1, 16, 16))
    url = str(tmp_path / "i.zarr")
    grid = Grid(SHAPE, (1, 32, 32), (0, 4, 4))
    file = tmp_path / "i.zarr/0/c/0/1/1"
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            walk(url, grid, truth)
    file.write_bytes(content)
    walk(url, grid, truth)


def test_over_http(tmp_path: Path, cache: ChunkCache) -> None:
    truth = pixels()
    write_image(tmp_path / "i.zarr", truth, "zyx", "0.5", (1, 16, 16), (1, 32, 48))
    with serve(tmp_path) as server:
        before = cache.decoded
        walk(f"{server.url}/i.zarr", Grid(SHAPE, (1, 32, 32), (0, 4, 4)), truth)
        assert cache.decoded - before == 30


# ---- the cache itself


def test_threads_that_want_one_chunk_decode_it_once() -> None:
    cache, chunk = ChunkCache(), np.arange(4)
    begun, go = threading.Event(), threading.Event()

    def load() -> Array:
        begun.set()
        assert go.wait(10)
        return chunk

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(cache.get, "a", load) for _ in range(4)]
        assert begun.wait(10)
        go.set()
        assert all(f.result() is chunk for f in found)
    assert (cache.decoded, cache.reused) == (1, 3)
    with pytest.raises(ValueError, match="read-only"):
        chunk[0] = 1


def test_failure_is_not_kept() -> None:
    cache = ChunkCache()

    def fail() -> Array:
        raise StoreUnavailable("no")

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            cache.get("a", fail)
    assert cache.get("a", lambda: np.zeros(2)).size == 2


def test_least_recently_used_goes_first() -> None:
    cache = ChunkCache(budget=24)
    for key in ("a", "b", "c"):
        cache.get(key, lambda: np.zeros(1))
    cache.get("a", lambda: np.zeros(1))
    cache.get("d", lambda: np.zeros(1))
    before = cache.decoded
    for key in ("a", "c", "d"):
        cache.get(key, lambda: np.zeros(1))
    assert cache.decoded == before
    cache.get("b", lambda: np.zeros(1))
    assert cache.decoded == before + 1
    assert cache.bytes == 24
    cache.get("large", lambda: np.zeros(9))
    assert cache.bytes <= 24


def test_order_of_blocks_is_made_for_the_budget(tmp_path: Path, cache: ChunkCache) -> None:
    """A wide image and a small budget: in raster order rows of blocks are forgotten in between."""
    truth = pixels((1, 64, 512))
    write_image(tmp_path / "i.zarr", truth, "zyx", "0.5", (1, 8, 8))
    image = open_image(str(tmp_path / "i.zarr"))
    grid = Grid(truth.shape, (1, 16, 16), (0, 2, 2))
    cache.resize(budget := 16 * 1024)
    order = reading_order(grid, image, budget=budget)
    assert sorted(b.index for b in order) == [b.index for b in grid]
    counts = []
    for blocks in (order, grid):
        before = cache.decoded
        for block in blocks:
            read_box(image, 0, [0], block.read, halo=grid.halo)
        counts.append(cache.decoded - before)
    chunks = 8 * 64
    assert counts[0] < 1.1 * chunks
    assert counts[1] > 1.5 * chunks
    assert reading_order(grid, image) == list(grid), "all fits"


def test_order_in_stacks(tmp_path: Path) -> None:
    write_image(tmp_path / "i.zarr", pixels((40, 64, 64)), "zyx", "0.5", (1, 8, 8))
    grid = Grid((40, 64, 64), (10, 16, 16), (3, 4, 4))
    image = open_image(str(tmp_path / "i.zarr"))
    order = reading_order(grid, image, budget=2 * 16 * 48 * 48)
    assert sorted(b.index for b in order) == [b.index for b in grid]
    assert [b.index for b in order[:5]] == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0)]
