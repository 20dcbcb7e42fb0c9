"""Rows of a large table counted by what their text says, without an object a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voxelmill.plugin import StoreUnavailable
from voxelmill.tables import numbers, read_arrow


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


def runs(path: Path, text: str, number: str) -> list[tuple[tuple[str, int], int]]:
    """Runs of rows that are alike in two columns: their values, and how many rows.

    Raises
    ------
    StoreUnavailable
        The file is absent or damaged.
    """
    table = read_arrow(path, [text, number], coded=True)
    if not table.num_rows:
        return []
    table = table.unify_dictionaries().combine_chunks()
    names: Any = table.column(text).chunk(0)
    codes, values = np.from_dlpack(names.indices), numbers(table.column(number))
    change = (np.diff(codes) != 0) | (np.diff(values) != 0)
    starts = np.append(0, np.flatnonzero(change) + 1)
    known = names.dictionary.to_pylist()
    keys = [(known[c], v) for c, v in zip(codes[starts].tolist(), values[starts].tolist(),
                                          strict=True)]  # fmt: skip
    return list(zip(keys, np.diff(np.append(starts, len(codes))).tolist(), strict=True))


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
