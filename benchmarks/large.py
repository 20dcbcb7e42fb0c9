"""Large synthetic nuclei images, written in streaming fashion: what memory benchmarks read.

A jittered grid holds one nucleus a cell, drawn from a hash of seed and cell, so any window can be
rendered without its surroundings; nuclei cross tile and shard borders. Never more than one shard
and the third pyramid level is held. ``python -m benchmarks.large --out FOLDER --size 8192``.
"""

import argparse
import time
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec
from zarr.storage import LocalStore

from voxelmill.kernels.jit import kernel
from voxelmill.store.documents import Version, multiscales, write_group

U16: TypeAlias = NDArray[np.uint16]
I32: TypeAlias = NDArray[np.int32]
F32: TypeAlias = NDArray[np.float32]

DENSITY = 1800.0
"""Nuclei per 2048 x 2048 pixels; with `RADII` about a quarter of the image is foreground."""
RADII = (9.5, 17.5)
SHARD = 4096
SPACING_UM = (None, 0.65, 0.65)
KEPT = 3
"""Pyramid levels from this one on are held whole and written last."""
_NOISE = 1 << 10


def write_large(
    folder: str | Path,
    size: int,
    chunk: int = 1024,
    version: Version = "0.5",
    seed: int = 0,
    density: float = DENSITY,
) -> Path:
    """Write an image (y, x) of `size` x `size` uint16 pixels with its pyramid; return its folder.

    Version 0.5 is sharded by 4096 x 4096, 0.4 has one file a chunk; every chunk is stored.
    """
    folder = Path(folder)
    sizes = [size]
    while sizes[-1] > 256:
        sizes.append(-(-sizes[-1] // 2))
    arrays = [_array(folder, str(k), n, chunk, version, k < KEPT) for k, n in enumerate(sizes)]
    top = np.zeros((sizes[min(KEPT, len(sizes) - 1)],) * 2, np.uint16)
    for y in range(0, size, SHARD):
        for x in range(0, size, SHARD):
            part, _ = render((y, x), (min(SHARD, size - y), min(SHARD, size - x)), seed, density)
            for k, array in enumerate(arrays[: KEPT + 1]):
                target: Any = array if k < KEPT else top
                i, j = y >> k, x >> k
                target[i : i + part.shape[0], j : j + part.shape[1]] = part
                part = _halved(part)
    for array in arrays[KEPT:]:
        array[...] = top
        top = _halved(top)
    factors = [(1, 1 << k, 1 << k) for k in range(len(sizes))]
    scales = multiscales("yx", SPACING_UM, factors, version, name=folder.name, method="mean")
    write_group(folder, version, {"multiscales": scales})
    return folder


def render(
    start: tuple[int, int], shape: tuple[int, int], seed: int = 0, density: float = DENSITY
) -> tuple[U16, I32]:
    """Pixels and labels of a window; the ids are those of grid cells, the same in any window."""
    pixels, labels = np.empty(shape, np.uint16), np.zeros(shape, np.int32)
    noise = np.random.default_rng(seed).normal(0, 25, (_NOISE, _NOISE)).astype(np.float32)
    y, x = (np.arange(a, a + n, dtype=np.float64) for a, n in zip(start, shape, strict=True))
    slow_y, slow_x = np.sin(y / 2900).astype(np.float32), np.cos(x / 4100).astype(np.float32)
    _background(pixels, *start, slow_y, slow_x, noise)
    _nuclei(pixels, labels, *start, seed, 2048 / density**0.5)
    return pixels, labels


@kernel
def _background(pixels: U16, y0: int, x0: int, slow_y: F32, slow_x: F32, noise: F32) -> None:
    for i in range(pixels.shape[0]):
        row = noise[(y0 + i) % _NOISE]
        for j in range(pixels.shape[1]):
            level = np.float32(420) + np.float32(160) * slow_y[i] * slow_x[j]
            pixels[i, j] = np.uint16(level + row[(x0 + j) % _NOISE])


@kernel
def _draw(seed: int, row: int, column: int, n: int) -> float:
    """Give the n-th random number in [0, 1) of a grid cell (splitmix64)."""
    state = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row + (1 << 20))
    for word in (np.uint64(column + (1 << 20)), np.uint64(n)):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = (state ^ (state >> np.uint64(31))) + word * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    return (state >> np.uint64(11)) / np.float64(1 << 53)


@kernel
def _nuclei(pixels: U16, labels: I32, y0: int, x0: int, seed: int, cell: float) -> None:
    """Add the nuclei of all grid cells that reach into the window, in raster order of the cells."""
    low, high = RADII
    height, width = pixels.shape
    for row in range(int((y0 - high) // cell) - 1, int((y0 + height + high) // cell) + 2):
        for column in range(int((x0 - high) // cell) - 1, int((x0 + width + high) // cell) + 2):
            cy = (row + _draw(seed, row, column, 1)) * cell - y0
            cx = (column + _draw(seed, row, column, 2)) * cell - x0
            a = low + (high - low) * _draw(seed, row, column, 3)
            b = low + (high - low) * _draw(seed, row, column, 4)
            turn = np.pi * _draw(seed, row, column, 5)
            bright = 900 + 1500 * _draw(seed, row, column, 6)
            sine, cosine = np.sin(turn), np.cos(turn)
            # Cells are counted from -2, so that ids are positive everywhere in 2**20 pixels.
            label = (row + 2) * 32768 + column + 3
            for i in range(max(0, int(cy - high)), min(height, int(cy + high) + 2)):
                for j in range(max(0, int(cx - high)), min(width, int(cx + high) + 2)):
                    u = ((i - cy) * cosine + (j - cx) * sine) / a
                    v = ((j - cx) * cosine - (i - cy) * sine) / b
                    inside = 1 - u * u - v * v
                    if inside > 0:
                        labels[i, j] = label
                        pixels[i, j] += np.uint16(bright * (0.6 + 0.4 * inside))


@kernel
def _halved(pixels: U16) -> U16:
    height, width = pixels.shape
    found = np.empty(((height + 1) // 2, (width + 1) // 2), np.uint16)
    for i in range(found.shape[0]):
        below = min(2 * i + 1, height - 1)
        for j in range(found.shape[1]):
            right = min(2 * j + 1, width - 1)
            total = np.int64(pixels[2 * i, 2 * j]) + pixels[2 * i, right]
            found[i, j] = (total + pixels[below, 2 * j] + pixels[below, right] + 2) >> 2
    return found


def _array(
    folder: Path, path: str, size: int, chunk: int, version: Version, sharded: bool
) -> zarr.Array[Any]:
    options: dict[str, Any] = {"compressors": BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")}
    chunk = min(chunk, size)
    if version == "0.4":
        options["compressors"] = {"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 1}
        options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    else:
        whole = -(-size // chunk) * chunk
        # A level's shards cover what the shards of level 0 do: each is written once, whole.
        edge = max(SHARD >> int(path), chunk) if sharded else SHARD
        options |= {"dimension_names": ["y", "x"], "shards": (min(edge, whole),) * 2}
    return zarr.create_array(
        LocalStore(folder),
        name=path,
        shape=(size, size),
        chunks=(chunk, chunk),
        dtype="uint16",
        fill_value=0,
        zarr_format=2 if version == "0.4" else 3,
        config={"write_empty_chunks": True},
        **options,
    )


def main() -> None:
    """Write one image from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", required=True)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--chunk", type=int, default=1024)
    parser.add_argument("--version", choices=("0.4", "0.5"), default="0.5")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--density", type=float, default=DENSITY)
    given = parser.parse_args()
    start = time.perf_counter()
    write_large(given.out, given.size, given.chunk, given.version, given.seed, given.density)
    print(f"{given.out}: {given.size} x {given.size} in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
