"""Whether tables that were made again are the recorded ones, column by column, batch by batch.

In: what is published (tables, or only their digests), results of the same images, which of them to
look at. Out: a `Finding` a column. Rows are joined by image, time point and object, so batches may
be cut in another way; a few columns of one batch are held at a time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.layout import Layout
from voxelmill.ledger import sha256_of
from voxelmill.progress import Progress
from voxelmill.reproduction import (
    DIFFERENT,
    IDENTICAL,
    NOT_COMPARED,
    Column,
    Finding,
    absent,
    join,
)
from voxelmill.steps.crateresults import CrateResults
from voxelmill.steps.gather import Gathered
from voxelmill.tables import read_table
from voxelmill.tables.counts import column_names

COLUMNS = 16
"""Columns that are read at a time: tables may be large."""
IMAGE = "Metadata_Image"
FRAME = (IMAGE, "Metadata_Timepoint")
OBJECT = (*FRAME, "Metadata_ObjectNumber")
WELL = ("Metadata_Plate", "Metadata_Well")
RELATIVE = ("Metadata_Status", "Metadata_Verdict", "Metadata_Flags", "Metadata_Images_Flagged")
"""Columns that depend on all images of a plate."""
QUALITY = "ObjectQuality_"
"""How others of them start."""


@dataclass(frozen=True)
class Chosen:
    """What to look at: images and wells; a `sample`, or all; `alias`: the input is renamed here."""

    images: frozenset[str]
    wells: frozenset[str]
    sample: bool
    alias: bool = False

    def skips(self, column: str) -> str:
        """Why a column is not compared; empty if it is."""
        if self.sample and (column in RELATIVE or column.startswith(QUALITY)):
            return "depend on all images of the plate"
        return "may name the input, which has another name here" if column in self.named else ""

    @property
    def named(self) -> tuple[str, ...]:
        """Columns in which the input's own name may stand; reasons are compared apart."""
        return ("Metadata_Plate", "Metadata_Reason") if self.alias else ()


@dataclass
class Compared:
    """One table in the making: all its columns, and rows that one side lacks."""

    thing: str
    keys: tuple[str, ...]
    chosen: Chosen
    columns: dict[str, Column] = field(default_factory=dict)
    rows: int = 0
    lacking: list[str] = field(default_factory=list)
    skipped: dict[str, dict[str, None]] = field(default_factory=dict)
    only: dict[str, str] = field(default_factory=dict)
    """Columns that one side lacks → which."""

    def add(self, recorded: Path, here: Sequence[Path], wanted: Set[str] | None) -> None:
        """Compare one recorded table with those that hold the same rows.

        `wanted` are the images (of a table of wells: the wells) to look at; None: all.
        """
        mine, which = self._keys([recorded], wanted)
        own, others = self._keys(here, wanted)
        rows, twins = join(mine, own)
        self.rows += rows.size
        for side, keys, found in (("recorded", mine, rows), ("made again", own, twins)):
            self._lacks(side, keys, found)
        there = [[*dict.fromkeys(c for p in paths for c in column_names(p))]
                 for paths in ([recorded], here)]  # fmt: skip
        for names in _portions([*dict.fromkeys(c for side in there for c in side)]):
            left = _read([recorded], names, which[rows])
            right = _read(here, names, others[twins])
            for name in names:
                self._column(name, left.get(name), right.get(name), mine, rows)

    def _keys(
        self, files: Sequence[Path], wanted: Set[str] | None
    ) -> tuple[list[Any], NDArray[np.int64]]:
        """Keys of the rows that are wanted, and where these rows are."""
        table = read_table(files, self.keys)
        columns = [table[key] for key in self.keys]
        if wanted is None:
            return columns, np.arange(len(columns[0]))
        names = columns[self.keys.index(WELL[1]) if WELL[1] in self.keys else 0]
        rows = np.asarray([i for i, name in enumerate(names) if name in wanted], np.int64)
        return [_at(column, rows) for column in columns], rows

    def _lacks(self, side: str, keys: Sequence[Any], found: NDArray[np.int64]) -> None:
        number = len(keys[0]) - found.size
        if number:
            first = int(np.setdiff1d(np.arange(len(keys[0])), found)[0])
            self.lacking.append(f"{number} rows only {side}, the first {self._place(keys, first)}")

    def _column(
        self,
        name: str,
        recorded: Any,  # noqa: ANN401 - array or list, or None
        here: Any,  # noqa: ANN401
        keys: Sequence[Any],
        rows: NDArray[np.int64],
    ) -> None:
        if why := self.chosen.skips(name):
            group = f"{QUALITY}*" if name.startswith(QUALITY) else name
            self.skipped.setdefault(why, {})[group] = None
        elif recorded is not None and here is not None:
            column = self.columns.setdefault(name, Column(name))
            column.add(recorded, here, lambda row: self._place(keys, int(rows[row])))
        elif not absent(here if recorded is None else recorded):
            self.only.setdefault(name, "made again" if recorded is None else "recorded")

    def _place(self, keys: Sequence[Any], row: int) -> str:
        """Name a row: image, time point, object; or the well."""
        words = [str(key[row]) for key in keys]
        if WELL[1] in self.keys:
            return words[-1]
        more = f" object {words[2]}" if words[2:] else ""
        return f"{words[0] or 'the image'} t {words[1]}{more}"

    def known(self, file: Path) -> None:
        """Count the columns of a table that has the digest of the recorded one."""
        rows = len(read_table(file, self.keys[:1])[self.keys[0]])
        self.rows += rows
        for name in column_names(file):
            self.columns.setdefault(name, Column(name)).rows += rows

    def findings(self, note: str = "") -> Iterator[Finding]:
        """What was found."""
        lacking = "; ".join(self.lacking)
        yield Finding(self.thing, "rows", DIFFERENT if lacking else IDENTICAL, lacking or note,
                      self.rows)  # fmt: skip
        yield from (column.finding(self.thing) for column in self.columns.values())
        for name, side in self.only.items():
            yield Finding(self.thing, name, DIFFERENT, f"column only {side}")
        for why, names in self.skipped.items():
            yield Finding(self.thing, ", ".join(names), NOT_COMPARED, why)


