"""The sheet of datasets as text, to add lines to it: what is there stays as it is. Pure.

A line that begins with ``#`` is a comment; one that was a dataset's line is still known.
"""

import csv
import io
from collections.abc import Iterator, Sequence

COLUMNS = ("dataset", "url")


def delimiter_of(name: str) -> str:
    """What separates the columns of a sheet, by the name of its file."""
    return "," if name.endswith(".csv") else "\t"


def lines_of(text: str) -> list[str]:
    """Lines of a sheet that say something."""
    lines = text.removeprefix("\ufeff").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def known(text: str, delimiter: str) -> Iterator[tuple[str, str]]:
    """Yield dataset and url of each line, also of those that are commented out."""
    header = _header(text, delimiter)
    for line in text.removeprefix("\ufeff").splitlines():
        values = next(csv.reader([line.lstrip("#").lstrip(" ")], delimiter=delimiter), [])
        found = dict(zip(header, (value.strip() for value in values), strict=False))
        # One value is what a person says.
        if found.get("url") and len(values) > 1 and values != header:
            yield found.get("dataset", ""), found["url"]


def extended(text: str, rows: Sequence[tuple[str, str]], delimiter: str) -> str:
    """Return a sheet with a line (dataset, url) more for each of `rows`; empty: a new one."""
    ending = "\r\n" if "\r\n" in text else "\n"
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending)
    header = _header(text, delimiter)
    if not header:
        header = [*COLUMNS]
        writer.writerow(header)
    for dataset, url in rows:
        values = {"dataset": dataset, "url": url}
        writer.writerow([values.get(column, "") for column in header])
    gap = ending if text and not text.endswith(("\n", "\r")) else ""
    return text + gap + out.getvalue()


def _header(text: str, delimiter: str) -> list[str]:
    lines = lines_of(text)
    return next(csv.reader(lines[:1], delimiter=delimiter), []) if lines else []
