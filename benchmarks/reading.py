"""Reading 8192 x 8192 uint16 block by block: with halos, aligned, and against the bare codec.

One thread calls. The peer slices the same boxes with zarr-python, which decodes on threads of its
own. ``python -m benchmarks.reading``.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import zarr

from benchmarks.large import write_large
from benchmarks.timing import Row, interleaved, less_is_better, table
from voxelmill.blocks import Grid
from voxelmill.ngff import Image
from voxelmill.store.cache import BUDGET_BYTES, chunk_cache
from voxelmill.store.documents import Version
from voxelmill.store.open import open_image
from voxelmill.store.read import read_box
from voxelmill.store.sharing import reading_order

SIZE = 8192
CASES: tuple[tuple[Version, int], ...] = (("0.4", 1024), ("0.5", 512))
"""Version (0.5 is sharded by 4096) and chunk; blosc, zstd level 1, byte shuffle."""


def blocks(size: int, halo: int) -> Grid:
    """Blocks of the image."""
    return Grid((1, SIZE, SIZE), (1, size, size), (0, halo, halo))


def ours(image: Image, grid: Grid) -> None:
    """Read all blocks, from an empty cache."""
    cache = chunk_cache()
    cache.resize(0)
    cache.resize(BUDGET_BYTES)
    for block in reading_order(grid, image):
        read_box(image, 0, [0], block.read, halo=grid.halo)


def by_zarr(array: "zarr.Array[Any]", grid: Grid) -> None:
    """Read all blocks with zarr-python."""
    for block in grid:
        array[block.read.slices[1:]]


def bare(files: list[bytes], scratch: bytearray) -> None:
    """Decode all chunks from memory, one thread."""
    for data in files:
        imagecodecs.blosc_decode(data, numthreads=1, out=scratch)


def decoded_by_zarr(grid: Grid, chunk: int) -> int:
    """Chunks that slicing decodes: all that each box touches."""
    edges = [b.read for b in grid]
    spans = [
        [-(-b // chunk) - a // chunk for a, b in zip(e.start[1:], e.stop[1:], strict=True)]
        for e in edges
    ]
    return sum(y * x for y, x in spans)


def measure() -> list[Row]:
    """Rows of seconds a pass over the image, and of decoded chunks."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for version, chunk in CASES:
            place = write_large(Path(folder) / version, SIZE, chunk, version)
            rows += _halo_rows(place, version, chunk)
        rows.append(_codec_row(Path(folder) / "0.4"))
    return rows


def _halo_rows(place: Path, version: str, chunk: int) -> list[Row]:
    image, array = open_image(str(place)), zarr.open_array(place / "0", mode="r")
    stored = "shards" if version == "0.5" else "files"
    rows = []
    for size in (1024, 2048):
        for halo in (64, 182):
            grid, aligned = blocks(size, halo), blocks(size, 0)
            candidates: dict[str, Callable[[], None]] = {
                "ours": partial(ours, image, grid),
                "aligned": partial(ours, image, aligned),
                "zarr": partial(by_zarr, array, grid),
            }
            s = interleaved(candidates)
            name = f"read blocks of {size}, halo {halo}, {stored}, chunks of {chunk}"
            rows.append(less_is_better(name, s["ours"], s["zarr"], "zarr-python", "s", 1.0, 2.0))
            rows.append(_plain(f"{name}: cost of the halo", s["ours"], s["aligned"], "no halo"))
            before = chunk_cache().decoded
            ours(image, grid)
            decoded, all_chunks = chunk_cache().decoded - before, (SIZE // chunk) ** 2
            of_zarr = decoded_by_zarr(grid, chunk) / all_chunks
            name = f"{name}: times each chunk is decoded"
            rows.append(_plain(name, decoded / all_chunks, of_zarr, "zarr-python", "times"))
    return rows


def _codec_row(place: Path) -> Row:
    files = [p.read_bytes() for p in sorted((place / "0").glob("*/*")) if p.is_file()]
    scratch, image = bytearray(2 << 20), open_image(str(place))
    s = interleaved(
        {"ours": partial(ours, image, blocks(2048, 0)), "bare": partial(bare, files, scratch)}
    )
    return _plain("decode, blosc zstd-1, chunks of 1024", s["ours"], s["bare"], "the bare codec")


def _plain(name: str, own: float, peer: float, peer_name: str, unit: str = "s") -> Row:
    """Row without a goal."""
    ratio = round(peer / own, 3)
    return Row(name, round(own, 4), round(peer, 4), peer_name, unit, ratio, None, None)


if __name__ == "__main__":
    print(table(measure()))
