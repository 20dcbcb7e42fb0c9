"""Connected components of a mask in blocks: wall time and memory against dask-image.

    python -m benchmarks.components

8192² voxels in 64 blocks, two workers, from a Zarr array on disk to labels on disk; every run is a
fresh process, timed without its imports. Ours and dask-image take turns; both must find equally
many objects.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np
import zarr

from benchmarks.large import render
from benchmarks.timing import Row, fresh, less_is_better, memory, status, table

Label: TypeAlias = Callable[[Any, Path], int]

SIZE, BLOCK, WORKERS, REPEATS = 8192, 1024, 2, 5


def write_mask(folder: Path, size: int = SIZE) -> Path:
    """Nuclei, many of them touching, as an uncompressed Zarr array (y, x)."""
    mask = render((0, 0), (size, size))[1] > 0
    array = zarr.create_array(
        folder / "mask.zarr", shape=mask.shape, chunks=(BLOCK, BLOCK), dtype=bool, compressors=None
    )
    array[:] = mask
    return folder / "mask.zarr"


def ours() -> Label:
    """Label with the block engine."""
    import voxelmill

    segmenter = voxelmill.segmenter("components")

    def label(mask: Any, out: Path) -> int:  # noqa: ANN401 - Dask array
        labels = voxelmill.segment(mask, segmenter, block=BLOCK, workers=WORKERS)
        return int(labels.attrs["objects"][0])

    return label


def dask_image() -> Label:
    """Label with dask-image, corners touching, and store the labels as they are made."""
    import dask
    from dask import base
    from dask_image import ndmeasure

    compute: Any = base.compute  # without annotations

    def label(mask: Any, out: Path) -> int:  # noqa: ANN401 - Dask array
        with dask.config.set(scheduler="threads", num_workers=WORKERS):
            labels, n = ndmeasure.label(mask, np.ones((3, 3)))
            # Both at once, or everything would be computed twice.
            stored = labels.to_zarr(str(out / "labels.zarr"), compute=False)
            return int(compute(stored, n)[1])

    return label


def run_one(who: str, mask: Path) -> None:
    """Time one candidate in this process and print what it cost as JSON."""
    import dask.array as da

    array = da.from_zarr(str(mask))
    label = {"ours": ours, "dask-image": dask_image}[who]()
    with tempfile.TemporaryDirectory() as folder:
        label(array[:64, :64], Path(folder))  # loads compiled code, as importing loads the peer's
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = memory(status(), "VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        n = label(array, Path(folder))
        seconds = time.perf_counter() - start
    mib = (memory(status(), "VmHWM") - before) / 2**20
    print(json.dumps({"seconds": seconds, "mib": mib, "objects": n}))


def measure(repeats: int = REPEATS) -> list[Row]:
    """Rows for time and for memory above the imports."""
    with tempfile.TemporaryDirectory() as folder:
        mask = write_mask(Path(folder))
        fresh("benchmarks.components", "--who", "ours", "--mask", str(mask))
        found: dict[str, list[dict[str, float]]] = {"ours": [], "dask-image": []}
        for _ in range(repeats):
            for who, runs in found.items():
                runs.append(fresh("benchmarks.components", "--who", who, "--mask", str(mask)))
    counts = {run["objects"] for runs in found.values() for run in runs}
    if len(counts) != 1:
        raise ValueError(f"numbers of objects differ: {counts}")
    mid = {
        who: {key: median(run[key] for run in runs) for key in ("seconds", "mib")}
        for who, runs in found.items()
    }
    what, peer = f"components {SIZE}², 64 blocks, 2 workers", "dask-image label"
    return [
        less_is_better(what, mid["ours"]["seconds"], mid["dask-image"]["seconds"], peer, "s",
                       40, 100),
        less_is_better(f"{what}, memory", mid["ours"]["mib"], mid["dask-image"]["mib"], peer,
                       "MiB", 3, 3),
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--who", choices=["ours", "dask-image"])
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    given = parser.parse_args()
    if given.who:
        run_one(given.who, given.mask)
    else:
        print(table(measure(given.repeats)))


if __name__ == "__main__":
    main()
