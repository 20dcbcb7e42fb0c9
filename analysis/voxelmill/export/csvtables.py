"""CSV: one file an object set, one of images, one of wells, and the units of their columns."""

import csv
from collections.abc import Sequence
from pathlib import Path

from voxelmill.export.finished import Finished
from voxelmill.progress import Progress
from voxelmill.tables import units
from voxelmill.tables.delimited import write_csv

UNITS = "units.csv"


def write(found: Finished, folder: Path, progress: Progress) -> None:
    """Write the tables of a dataset into a new folder.

    Raises
    ------
    StoreUnavailable
        A table is absent or damaged.
    """
    layout = found.layout
    tables: dict[str, Sequence[Path]] = {name: found.tables(name) for name in found.sets}
    tables |= {"images": [layout.images], "wells": [layout.wells]}
    folder.mkdir(parents=True)
    with progress.stage(f"{found.dataset}: CSV", sum(map(len, tables.values()))) as done:
        for name, files in tables.items():
            write_csv(folder / f"{name}.csv", files, done)
    with (folder / UNITS).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("table", "column", "unit"))
        for name, files in tables.items():
            known = {c: unit for part in files for c, unit in units(part).items()}
            lines.writerows((name, column, unit) for column, unit in known.items())
