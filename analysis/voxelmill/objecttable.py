"""The table of one object set and batch: metadata, then features under CellProfiler names.

In: what blocks have measured, in scratch files. Out: ``objects/<set>/<batch>.parquet``, rows sorted
by image, time point and id. Written in portions: the rows of a large image are never held at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.batch import Batch, Item, place_columns
from voxelmill.config import Settings
from voxelmill.measurement import PARENT, MeasureTask
from voxelmill.objectsets import Subtracted
from voxelmill.overframe import count_column, over_frame, prefix
from voxelmill.plugin import Array
from voxelmill.scratch import load
from voxelmill.stitch import Ints, floors, in_order
from voxelmill.store.place import Place, place_at
from voxelmill.store.read import Image
from voxelmill.tables import TableWriter

Float64 = NDArray[np.float64]

SEAM, BORDER = "Metadata_Seam", "Metadata_Border"
PORTION = 4096
"""Rows gathered at a time."""


def inherited(settings: Settings, name: str) -> list[str]:
    """Object sets whose ids the objects of `name` carry."""
    spec = settings.objects[name]
    if isinstance(spec, Subtracted):
        return list(spec.subtract)
    return list(spec.needs) if spec.segmenter.keeps_ids else []


def related(settings: Settings, name: str) -> list[str]:
    """Object sets in which each object of `name` has a parent that must be measured."""
    known = inherited(settings, name)
    found = (r.parent for r in settings.relations if r.child == name)
    return [parent for parent in dict.fromkeys(found) if parent not in known]


def children(settings: Settings, name: str) -> list[str]:
    """Object sets whose objects are counted for each object of `name`."""
    return list(dict.fromkeys(r.child for r in settings.relations if r.parent == name))


@dataclass(frozen=True)
class Measured:
    """Where the values are."""

    tasks: Mapping[tuple[str, int], Sequence[MeasureTask]]
    """Measured blocks in raster order, by image and time point."""
    seams: Mapping[tuple[str, int, str], Ints]
    """Ids of objects that a seam may have cut, by image, time point and object set."""
    borders: Mapping[tuple[str, int, str], Ints]
    """Ids of objects that touch the end of the image, likewise."""


@dataclass(frozen=True)
class ObjectTable:
    """Which table: its columns follow from the settings and the channels of the images only."""

    batch: Batch
    settings: Settings
    name: str

    def units(self, channels: Sequence[str]) -> dict[str, str]:
        """Feature columns with their units."""
        found = {c: u for f in self.settings.features for c, u in f.chosen(channels).items()}
        found |= {count_column(child): "1" for child in children(self.settings, self.name)}
        return {f"{prefix(self.name)}_{column}": unit for column, unit in found.items()}

    def measured(self, channels: Sequence[str]) -> list[str]:
        """Columns of a measured block's file: parents first, then features."""
        kin = [PARENT + parent for parent in related(self.settings, self.name)]
        features = [
            c
            for f in self.settings.features
            for c in f.chosen(channels)
            if c not in f.frame_columns(channels)
        ]
        return kin + features

    def rows(
        self, item: Item, t: int, ids: Ints, marks: Mapping[str, Array], kin: Mapping[str, Array]
    ) -> dict[str, Any]:
        """Metadata columns of some objects of one frame.

        `marks` are flags by column; `kin` has the parents by object set.
        """
        n = len(ids)
        rows: dict[str, Any] = {
            **place_columns(self.batch.dataset, [item] * n),
            "Metadata_Timepoint": np.full(n, t, np.int64),
            "Metadata_ObjectNumber": ids,
            **marks,
        }
        known = dict.fromkeys(inherited(self.settings, self.name), ids)
        return rows | {f"Metadata_Parent_{prefix(p)}": v for p, v in (known | dict(kin)).items()}


