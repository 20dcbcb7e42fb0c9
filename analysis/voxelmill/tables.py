"""The only file that imports pyarrow: tables as columns by name, in Parquet.

Written atomically and without anything that varies (no time, no host), units in the field
metadata (key ``unit``).
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxelmill.plugin import StoreUnavailable

Columns = Mapping[str, Any]
"""Column name → values, all of one length."""


def write_table(path: Path, columns: Columns, units: Mapping[str, str] | None = None) -> int:
    """Write a Parquet file.

    Parameters
    ----------
    path : Path
    columns : mapping of str to sequence
        Values by column; None is null.
    units : mapping of str to str, optional
        Unit by column, kept in the Arrow field metadata.

    Returns
    -------
    int
        Number of rows.
    """
    known = units or {}
    arrays = {name: _array(values) for name, values in columns.items()}
    fields = [
        pa.field(name, a.type, metadata={"unit": known[name]} if name in known else None)
        for name, a in arrays.items()
    ]
    table = pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    pq.write_table(table, part, compression="zstd", compression_level=3)
    part.replace(path)
    return int(table.num_rows)


def _array(values: Any) -> Any:  # noqa: ANN401 - anything that Arrow takes
    text = not isinstance(values, np.ndarray) and all(
        v is None or isinstance(v, str) for v in values
    )
    return pa.array(values, pa.string() if text else None)


def read_table(
    paths: Path | Iterable[Path], columns: Sequence[str] | None = None
) -> dict[str, Any]:
    """Read Parquet files of one schema, one below the other.

    Returns
    -------
    dict of str to array or list
        Numbers and booleans as numpy arrays (null becomes NaN), anything else as lists.

    Raises
    ------
    StoreUnavailable
        A file is absent or damaged.
    """
    files = [paths] if isinstance(paths, Path) else list(paths)
    tables = [_read(file, columns) for file in files]
    if not tables:
        return {}
    table = pa.concat_tables(tables, promote_options="permissive")
    return {name: _values(table.column(name)) for name in table.column_names}


def _read(file: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        # Not pq.read_table: it imports pandas where it is installed.
        with pq.ParquetFile(file) as parquet:
            return parquet.read(columns=list(columns) if columns else None)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreUnavailable(
            f"{file}: cannot be read ({error}). Delete it and run again"
        ) from None


def _values(column: Any) -> Any:  # noqa: ANN401 - array or list
    if pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        return column.to_numpy()
    if pa.types.is_integer(column.type) and column.null_count == 0:
        return column.to_numpy()
    return column.to_pylist()


def units(path: Path) -> dict[str, str]:
    """Units of a Parquet file's columns."""
    schema = pq.read_schema(path)
    return {f.name: f.metadata[b"unit"].decode() for f in schema if f.metadata}


def rows(columns: Columns) -> list[dict[str, Any]]:
    """Columns as one dict a row, numpy scalars as Python numbers."""
    names = list(columns)
    lists = [v.tolist() if isinstance(v, np.ndarray) else v for v in columns.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def numeric(columns: Columns) -> dict[str, NDArray[np.float64]]:
    """Columns that hold numbers, as float64."""
    return {
        name: values.astype(np.float64)
        for name, values in columns.items()
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    }
