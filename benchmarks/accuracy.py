"""How well the default `watershed` finds nuclei in public, annotated images.

    python -m benchmarks.accuracy [--set NAME]

One configuration a set: the diameter is given, and for the crowded volume, which shows no
background, the grey value of the foreground. Prints a table; `measure` gives what
`benchmarks/results.json` keeps.

Weights and defaults were tuned on bbbc039_training; bbbc039_validation is held out. The guards
`FAINT` and `SATURATED` were added after looking at failures on bbbc038_fluo_train_A (the number of
the first is from the training set, the second a margin below a cap; the training set hardly
changes), so that set is not held out; it is given the training set's diameter. The plane distance
of stardist_3d (2 voxels) is assumed.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile

from benchmarks.matching import Counts, compare, pool
from benchmarks.timing import Row
from voxelmill.plugin import Array, Spacing
from voxelmill.segmenters.watershed import Watershed

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Goal:
    """A published or demanded figure for one set and measure."""

    measure: str
    peer: float | None
    must: float | None
    aim: float | None


@dataclass(frozen=True)
class Dataset:
    """Where a set lies, the diameter it is given, and what to compare with."""

    name: str
    folder: str
    diameter_px: float
    spacing: Spacing = (1.0, 1.0, 1.0)
    value: float | None = None
    goals: tuple[Goal, ...] = ()


PEER = "Otsu + watershed (published), Cellpose-SAM 0.962 / 0.807"
SETS = (
    Dataset("bbbc039_training", "nuclei2d/bbbc039_training", 28),
    Dataset(
        "bbbc039_validation",
        "nuclei2d/bbbc039_validation",
        28,
        goals=(Goal("F1@0.5", 0.821, 0.92, 0.95), Goal("AP", 0.555, 0.70, 0.78)),
    ),
    Dataset(
        "bbbc038_fluo_train_A",
        "nuclei2d/bbbc038_fluo_train_A",
        28,
        goals=(Goal("F1@0.5", None, 0.75, 0.85),),
    ),
    Dataset("stardist_3d", "nuclei3d/stardist_sample", 14, spacing=(2.0, 1.0, 1.0), value=200),
)


@dataclass(frozen=True)
class Result:
    """Accuracy and speed on one set."""

    name: str
    images: int
    counts: Counts
    average_precision: float
    mpx_per_s: float


def images(folder: Path) -> Iterator[tuple[Array, Array]]:
    """Pairs of image and labels, (z, y, x), in the order of the file names."""
    stack = folder / "img3d.tif"
    if stack.is_file():
        yield tifffile.imread(stack), tifffile.imread(folder / "mask3d.tif")
        return
    for path in sorted((folder / "images").iterdir()):
        labels = next((folder / "labels").glob(f"{path.stem}.*"))
        yield _read(path)[None], tifffile.imread(labels)[None]


def _read(path: Path) -> Array:
    if path.suffix.lower() in {".tif", ".tiff"}:
        return np.asarray(tifffile.imread(path))
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise OSError(f"{path}: not an image")
    return np.asarray(image[..., :3].max(axis=-1) if image.ndim == 3 else image)


def evaluate(dataset: Dataset) -> Result:
    """Segment and match all images of a set; fitting counts as time, matching does not."""
    segmenter = Watershed(diameter_px=dataset.diameter_px, value=dataset.value)
    counts: list[Counts] = []
    seconds, voxels = 0.0, 0
    for image, truth in images(DATA / dataset.folder):
        pixels = image[None]
        if not counts:
            segmenter.fit(pixels, dataset.spacing)(pixels, dataset.spacing)  # compiles
        start = time.perf_counter()
        found = segmenter.fit(pixels, dataset.spacing)(pixels, dataset.spacing)
        seconds += time.perf_counter() - start
        voxels += image.size
        counts.append(compare(truth, found))
    precision = float(np.mean([c.average_precision() for c in counts]))
    return Result(dataset.name, len(counts), pool(counts), precision, voxels / seconds / 1e6)


def available(names: list[str] | None = None) -> list[Dataset]:
    """Sets whose data are here; says which are not."""
    chosen = [s for s in SETS if not names or s.name in names]
    for dataset in chosen:
        if not (DATA / dataset.folder).is_dir():
            print(f"accuracy of {dataset.name}: skipped, ../shared/data/{dataset.folder} is absent")
    return [s for s in chosen if (DATA / s.folder).is_dir()]


def measure() -> list[Row]:
    """Rows of the sets that are here; a ratio above 1 means ours is better."""
    return rows([evaluate(s) for s in available() if s.goals])


def rows(results: list[Result]) -> list[Row]:
    """One row for each goal of the sets."""
    goals = {s.name: s.goals for s in SETS}
    out: list[Row] = []
    for result in results:
        ours = {"F1@0.5": result.counts.f1(), "AP": result.average_precision}
        for goal in goals[result.name]:
            value, name = ours[goal.measure], f"{result.name} {goal.measure}"
            ratio = round(value / goal.peer, 3) if goal.peer else None
            peer = PEER if goal.peer else None
            out.append(Row(name, round(value, 4), goal.peer, peer, "1", ratio, goal.must, goal.aim))
    return out


def table(results: list[Result]) -> str:
    """Plain-text table of the results with the figures to compare with."""
    head = ("set", "images", "F1@0.5", "AP .5:.95", "splits", "merges", "count", "Mpx/s", "goals")
    lines = [head]
    goals = {s.name: s.goals for s in SETS}
    for r in results:
        wanted = "; ".join(
            f"{g.measure}: published {g.peer}, must {g.must}, aim {g.aim}" for g in goals[r.name]
        )
        c = r.counts
        numbers = (f"{c.f1():.4f}", f"{r.average_precision:.4f}", str(c.splits), str(c.merges))
        tail = (f"{c.count_error():+.1%}", f"{r.mpx_per_s:.1f}", wanted)
        lines.append((r.name, str(r.images), *numbers, *tail))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = ("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in shown)


def main() -> None:
    """Print the table for the sets that are named, or for all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", action="append", choices=[s.name for s in SETS])
    parser.add_argument("--csv", type=Path, help="also write the rows here")
    given = parser.parse_args()
    results = [evaluate(s) for s in available(given.set)]
    print(table(results))
    print(f"peer: {PEER}")
    if given.csv:
        with given.csv.open("w", newline="") as file:
            found = [row.as_json() for row in rows(results)]
            writer = csv.DictWriter(file, fieldnames=list(found[0]) if found else ["name"])
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    main()