def write_objects(
    path: Path, table: ObjectTable, images: Sequence[tuple[Item, Image]], measured: Measured
) -> int:
    """Write the table; return its number of rows.

    Parameters
    ----------
    path : Path
    table : ObjectTable
    images : sequence of (Item, Image)
        Usable images in batch order.
    measured : Measured

    Raises
    ------
    ScratchError
        A file of a measured block is absent or damaged.
    """
    channels = list(dict.fromkeys(c for _, image in images for c in image.channels))
    units = table.units(channels)
    nobody = table.batch.items[0] if table.batch.items else None
    with TableWriter(path, units) as writer:
        if nobody is not None:
            none = np.zeros(0, np.int64)
            kin = dict.fromkeys(related(table.settings, table.name), none)
            marks = dict.fromkeys((SEAM, BORDER), none.astype(bool))
            start = table.rows(nobody, 0, none, marks, kin)
            writer.add(start | {column: np.zeros(0, np.float64) for column in units})
        for item, image in images:
            for t in range(image.shape[0]):
                place, none = (item.path, t, table.name), np.zeros(0, np.int64)
                flagged = {
                    SEAM: measured.seams.get(place, none),
                    BORDER: measured.borders.get(place, none),
                }
                tasks = measured.tasks.get((item.path, t), ())
                for ids, values in _frame(tasks, table, image.channels):
                    kin = {
                        column.removeprefix(PARENT): values.pop(column).astype(np.int64)
                        for column in list(values)
                        if column.startswith(PARENT)
                    }
                    marks = {column: np.isin(ids, those) for column, those in flagged.items()}
                    rows = table.rows(item, t, ids, marks, kin)
                    own = {f"{prefix(table.name)}_{c}": v for c, v in values.items()}
                    missing = {c: np.full(len(ids), np.nan) for c in units if c not in own}
                    features = {c: np.ascontiguousarray((own | missing)[c]) for c in units}
                    writer.add(rows | features)
    return writer.rows


def _frame(
    tasks: Sequence[MeasureTask], table: ObjectTable, channels: Sequence[str]
) -> Iterator[tuple[Ints, dict[str, Float64]]]:
    """Ids and values of one frame in portions, ascending id.

    Ids are ordered first; values are then gathered for a few of them at a time.
    """
    settings, columns = table.settings, table.measured(channels)
    late = over_frame(
        tasks, table.name, settings.features, channels, children(settings, table.name)
    )
    names = [f"{table.name}/{column}" for column in columns]
    mine = [t for t in tasks if any(o.name == table.name for o in t.owned)]
    values = Values([place_at(task.file) for task in mine], names)
    slabs = [list(group) for _, group in groupby(range(len(mine)), lambda i: mine[i].slab)]
    places = [
        np.concatenate([_places(mine[i], table.name, i, values) for i in slab]) for slab in slabs
    ]
    parts = ((place[:, 0], place[:, 1:]) for place in places)
    for ordered in in_order(parts, floors([place[:, 0] for place in places])):
        for first in range(0, len(ordered), PORTION):
            found = values.gather(ordered[first : first + PORTION])
            ids = found[:, 0].astype(np.int64)
            yield ids, dict(zip(columns, found[:, 1:].T, strict=True)) | late.of(ids)


def _places(task: MeasureTask, name: str, number: int, values: "Values") -> Ints:
    """Rows (id, number of the file, row in it)."""
    ids = np.concatenate([o.ids for o in task.owned if o.name == name])
    values.waiting[number] = ids.size
    return np.column_stack([ids, np.full_like(ids, number), np.arange(ids.size)])


class Values:
    """Values in scratch files, held from when a file is first asked for until all is handed out.

    Parameters
    ----------
    files : sequence of Place
    names : sequence of str
        Arrays in them, one a column.
    """

    def __init__(self, files: Sequence[Place], names: Sequence[str]) -> None:
        self.waiting: dict[int, int] = {}
        """Rows of each file that are still to be handed out."""
        self._files, self._names = files, names
        self._held: dict[int, Float64] = {}

    def gather(self, places: Ints) -> Float64:
        """Rows (id, values) for rows (id, number of the file, row in it)."""
        found = np.empty((len(places), 1 + len(self._names)))
        found[:, 0] = places[:, 0]
        for number in np.unique(places[:, 1]).tolist():
            here = np.flatnonzero(places[:, 1] == number)
            if number not in self._held:
                columns = load(self._files[number], *self._names)
                self._held[number] = np.column_stack(
                    [np.zeros((self.waiting[number], 0)), *columns]
                )
            found[here, 1:] = self._held[number][places[here, 2]]
            self.waiting[number] -= here.size
            if not self.waiting[number]:
                del self._held[number]
        return found
