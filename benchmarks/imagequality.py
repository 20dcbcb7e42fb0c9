"""How well image QC, with its defaults, finds what is known of real images, and what it costs.

    python -m benchmarks.imagequality

Blur: BBBC005's simulated one, and BBBC006's fields below the focal plane against BBBC039's sound
ones. The peer is CellProfiler's measure for blur, its power spectrum's slope, on the same images.
Cost: processor time of all default metrics on a field of 1080² in uint16, one thread.
"""

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from scipy.stats import spearmanr

from benchmarks.features import SPACING, scene
from benchmarks.timing import REPEATS, Row, table
from voxelmill.config import QC
from voxelmill.plugin import Array
from voxelmill.qc import Metric
from voxelmill.qc.blur import BLUR, Blur
from voxelmill.qc.focus import SHARPNESS, SLOPE, Focus

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
KNOWN, BLURRED = "qc_focus/bbbc005", "qc_focus/bbbc006_z00"
SOUND = ("nuclei2d/bbbc039_training/images", "nuclei2d/bbbc039_validation/images")
FIELD = 1080
PEER = "CellProfiler's PowerLogLogSlope, same images"


def measure() -> list[Row]:
    """Rows of the data that are here, and the cost."""
    rows: list[Row] = []
    if (DATA / KNOWN).is_dir():
        rows += _ranks()
    else:
        print(f"image quality: ranks skipped, ../shared/data/{KNOWN} is absent")
    if all((DATA / folder).is_dir() for folder in (BLURRED, *SOUND)):
        rows += _verdicts()
    else:
        print("image quality: verdicts skipped, ../shared/data has no BBBC006 or BBBC039")
    return [*rows, *_cost()]


def _ranks() -> list[Row]:
    """Rank correlation with the known blur; without ties 0.943 is all images in order."""
    with (DATA / KNOWN / "labels.csv").open(encoding="utf-8") as file:
        blur = {row["image_name"]: int(row["blur"]) for row in csv.DictReader(file)}
    images = [_read(DATA / KNOWN / name) for name in blur]
    found = {**_values(Blur(), images), **_values(Focus(), images)}
    rho = {c: abs(float(spearmanr(list(blur.values()), v)[0])) for c, v in found.items()}
    return [
        _more("bbbc005: Spearman of BlurSigma and the known blur", rho[BLUR], rho[SLOPE], 0.95),
        _more(
            "bbbc005: Spearman of Sharpness and the known blur", rho[SHARPNESS], rho[SLOPE], None
        ),
    ]


def _verdicts() -> list[Row]:
    """Share of blurred and of sound fields that are out of focus; of all that have any fault."""
    blurred, sound = _images(BLURRED), [i for folder in SOUND for i in _images(folder)]
    hits, false = _flagged(blurred, "OutOfFocus"), _flagged(sound, "OutOfFocus")
    any_ = _flagged(sound, None)
    return [
        Row(name, share, None, None, "%", None, None, None)
        for name, share in (
            ("bbbc006_z00: fields out of focus that are found", hits),
            ("bbbc039: fields called out of focus", false),
            ("bbbc039: fields with any fault (one without cells)", any_),
        )
    ]


def _cost() -> list[Row]:
    pixels = np.ascontiguousarray(scene()[1]["DNA"][:, :FIELD, :FIELD])
    costs = {str(m.model_dump()["kind"]): _milliseconds(m, pixels) for m in QC().of(Metric)}
    rows = {"all defaults": sum(costs.values())} | costs
    return [
        Row(f"image quality, 1080² uint16, processor: {name}", round(ms, 2), None, None, "ms",
            None, None, None)
        for name, ms in rows.items()
    ]  # fmt: skip


def _milliseconds(metric: Metric, pixels: Array) -> float:
    metric(pixels, SPACING)  # compiles
    found = []
    for _ in range(3 * REPEATS):
        start = time.thread_time()
        metric(pixels, SPACING)
        found.append(time.thread_time() - start)
    return 1e3 * median(found)


def _more(name: str, ours: float, peer: float, must: float | None) -> Row:
    return Row(name, round(ours, 4), round(peer, 4), PEER, "1", round(ours / peer, 3), must, None)


def _values(metric: Metric, images: Sequence[Array]) -> dict[str, Array]:
    found = [metric(image, SPACING) for image in images]
    return {column: np.asarray([row[column] for row in found]) for column in metric.columns()}


def _flagged(images: Sequence[Array], fault: str | None) -> float:
    """Percent of the images, judged together, with a fault, or with any."""
    metrics = QC().of(Metric)
    values: dict[str, Array] = {}
    for metric in metrics:
        values |= _values(metric, images)
    hit = np.zeros(len(images), np.bool_)
    for metric in metrics:
        for name, found in metric.flags(values).items():
            hit |= found & (fault in (None, name))
    return round(100 * float(hit.mean()), 2)


def _images(folder: str) -> list[Array]:
    return [_read(path) for path in sorted((DATA / folder).iterdir())]


def _read(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise OSError(f"{path}: not an image")
    return np.asarray(image)[None]


if __name__ == "__main__":
    print(table(measure()))
