"""CellProfiler's own table of a published example, column by column, against voxelmill's.

    python -m benchmarks.cellprofiler [--markdown]

ExampleHuman, measured by CellProfiler 4.0.6. Its outlines are on a picture beside the table: a
nucleus is what one of them encloses, with the outline. Compared are the nuclei whose area and
centroid are then CellProfiler's to the last digit: they have the very same pixels. Grey values of
its table are divided by 255, its angles are radians.
"""

import argparse
import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.features import features
from voxelmill.measurement import measure_objects
from voxelmill.plugin import Labels, Pixels

DATA = Path(__file__).resolve().parents[2] / "shared/data/features/cellprofiler_ExampleHuman"
BLUE = (255, 0, 0)
SMALLEST, LARGEST = 10, 2000
"""Pixels within an outline: less is a gap between outlines, more is the background."""
SPACING = (1.0, 1.0, 1.0)
FULL_SCALE = 255

Table = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Difference:
    """Relative differences of one column over the nuclei with the same pixels."""

    column: str
    median: float
    largest: float


def published(folder: Path = DATA) -> Table:
    """CellProfiler's table of nuclei, its numeric columns."""
    with (folder / "cellprofiler_output" / "Nuclei.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {column: np.array([float(r[column]) for r in rows]) for column in rows[0]}


def images(folder: Path = DATA) -> dict[str, Pixels]:
    """Both measured channels, (1, y, x) uint8."""
    first, second, _ = sorted((folder / "images").glob("*.tif"))
    return {"DNA": _read(first)[None], "PH3": _read(second)[None]}


def nuclei(table: Table, folder: Path = DATA) -> Labels:
    """Labels (1, y, x) of the nuclei whose pixels are known; ids are CellProfiler's numbers."""
    (picture,) = (folder / "cellprofiler_output").glob("*Overlay.png")
    outline = (_read(picture) == BLUE).all(axis=-1)
    parts, _ = ndi.label(~outline)
    labels = np.zeros(outline.shape, np.int32)
    for number, box in enumerate(ndi.find_objects(parts), start=1):
        size = np.count_nonzero(parts[box] == number)
        if not SMALLEST <= size <= LARGEST:
            continue
        mine = parts == number
        whole = ndi.binary_dilation(mine) & (mine | outline)
        y, x = np.nonzero(whole)
        far = np.hypot(table["AreaShape_Center_X"] - x.mean(),
                       table["AreaShape_Center_Y"] - y.mean())  # fmt: skip
        row = int(far.argmin())
        if far[row] < 1e-6 and table["AreaShape_Area"][row] == y.size:
            labels[whole] = row + 1
    return labels[None]


def differences(folder: Path = DATA) -> tuple[int, list[Difference]]:
    """Return how many nuclei were compared, and the differences of all columns that both have."""
    table = published(folder)
    labels = nuclei(table, folder)
    families = [cls() for kind, cls in features().items() if kind != "neighbors"]
    ours = measure_objects(labels, images(folder), families, SPACING)
    rows = ours["ObjectNumber"] - 1
    found = []
    for column in table:
        if column == "ObjectNumber" or column not in ours or np.isnan(ours[column]).all():
            continue
        mine, theirs = _in_its_units(column, ours[column]), table[column][rows]
        size = np.maximum(np.abs(theirs), np.finfo(float).tiny)
        relative = np.where(mine == theirs, 0, np.abs(mine - theirs) / size)
        found.append(Difference(column, float(np.median(relative)), float(relative.max())))
    return rows.size, found


def _in_its_units(column: str, values: NDArray[Any]) -> NDArray[np.float64]:
    if column == "AreaShape_Orientation":
        return np.asarray([math.radians(v) for v in values])
    grey = column.startswith("Intensity_") and "MassDisplacement" not in column
    return values / FULL_SCALE if grey else values


def _read(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true")
    markdown = parser.parse_args().markdown
    count, found = differences()
    print(f"{count} nuclei with CellProfiler's own pixels; relative differences\n")
    if markdown:
        print("| column | median | largest |\n|---|---|---|")
    for row in found:
        line = f"{row.column} | {row.median:.1e} | {row.largest:.1e}"
        print(f"| {line} |" if markdown else line.replace("|", ""))


if __name__ == "__main__":
    main()
