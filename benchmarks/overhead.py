"""What the block engine costs beyond the kernels, and what a second worker gains.

    python -m benchmarks.overhead [--size 8192]

A large nuclei image in 2048² blocks, from OME-Zarr on disk to label images on disk. *Bare* is the
watershed alone, one thread, called on the same boxes with the pixels in memory. Runs take turns.
Two workers are also tried on an image four times as large: fit, numbering and start are not shared.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.large import write_large
from benchmarks.timing import Row, interleaved, less_is_better, table
from voxelmill.blocks import Grid
from voxelmill.ends import StoreSource, StoreTarget
from voxelmill.engine import Engine
from voxelmill.execution import Blocks, Compute
from voxelmill.ledger import Ledger
from voxelmill.objectsets import Segmented
from voxelmill.overview import overview
from voxelmill.progress import Progress
from voxelmill.run import pool
from voxelmill.segmenters import segmenters
from voxelmill.stages import Frame
from voxelmill.store.labels import create_labels
from voxelmill.store.read import open_image

SIZE, BLOCK, DIAMETER = 8192, 2048, 28


class Case:
    """One image and the ways to segment it.

    Parameters
    ----------
    folder : Path
        For the image and for results.
    size : int
        Extent along y and x.
    """

    def __init__(self, folder: Path, size: int) -> None:
        write_large(folder / "image.zarr", size)
        self._folder = folder
        self._source = StoreSource(open_image(str(folder / "image.zarr")))
        spacing = self._source.spacing_um
        watershed = segmenters()["watershed"].model_validate({"diameter_px": DIAMETER})
        self._segmenter = watershed.sized(spacing)
        whole, coarse = overview(self._source, 0, (0,))
        self._fitted = self._segmenter.fit(whole, coarse)
        z, y, x = self._source.shape[2:]
        self._grid = Grid((z, y, x), (64, BLOCK, BLOCK), self._fitted.halo(spacing))
        self.bare_s: list[float] = []

    def bare(self) -> None:
        """Call the kernels on every box; only the calls count, in `bare_s`."""
        whole, coarse = overview(self._source, 0, (0,))
        start = time.perf_counter()
        self._segmenter.fit(whole, coarse)
        spent = time.perf_counter() - start
        for block in self._grid:
            image = self._source.read(0, (0,), block.read)
            start = time.perf_counter()
            here = self._fitted.at(block.read.start, self._grid.shape)
            here(image, self._source.spacing_um)
            spent += time.perf_counter() - start
        self.bare_s.append(spent)

    def engine(self, workers: int) -> int:
        """Run the engine with threads; return the number of objects."""
        out = self._folder / f"labels-{workers}.zarr"
        shutil.rmtree(out, ignore_errors=True)
        z, y, x = self._grid.shape
        create_labels(str(out), "", "zyx", (1, 1, z, y, x), self._source.spacing_um, ["nuclei"],
                      "nuclei", "image.zarr")  # fmt: skip
        frame = Frame("image@0", self._source, StoreTarget(str(out), "", (z, y, x)), 0)
        spec = Segmented(channel="0", segmenter=self._segmenter)
        with (
            Ledger(self._folder / f"scratch-{workers}", "bench") as ledger,
            pool(Compute(), workers, Progress(show=False)) as crew,
        ):
            result = Engine(crew, ledger, Blocks(size=BLOCK)).segment(
                [frame], {"nuclei": spec}, ["nuclei"], {frame.key: {"nuclei": (0,)}}
            )
            ledger.discard()
        return result.found[frame.key, "nuclei"].objects.count


def measure(size: int = SIZE) -> list[Row]:
    """Rows for the overhead of blocks and for two workers."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(Path(folder), size)
        found = interleaved(
            {"bare": case.bare, "one": lambda: case.engine(1), "two": lambda: case.engine(2)}
        )
        larger = Case(Path(folder) / "larger", 2 * size)
        more = interleaved({"one": lambda: larger.engine(1), "two": lambda: larger.engine(2)})
    bare = sorted(case.bare_s[1:])[len(case.bare_s[1:]) // 2]
    what = f"watershed {size}² in {BLOCK}² blocks"
    overhead = Row(f"{what}: time over bare kernels", round(found["one"], 3), round(bare, 3),
                   "kernels alone on the same boxes", "s", round(bare / found["one"], 3),
                   round(1 / 1.25, 3), round(1 / 1.10, 3))  # fmt: skip
    gains = [
        less_is_better(f"watershed {n}² in {BLOCK}² blocks: 2 workers against 1", s["two"],
                       s["one"], "voxelmill with 1 worker", "s", 1.8, 1.95)
        for n, s in ((size, found), (2 * size, more))
    ]  # fmt: skip
    return [overhead, *gains]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE)
    print(table(measure(parser.parse_args().size)))


if __name__ == "__main__":
    main()
