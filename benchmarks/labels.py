"""Writing a label image with its pyramid: ours, ome-zarr-py and ngff-zarr, 8192 x 8192 int32.

All write the same six levels by nearest neighbour to a local folder; the peers get chunks of 1024,
with which they are fastest; all compress with zstd. ``python -m benchmarks.labels``.
"""

import shutil
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import dask.array as da
import numpy as np
import zarr

from benchmarks.large import render
from benchmarks.timing import Row, interleaved, table
from voxelmill.blocks import Block
from voxelmill.plugin import Labels
from voxelmill.store.label_layout import label_shards
from voxelmill.store.labels import create_labels, write_coarse_labels, write_labels

SIZE = 8192
CHUNK = 1024
FACTORS = [2, 4, 8, 16, 32]
MUST, AIM = 4.0, 8.0


def sample(size: int = SIZE) -> Labels:
    """Nuclei as labels (z, y, x), ids 1 to n."""
    _, cells = render((0, 0), (size, size))
    present = np.bincount(cells.ravel()) > 0
    present[0] = False
    numbers = np.where(present, np.cumsum(present), 0).astype(np.int32)
    return numbers[cells][np.newaxis]


def ours(folder: Path, labels: Labels, threads: int = 1) -> None:
    """Write with voxelmill: all shards, then the coarse levels."""
    root, shape = str(folder), labels.shape
    create_labels(root, "", "yx", (1, 1, *shape), (1, 0.5, 0.5), ["n"], "n", "../..")

    def write(shard: Block) -> None:
        write_labels(root, "", "n", 0, shard.core, labels[shard.core.slices])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(write, label_shards(shape)))
    write_coarse_labels(root, "", "n", 0)


def ome_zarr_py(folder: Path, labels: Labels, chunked: bool) -> None:
    """Write with ome-zarr-py, from an array in memory or from a Dask array."""
    from ome_zarr.writer import write_labels as write

    image = labels[0]
    group = zarr.open_group(str(folder), mode="w")
    if chunked:
        lazy = da.from_array(image, chunks=CHUNK)
        write(lazy, group, "n", axes="yx", scale_factors=FACTORS)
    else:
        options = {"chunks": (CHUNK, CHUNK)}
        write(image, group, "n", axes="yx", scale_factors=FACTORS, storage_options=options)


def ngff_zarr(folder: Path, labels: Labels) -> None:
    """Write with ngff-zarr, nearest neighbour."""
    import ngff_zarr as nz

    image = nz.to_ngff_image(labels[0], dims=["y", "x"], name="n")
    method = nz.Methods.DASK_IMAGE_NEAREST
    scales = nz.to_multiscales(image, scale_factors=FACTORS, method=method, chunks=CHUNK)
    nz.to_ngff_zarr(str(folder), scales, version="0.5")


def measure() -> list[Row]:
    """Rows of MB/s of the full resolution, and of numbers of files."""
    labels = sample()
    with tempfile.TemporaryDirectory() as scratch:
        writers: dict[str, Callable[[Path], None]] = {
            "ours": partial(ours, labels=labels),
            "ours, 2 threads": partial(ours, labels=labels, threads=2),
            "ome-zarr-py write_labels, numpy": partial(ome_zarr_py, labels=labels, chunked=False),
            "ome-zarr-py write_labels, dask": partial(ome_zarr_py, labels=labels, chunked=True),
            "ngff-zarr nearest": partial(ngff_zarr, labels=labels),
        }
        places = {name: Path(scratch) / str(i) for i, name in enumerate(writers)}

        def anew(name: str) -> None:
            shutil.rmtree(places[name], ignore_errors=True)
            writers[name](places[name])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = interleaved({name: partial(anew, name) for name in writers})
        files = {n: sum(p.is_file() for p in places[n].rglob("*")) for n in writers}
    speed = {name: round(labels.nbytes / 1e6 / s, 1) for name, s in seconds.items()}
    peers = [name for name in writers if not name.startswith("ours")]
    rows = [_row("write labels + pyramid", speed["ours"], speed[p], p, "MB/s") for p in peers]
    rows += [
        _row("files of labels + pyramid", files["ours"], files[p], p, "files") for p in peers[1:]
    ]
    two, one = speed["ours, 2 threads"], speed["ours"]
    name, ratio = "write labels + pyramid, 2 threads", round(two / one, 2)
    rows.append(Row(name, two, one, "one thread", "MB/s", ratio, None, None))
    return rows


def _row(name: str, own: float, peer: float, peer_name: str, unit: str) -> Row:
    """Row of speeds, or of counts of files (where few are good)."""
    if unit == "files":
        return Row(name, own, peer, peer_name, unit, round(peer / own, 2), 1.0, 2.0)
    return Row(name, own, peer, peer_name, unit, round(own / peer, 2), MUST, AIM)


if __name__ == "__main__":
    print(table(measure()))