def compare_tables(
    published: CrateResults, layout: Layout, found: Gathered, sets: Iterable[str], chosen: Chosen
) -> Iterator[Finding]:
    """Compare all tables: of objects, of QC, of images and of wells."""
    batch_of = {item.path: batch.name for batch in found.batches for item in batch.items}
    for name in sets:
        here = {b.name: layout.objects(name, b.name) for b in found.batches}
        table = Compared(f"objects {name}", OBJECT, chosen)
        yield from _by_batch(published, f"objects/{name}", table, here, batch_of)
    here = {b.name: layout.qc(b.name) for b in found.batches}
    yield from _by_batch(published, "qc", Compared("qc", FRAME, chosen), here, batch_of)
    yield from _whole(published, layout.images, Compared("images", FRAME, chosen))
    if chosen.sample and not chosen.wells:
        yield Finding("wells", "", NOT_COMPARED, "not one is whole in a sample of images")
    else:
        keys = tuple(key for key in WELL if key not in chosen.named)
        yield from _whole(published, layout.wells, Compared("wells", keys, chosen))


def _by_batch(
    published: CrateResults,
    folder: str,
    table: Compared,
    here: Mapping[str, Path],
    batch_of: Mapping[str, str],
) -> Iterator[Finding]:
    """Compare tables that are cut into batches."""
    cut = published.recorded.batches
    holding = {name for name, images in cut.items() if table.chosen.images & set(images)}
    paths = [p for p in published.tables(folder) if not holding or Path(p).stem in holding]
    seen: set[str] = set()
    blind = same = 0
    with Progress().stage(f"compare {table.thing}", len(paths)) as done:
        for path in paths:
            done()
            file = published.file(path)
            if file is None:
                same += _same_bytes(published, path, here.get(Path(path).stem), table)
                blind += 1
                continue
            (images,) = read_table(file, [IMAGE]).values()
            mine = table.chosen.images & set(images)
            if files := sorted({here[batch_of[image]] for image in mine}):
                table.add(file, files, mine)
            seen |= mine
            published.drop(path)
    if not blind:
        _beyond(table, here.values(), seen)
    if same + len(paths) > blind:
        yield from table.findings("the files have the recorded digests" if blind else "")
    if blind > same or not paths:
        why = f"{blind - same} of {len(paths)} tables are not there" if paths else "none is named"
        yield Finding(table.thing, "", NOT_COMPARED, why)


def _beyond(table: Compared, files: Iterable[Path], seen: set[str]) -> None:
    """Note rows of images of which no row is recorded."""
    for file in files:
        (images,) = read_table(file, [IMAGE]).values()
        more = [image for image in images if image not in seen]
        if more:
            table.lacking.append(f"{len(more)} rows only made again, the first {more[0]}")


def _whole(published: CrateResults, here: Path, table: Compared) -> Iterator[Finding]:
    """Compare a table of the whole dataset."""
    file, chosen = published.file(here.name), table.chosen
    wells = WELL[1] in table.keys
    if file is not None:
        names = chosen.wells if wells else chosen.images
        table.add(file, [here], names if chosen.sample else None)
        yield from table.findings()
    elif _same_bytes(published, here.name, here, table):
        yield from table.findings("the file has the recorded digest")
    elif chosen.sample or chosen.alias or (wells and published.lacks_plate_map):
        yield Finding(table.thing, "", NOT_COMPARED, "the table is not there")
    else:
        note = "another digest; the table is not there to say which column"
        yield Finding(table.thing, "", DIFFERENT, note)


def _same_bytes(published: CrateResults, path: str, here: Path | None, table: Compared) -> bool:
    """Whether a file that is not there has the digest of the one that was made again."""
    said = published.recorded.files.get(path)
    if said is None or here is None or not here.exists() or sha256_of(here) != said.sha256:
        return False
    table.known(here)
    return True


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), COLUMNS):
        yield names[first : first + COLUMNS]


def _read(files: Sequence[Path], names: Sequence[str], rows: NDArray[np.int64]) -> dict[str, Any]:
    """Some rows of those columns that are there; with a column that all have."""
    found = read_table(files, [*dict.fromkeys((*WELL[:1], *names))])
    return {name: _at(found[name], rows) for name in names if name in found}


def _at(column: Any, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - array or list
    if len(column) == rows.size and bool((rows == np.arange(rows.size)).all()):
        return column
    return column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]
