"""Columns that need all objects of a frame together: nearest neighbours, counts of children.

In: what the blocks of one frame have measured, in scratch files. Out: `Late`, columns by id. They
are held whole: 8 bytes an object and column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voxelmill.features import Feature
from voxelmill.measurement import CENTRE, PARENT, MeasureTask
from voxelmill.plugin import Array
from voxelmill.scratch import load
from voxelmill.stitch import Ints
from voxelmill.store.place import place_at


def prefix(name: str) -> str:
    """Column prefix of an object set: ``small_spots`` → ``SmallSpots``."""
    return "".join(part.capitalize() for part in name.split("_"))


def count_column(child: str) -> str:
    """Column of a parent's table that counts its children."""
    return f"Children_{prefix(child)}_Count"


@dataclass(frozen=True)
class Late:
    """Columns of all objects of one set and frame."""

    ids: Ints
    """(n,) ascending."""
    columns: Mapping[str, Array]

    def of(self, ids: Ints) -> dict[str, Array]:
        """Values of some of the objects."""
        rows = np.searchsorted(self.ids, ids)
        return {column: np.asarray(v[rows], np.float64) for column, v in self.columns.items()}


def over_frame(
    tasks: Sequence[MeasureTask],
    name: str,
    features: Sequence[Feature],
    channels: Sequence[str],
    children: Sequence[str] = (),
) -> Late:
    """Make the late columns of one object set.

    Parameters
    ----------
    tasks : sequence of MeasureTask
        All measured blocks of the frame.
    name : str
        The object set.
    features : sequence of Feature
    channels : sequence of str
    children : sequence of str
        Object sets whose objects have one of this set as parent.

    Raises
    ------
    ScratchError
        A file of a measured block is absent or damaged.
    """
    mine = [(task, owned) for task in tasks for owned in task.owned if owned.name == name]
    ids = np.concatenate([np.zeros(0, np.int64), *(owned.ids for _, owned in mine)])
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    columns: dict[str, Array] = {}
    late = [f for f in features if set(f.frame_columns(channels)) & set(f.chosen(channels))]
    if late:
        parts = [load(place_at(task.file), f"{name}/{CENTRE}")[0] for task, _ in mine]
        centres = np.concatenate([np.zeros((0, 3)), *parts])[order]
        for feature in late:
            chosen, found = feature.chosen(channels), feature.over_frame(ids, centres)
            columns |= {c: found[c] for c in feature.frame_columns(channels) if c in chosen}
    for child in children:
        columns[count_column(child)] = _count(tasks, name, child, ids)
    return Late(ids, columns)


def _count(tasks: Sequence[MeasureTask], name: str, child: str, ids: Ints) -> Ints:
    """Objects of `child` by the id of their parent."""
    counts = np.zeros(ids.size, np.int64)
    for task in tasks:
        if any(owned.name == child for owned in task.owned):
            (parents,) = load(place_at(task.file), f"{child}/{PARENT}{name}")
            parents = parents[parents > 0]
            np.add.at(counts, np.searchsorted(ids, parents), 1)
    return counts
