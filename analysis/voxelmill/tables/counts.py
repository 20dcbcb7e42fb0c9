"""Rows of a large table counted by what their text says, without an object a row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voxelmill.tables import numbers, read_arrow


def count_rows(path: Path, columns: Sequence[str]) -> dict[tuple[Any, ...], int]:
    """How many rows have the same values in some text columns of a Parquet file.

    Raises
    ------
    StoreUnavailable
        The file is absent or damaged.
    """
    # Millions of rows, a few thousand kinds: as Python objects they would take many seconds, and
    # Arrow's own grouping imports pandas.
    table = read_arrow(path, columns, coded=True).unify_dictionaries()
    kinds: list[list[Any]] = []
    codes: Any = np.zeros(table.num_rows, np.int64)
    for name in columns:
        column: Any = table.column(name)
        kinds.append(column.chunk(0).dictionary.to_pylist() if column.num_chunks else [])
        parts = [numbers(pa.chunked_array([chunk.indices])) for chunk in column.chunks]
        codes = codes * len(kinds[-1]) + (np.concatenate(parts) if parts else codes)
    found, counts = np.unique(codes, return_counts=True)
    places = np.unravel_index(found, [max(1, len(kind)) for kind in kinds])
    values = [[kind[i] for i in place] for kind, place in zip(kinds, places, strict=True)]
    return dict(zip(zip(*values, strict=True), counts.tolist(), strict=True))


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
