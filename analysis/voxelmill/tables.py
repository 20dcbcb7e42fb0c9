"""The only file that imports pyarrow: tables as columns by name, in Parquet.

Written atomically and without anything that varies (no time, no host), units in the field
metadata (key ``unit``).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from voxelmill.plugin import StoreUnavailable

Columns = Mapping[str, Any]
"""Column name → values, all of one length."""


ROWS = 1 << 14
"""Rows of a row group, whatever portions the rows come in: bytes must not depend on blocks."""


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
    with TableWriter(path, units) as writer:
        writer.add(columns)
    return writer.rows


class TableWriter:
    """Writes a Parquet file in portions; it is there whole after ``with``, or not at all.

    Parameters
    ----------
    path : Path
    units : mapping of str to str, optional
        Unit by column, kept in the Arrow field metadata.
    """

    def __init__(self, path: Path, units: Mapping[str, str] | None = None) -> None:
        self.rows = 0
        self._path = path
        self._part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._units = units or {}
        self._waiting: list[pa.Table] = []
        self._schema: pa.Schema | None = None
        self._file: pq.ParquetWriter | None = None

    def add(self, columns: Columns) -> None:
        """Append rows; the first portion, which may be empty, sets the columns and their types."""
        arrays = {name: _array(values) for name, values in columns.items()}
        if self._file is None:
            fields = [
                pa.field(n, a.type, metadata={"unit": self._units[n]} if n in self._units else None)
                for n, a in arrays.items()
            ]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._schema = pa.schema(fields)
            # Numbers of features hardly recur: their dictionaries would only take memory.
            text: Any = [n for n, a in arrays.items() if pa.types.is_string(a.type)]
            self._file = pq.ParquetWriter(
                self._part,
                self._schema,
                compression="zstd",
                compression_level=3,
                use_dictionary=text,
            )
        self._waiting.append(pa.Table.from_arrays(list(arrays.values()), schema=self._schema))
        self.rows += self._waiting[-1].num_rows
        while sum(t.num_rows for t in self._waiting) >= ROWS:
            self._flush(ROWS)

    def _flush(self, n: int) -> None:
        table = pa.concat_tables(self._waiting)
        self._waiting = [table.slice(n)]
        if self._file is not None:
            self._file.write_table(table.slice(0, n).combine_chunks(), row_group_size=ROWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        try:
            if error is None:
                self._flush(ROWS)
        finally:
            self._file.close()
        if error is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def _array(values: Any) -> Any:  # noqa: ANN401 - anything that Arrow takes
    """Arrow array, made of buffers: `pyarrow.array` imports pandas where it is installed."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        bits = values.dtype.kind == "b"
        data: Any = np.packbits(values, bitorder="little") if bits else np.ascontiguousarray(values)
        kind = pa.from_numpy_dtype(values.dtype)
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(data)])
    if not isinstance(values, np.ndarray) and all(v is None or isinstance(v, str) for v in values):
        return _text(list(values))
    return pa.array(values)


def _text(values: Sequence[str | None]) -> Any:  # noqa: ANN401 - Arrow array
    encoded = [(value or "").encode() for value in values]
    offsets: Any = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    known = np.array([value is not None for value in values], bool)
    bits: Any = np.packbits(known, bitorder="little")
    valid = None if known.all() else pa.py_buffer(bits)
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


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


def read_groups(path: Path) -> Iterator[dict[str, Any]]:
    """Read a Parquet file row group by row group; see `read_table`."""
    try:
        with pq.ParquetFile(path) as parquet:
            for number in range(parquet.num_row_groups):
                table = parquet.read_row_group(number)
                yield {name: _values(table.column(name)) for name in table.column_names}
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreUnavailable(
            f"{path}: cannot be read ({error}). Delete it and run again"
        ) from None


def _values(column: Any) -> Any:  # noqa: ANN401 - Arrow column to array or list
    kind = column.type
    if pa.types.is_boolean(kind) and column.null_count == 0:
        return _numbers(column.cast(pa.uint8())).astype(bool)
    if pa.types.is_floating(kind):
        return _numbers(column.fill_null(np.nan) if column.null_count else column)
    if pa.types.is_integer(kind) and column.null_count == 0:
        return _numbers(column)
    return column.to_pylist()


def _numbers(column: Any) -> NDArray[Any]:  # noqa: ANN401 - Arrow column
    """Copy of a column without nulls; `to_numpy` imports pandas where it is installed."""
    if not len(column):
        return np.empty(0, column.type.to_pandas_dtype())
    return np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks])


def units(path: Path) -> dict[str, str]:
    """Units of a Parquet file's columns."""
    schema = pq.read_schema(path)
    return {f.name: f.metadata[b"unit"].decode() for f in schema if f.metadata}


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
    grouped = _read(path, [*columns, first]).group_by(list(columns), use_threads=False)
    found = grouped.aggregate([(first, "first"), (first, "count")])
    names = {f"{first}_first": first, f"{first}_count": "count"}
    return {names.get(n, n): found.column(n).to_pylist() for n in found.column_names}


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
