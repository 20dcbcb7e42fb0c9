"""The rows of one object set of a dataset, read column by column: whole tables never fit.

In: the tables of all batches. Out: which image each row is of, and numbers of a few columns.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.tables import read_table
from voxelmill.tables.counts import column_names, runs

Frame = tuple[str, int]
"""Image and time point."""
PLACE = ("Metadata_Image", "Metadata_Timepoint")


class ObjectRows:
    """Rows of one object set, those of a batch after those of the other.

    Parameters
    ----------
    files : sequence of Path
        Tables of the batches.
    prefix : str
        The object set as columns name it.
    """

    def __init__(self, files: Sequence[Path], prefix: str) -> None:
        self.files, self._start = tuple(files), f"{prefix}_"
        self._runs: list[tuple[Frame, int]] = []
        for file in self.files:
            self._runs += runs(file, *PLACE)

    @cached_property
    def features(self) -> list[str]:
        """Feature columns, named as in `names`."""
        return [c.removeprefix(self._start) for c in self._columns if c.startswith(self._start)]

    @cached_property
    def names(self) -> dict[str, str]:
        """Columns without the object set, `Metadata_*` as they are → as the tables name them."""
        return {c.removeprefix(self._start): c for c in self._columns}

    @cached_property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(c for file in self.files for c in column_names(file)))

    def counts(self) -> dict[Frame, int]:
        """Objects of each frame that has any."""
        found: dict[Frame, int] = {}
        for frame, count in self._runs:
            found[frame] = found.get(frame, 0) + count
        return found

    def rows_of(self, places: Mapping[Frame, int]) -> NDArray[np.int64]:
        """(n,) number of each row's frame."""
        numbers = np.asarray([places[frame] for frame, _ in self._runs], np.int64)
        return np.repeat(numbers, [count for _, count in self._runs])

    def read(self, columns: Sequence[str]) -> dict[str, Any]:
        """Values of columns, named as in `names`.

        Raises
        ------
        StoreUnavailable
            A table is damaged.
        """
        # With a column that all have: a table without columns has no rows.
        found = read_table(self.files, [PLACE[1], *(self.names[c] for c in columns)])
        return {c: np.asarray(found[self.names[c]]) for c in columns}
