"""Real mosaics, whole and in blocks: fields of BBBC039 tiled to 8320 x 8352, a 3-D stack tiled.

Each is stored as OME-Zarr 0.4 and as sharded 0.5, segmented and measured in one block and in
smaller ones, and compared byte by byte. ``python -m benchmarks.mosaic`` prints the table.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
from numpy.typing import NDArray

from benchmarks.timing import Row, table
from voxelmill.config import Settings
from voxelmill.execution import Blocks
from voxelmill.proof import HEAD, SAME, Tried, judge, line
from voxelmill.steps.gather import read_record
from voxelmill.steps.trial import BATCH, attempt, workers
from voxelmill.store.write import write_image
from voxelmill.variants import Variant, whole

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
STORAGES = ("0.4", "0.5-shards")
NUCLEI = {"kind": "watershed", "diameter_px": 28}
BALLS = {"kind": "watershed", "diameter_px": 14, "value": 200}
"""The sample is so crowded that it shows no background."""
BALLS_SPACING = (2.0, 1.0, 1.0)


def settings(segmenter: dict[str, object]) -> Settings:
    """Nuclei of one channel, with all features."""
    return Settings.model_validate({"objects": {"nuclei": {"channel": "DNA",
                                                           "segmenter": segmenter}}})  # fmt: skip


def mosaic(rows: int, columns: int) -> NDArray[np.uint16]:
    """Fields of BBBC039 side by side, (1, y, x); they repeat mirrored when there are no more."""
    files = sorted((DATA / "nuclei2d").glob("bbbc039_*/images/*.tif"))
    fields = [tifffile.imread(file) for file in files[: rows * columns]]
    tiles = islice(cycle([*fields, *(f[::-1, ::-1] for f in fields)]), rows * columns)
    picked = list(tiles)
    lines = [np.hstack(picked[i * columns : (i + 1) * columns]) for i in range(rows)]
    return np.vstack(lines)[None]


def volume(counts: Sequence[int]) -> NDArray[np.uint16]:
    """The 3-D sample `counts` times along z, y, x; every other copy is mirrored."""
    pixels = tifffile.imread(DATA / "nuclei3d" / "stardist_sample" / "img3d.tif")
    for axis, count in enumerate(counts):
        copies = [np.flip(pixels, axis) if i % 2 else pixels for i in range(count)]
        pixels = np.concatenate(copies, axis)
    return np.asarray(pixels, np.uint16)


def write(folder: Path, pixels: NDArray[np.uint16], spacing: tuple[float, float, float]) -> None:
    """Store (z, y, x) pixels in all `STORAGES` below `folder`."""
    deep = len(pixels) > 1
    edge, depth = (64, 16) if deep else (512, 1)
    axes = "czyx" if deep else "cyx"
    stored = pixels[None, None]
    for name in STORAGES:
        shard = None if name == "0.4" else (1, 1, 2 * depth, 4 * edge, 4 * edge)
        write_image(
            str(folder / name / "image.ome.zarr"), stored, axes, spacing, ["DNA"],
            chunk=(1, 1, depth, edge, edge), shard=shard,
            version="0.4" if name == "0.4" else "0.5",
        )  # fmt: skip


def compare(
    folder: Path, shape: tuple[int, int, int], job: Settings, blocks: Sequence[Blocks]
) -> Iterator[Tried]:
    """Run stored pixels whole, then in blocks and in all `STORAGES`; the first is the reference."""
    variants = [Variant(whole(shape), STORAGES[0], 1, processes=False)]
    variants += [Variant(b, s, 2, processes=False) for b in blocks for s in STORAGES]
    variants.append(Variant(whole(shape), STORAGES[1], 2, processes=False))
    reference = None
    for number, variant in enumerate(variants):
        start = time.monotonic()
        with workers(variant.workers, processes=False):
            layout = attempt(folder, f"run-{number}", variant, job)
        seconds = time.monotonic() - start
        found = read_record(layout.record("measure", BATCH))["rows"]["nuclei"]
        judged = judge(reference, layout, job, BATCH) if reference else None
        reference = reference or layout
        yield Tried(variant, seconds, found, judged)


def run(
    pixels: NDArray[np.uint16],
    spacing: tuple[float, float, float],
    segmenter: dict[str, object],
    blocks: Sequence[Blocks],
) -> list[Tried]:
    """Store, run and compare, and print the table as it comes."""
    with TemporaryDirectory() as folder:
        write(Path(folder), pixels, spacing)
        z, y, x = pixels.shape
        print(f"{z} x {y} x {x} voxels\n{HEAD}")
        found = []
        for tried in compare(Path(folder), (z, y, x), settings(segmenter), blocks):
            found.append(tried)
            print(line(tried, deep=z > 1), flush=True)
    return found


def measure() -> list[Row]:
    """Both mosaics; a row each block size: seconds against one block. Differences end it."""
    if not DATA.is_dir():
        print("mosaic: skipped, the real images (../shared/data) are not on this machine")
        return []
    flat = mosaic(16, 12)
    deep = volume((3, 4, 4))
    runs = {
        "BBBC039 mosaic": run(flat, (1.0, 1.0, 1.0), NUCLEI,
                              [Blocks(size=n) for n in (512, 1024, 2048)]),
        "3-D mosaic": run(deep, BALLS_SPACING, BALLS,
                          [Blocks(size=100, depth=31), Blocks(size=128, depth=47)]),
    }  # fmt: skip
    rows: list[Row] = []
    for name, found in runs.items():
        if bad := [t for t in found if t.judged and t.judged.worst != SAME]:
            sys.exit(f"{name}: {bad[0].judged}")
        rows += [_row(name, tried, found[0]) for tried in found[1:]]
    return rows


def _row(name: str, tried: Tried, first: Tried) -> Row:
    ours, peer = tried.seconds, first.seconds
    where = tried.variant.label(deep=name.startswith("3"))
    return Row(f"{name}, {where}", round(ours, 2), round(peer, 2), "one block, 1 thread", "s",
               round(peer / ours, 3), None, None)  # fmt: skip


if __name__ == "__main__":
    print(table(measure()))
