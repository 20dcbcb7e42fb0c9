"""Rows of a large table counted by what their text says, without an object a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voxelmill.plugin import StoreUnavailable
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


def column_names(path: Path) -> list[str]:
    """Columns of a Parquet file.

    Raises
    ------
    StoreUnavailable
        The file is absent or damaged.
    """
    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreUnavailable(
            f"{path}: cannot be read ({error}). Delete it and run again"
        ) from None
