"""Rows of a large table counted by what their text says, without an object a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voxelmill.tables import read_arrow


def counted(path: Path, columns: Sequence[str], first: str) -> dict[str, list[Any]]:
    """Distinct combinations of `columns` in order of appearance, without a Python object a row.

    Returns
    -------
    dict of str to list
        The columns, ``count``, and the value of the column `first` in the first row of each.

    Raises
    ------
    StoreUnavailable
        The file is absent or damaged.
    """
    # Threads would shuffle the groups.
    grouped = read_arrow(path, [*columns, first]).group_by(list(columns), use_threads=False)
    found = grouped.aggregate([(first, "first"), (first, "count")])
    names = {f"{first}_first": first, f"{first}_count": "count"}
    return {names.get(n, n): found.column(n).to_pylist() for n in found.column_names}
