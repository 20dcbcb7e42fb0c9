"""One table in memory of what blocks have measured, for the Python API.

In: measured blocks of one object set, ``objects``, and their scratch files. Out: columns by name.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from voxelmill.measurement import MeasureTask
from voxelmill.overframe import over_frame
from voxelmill.plugin import Array
from voxelmill.scratch import load_all
from voxelmill.store.place import place_at


def join(tasks: Sequence[MeasureTask], columns: Sequence[str]) -> dict[str, Array]:
    """Put blocks together.

    Parameters
    ----------
    tasks : sequence of MeasureTask
        Those of one frame after the other.
    columns : sequence of str
        All feature columns of the table.

    Returns
    -------
    dict of str to (n_objects,) array
        ``Timepoint``, ``ObjectNumber`` and `columns`, rows by time point, then id.

    Raises
    ------
    ScratchError
        A file of a measured block is absent or damaged.
    """
    parts = []
    for t, found in groupby(tasks, lambda task: task.frame.t):
        here = list(found)
        late = over_frame(here, "objects", here[0].features, here[0].channels)
        for task in here:
            part = {key.split("/", 1)[1]: v for key, v in load_all(place_at(task.file)).items()}
            ids = part["ObjectNumber"]
            parts.append({"Timepoint": np.full(len(ids), t), **part, **late.of(ids)})
    if not parts:
        whole = dict.fromkeys(("Timepoint", "ObjectNumber"), np.zeros(0, np.int64))
        return whole | dict.fromkeys(columns, np.zeros(0))
    names = ("Timepoint", "ObjectNumber", *columns)
    table = {c: np.concatenate([p[c] for p in parts]) for c in names}
    order = np.lexsort((table["ObjectNumber"], table["Timepoint"]))
    return {column: values[order] for column, values in table.items()}
