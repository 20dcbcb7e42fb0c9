"""Parquet files as one CSV file, in portions: memory does not grow with the number of rows.

Every number is written so that it reads back as the very same one; an absent number is ``nan``, an
absent text is empty. Where all files have the same columns, the bytes depend on the rows only.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from voxelmill.plugin import StoreUnavailable
from voxelmill.tables.counts import column_names


def write_csv(out: Path, files: Sequence[Path], done: Callable[[], None]) -> int:
    """Write Parquet files one below the other.

    Parameters
    ----------
    out : Path
        CSV file: UTF-8, comma, one header line.
    files : sequence of Path
        At least one. A column that a file lacks is absent in its rows.
    done : callable
        Called after each file.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    StoreUnavailable
        A file is absent or damaged.
    """
    schema = _schema(files)
    rows = 0
    with pa_csv.CSVWriter(out, schema) as writer:
        for file in files:
            rows += _append(writer, file, schema)
            done()
    return rows


def merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """Names of all lists, each once: those of the first list in its order.

    A name that the lists before do not have stands before the next one that they have.
    """
    found: list[str] = []
    for names in lists:
        known = set(found)
        place = len(found)
        for name in reversed(names):
            if name in known:
                place = found.index(name)
            else:
                found.insert(place, name)
    return found


def _schema(files: Sequence[Path]) -> Any:  # noqa: ANN401 - Arrow schema
    order = merged([column_names(file) for file in files])
    types: dict[str, Any] = {}
    for file in files:
        types = {field.name: field.type for field in pq.read_schema(file)} | types
    return pa.schema([pa.field(name, types[name]) for name in order])


def _append(writer: Any, file: Path, schema: Any) -> int:  # noqa: ANN401 - Arrow writer, schema
    rows = 0
    try:
        with pq.ParquetFile(file) as parquet:
            for number in range(parquet.num_row_groups):
                table = parquet.read_row_group(number)
                columns = [_column(table, field) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
                rows += table.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreUnavailable(
            f"{file}: cannot be read ({error}). Delete it and run again"
        ) from None
    return rows


def _column(table: Any, field: Any) -> Any:  # noqa: ANN401 - Arrow table, field
    """A column of a file, of nulls where it has none; of numbers with NaN for null."""
    there = field.name in table.column_names
    column = table.column(field.name) if there else pa.nulls(table.num_rows, field.type)
    number = pa.types.is_floating(field.type)
    return column.fill_null(float("nan")) if number and column.null_count else column
