"""From rows of objects and images to rows of wells: pure functions of columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.qc import Metric

Key = tuple[str, str]
"""(plate, well)."""


def group_medians(
    keys: Sequence[Key], values: Mapping[str, NDArray[np.float64]]
) -> dict[Key, dict[str, float]]:
    """Median of every column over the rows of each key, NaN left out.

    Parameters
    ----------
    keys : sequence of (plate, well)
        One a row.
    values : mapping of str to (n_rows,) array

    Returns
    -------
    dict of key to dict of str to float
        NaN where a group has no finite value.
    """
    places = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    group = np.asarray([places[key] for key in keys], np.int64)
    found = medians_by(group, len(places), values)
    return {key: {c: float(v[i]) for c, v in found.items()} for key, i in places.items()}


def medians_by(
    group: NDArray[np.int64], number: int, values: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Median of every column over the rows of each group, NaN left out.

    Parameters
    ----------
    group : (n_rows,) int64 array
        Group of each row, 0 … `number` - 1.
    number : int
    values : mapping of str to (n_rows,) array

    Returns
    -------
    dict of str to (number,) array
        NaN where a group has no finite value.
    """
    # Rows of objects are in order already; a copy of each column would take the longest.
    in_order = bool((np.diff(group) >= 0).all())
    order = slice(None) if in_order else np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(number + 1))
    found = {column: np.full(number, np.nan) for column in values}
    for column, array in values.items():
        ordered = array[order]
        for i in np.flatnonzero(np.diff(starts)):
            part = ordered[starts[i] : starts[i + 1]]
            part = part[~np.isnan(part)]
            if part.size:
                found[column][i] = np.median(part)
    return found


def group_rows(keys: Sequence[Key]) -> dict[Key, NDArray[np.int64]]:
    """Row numbers by key, keys in order of first appearance."""
    found: dict[Key, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key, []).append(i)
    return {key: np.asarray(rows, np.int64) for key, rows in found.items()}


def judge(
    metrics: Sequence[Metric], channels: Sequence[str], table: Mapping[str, Any], n: int
) -> list[list[str]]:
    """Faults of every image, by all metrics' plate-level rules.

    Parameters
    ----------
    metrics : sequence of Metric
    channels : sequence of str
    table : mapping of str to (n,) array
        QC columns ``<Column>_<Channel>`` of all images of the dataset.
    n : int
        Number of images.

    Returns
    -------
    list of list of str
        ``<Channel>: <Fault>`` for each image.
    """
    faults: list[list[str]] = [[] for _ in range(n)]
    names = [column for metric in metrics for column in metric.columns()]
    for channel in channels if n else ():
        values = {c: np.asarray(table[f"{c}_{channel}"], float) for c in names
                  if f"{c}_{channel}" in table}  # fmt: skip
        for metric in metrics:
            for fault, hit in metric.flags(values).items():
                for i in np.flatnonzero(hit):
                    faults[i].append(f"{channel}: {fault}")
    return faults


def normal_well(name: str) -> str:
    """Write a well the way tables do: ``b3`` → ``B03``."""
    text = name.strip().upper()
    letters = text.rstrip("0123456789")
    digits = text[len(letters) :]
    return f"{letters}{int(digits):02d}" if letters and digits else name.strip()
