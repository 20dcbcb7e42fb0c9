"""Whether two results are the same, byte by byte, and where they differ first if not.

In: the layouts of two runs over one image. Out: one `Comparison` an object set. Labels are the
files of the finest level, the pyramid all others of the label image, the table the object table
and the set's rows of the index.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxelmill.blocks import Box
from voxelmill.layout import Layout
from voxelmill.store.open import open_image
from voxelmill.store.read import read_box
from voxelmill.tables import Columns, read_table

SEAM = "Metadata_Seam"


@dataclass(frozen=True)
class Comparison:
    """What is the same in one object set of two runs."""

    name: str
    labels: bool
    pyramid: bool
    table: bool
    but_flags: bool
    """The table's rows are the same but for the flag `Metadata_Seam`."""
    first: str
    """Where the first difference lies; empty if there is none."""

    @property
    def same(self) -> bool:
        """Everything is the same."""
        return self.labels and self.pyramid and self.table


def compare(one: Layout, other: Layout, name: str, batch: str) -> Comparison:
    """Compare one object set of two runs.

    Parameters
    ----------
    one, other : Layout
        The reference, and what is judged by it.
    name : str
        Object set.
    batch : str
        Batch with one single image.

    Raises
    ------
    StoreUnavailable
        A file cannot be read.
    """
    files = changed_files(one.labels / "labels" / name, other.labels / "labels" / name)
    finest = [f for f in files if f.parts[0] == "0"]
    objects, where = table_difference(one.objects(name, batch), other.objects(name, batch), SEAM)
    index, place = table_difference(one.index(batch), other.index(batch), "seam", name)
    first = (_first_voxel(one, other, name) or f"file {files[0]}") if files else where or place
    return Comparison(
        name,
        labels=not finest,
        pyramid=len(files) == len(finest),
        table=objects == index == "same",
        but_flags={objects, index} <= {"same", "flags"},
        first=f"{name}: {first}" if first else "",
    )


def table_difference(one: Path, other: Path, flag: str, name: str = "") -> tuple[str, str]:
    """Compare two tables by bytes, then by values.

    Parameters
    ----------
    one, other : Path
    flag : str
        Column that says whether a seam may have cut the object.
    name : str
        Look only at rows whose column ``set`` has this value, if given.

    Returns
    -------
    kind : str
        ``same``; ``flags`` if only the flags differ; else ``different``.
    first : str
        The first difference, or empty.
    """
    if one.read_bytes() == other.read_bytes():
        return "same", ""
    tables: list[Columns] = [read_table(file) for file in (one, other)]
    if name:
        tables = [_of_set(table, name) for table in tables]
    if first := first_row(tables[0], tables[1], flag):
        return "different", first
    if first := first_row(tables[0], tables[1]):
        return "flags", first
    return ("same", "") if name else ("different", f"bytes of {one.name}")


def changed_files(one: Path, other: Path) -> list[Path]:
    """Relative paths of files that differ, or are in one of two folders only; sorted."""
    found = [{p.relative_to(f) for p in f.rglob("*") if p.is_file()} for f in (one, other)]
    both = (f for f in found[0] & found[1] if (one / f).read_bytes() != (other / f).read_bytes())
    return sorted((found[0] ^ found[1]).union(both))


def first_row(one: Columns, other: Columns, skip: str = "") -> str:
    """Say which value of two tables differs first, by rows; empty if none does.

    NaN equals NaN. Column `skip` is not looked at.
    """
    if list(one) != list(other):
        return f"columns {', '.join(one)}; here {', '.join(other)}"
    best: tuple[int, str] | None = None
    for column in one:
        pair = [np.asarray(table[column]) for table in (one, other)]
        if len(pair[0]) != len(pair[1]):
            return f"{len(pair[0])} rows; here {len(pair[1])}"
        neither = (pair[0] != pair[0]) & (pair[1] != pair[1])
        differ = (pair[0] != pair[1]) & ~neither
        rows = np.flatnonzero(differ)
        if column != skip and rows.size and (best is None or rows[0] < best[0]):
            a, b = (p[rows[0]] for p in pair)
            best = int(rows[0]), f"row {rows[0]}, {column}: {a}; here {b}"
    return best[1] if best else ""


def _of_set(index: Columns, name: str) -> Columns:
    rows = [i for i, s in enumerate(index["set"]) if s == name]
    return {column: np.asarray(values)[rows] for column, values in index.items()}


def _first_voxel(one: Layout, other: Layout, name: str) -> str:
    """Say which voxel of two label images differs first, finest level first; empty if none does."""
    images = [open_image(str(x.labels), f"labels/{name}") for x in (one, other)]
    if (shapes := [[level.shape for level in i.levels] for i in images])[0] != shapes[1]:
        return f"levels {shapes[0]}; here {shapes[1]}"
    for level in range(len(images[0].levels)):
        times, _, *space = images[0].shape_at(level)
        box = Box((0, 0, 0), (space[0], space[1], space[2]))
        for t in range(times):
            a, b = (read_box(i, t, (0,), box, level)[0] for i in images)
            where = np.argwhere(a != b)
            if where.size:
                z, y, x = (int(v) for v in where[0])
                ids = f"{a[z, y, x]}; here {b[z, y, x]}"
                return f"level {level}, t {t}, voxel (z {z}, y {y}, x {x}): label {ids}"
    return ""
