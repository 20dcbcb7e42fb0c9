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
    groups = group_rows(keys)
    result: dict[Key, dict[str, float]] = {}
    for key, rows in groups.items():
        result[key] = {}
        for column, array in values.items():
            part = array[rows]
            part = part[~np.isnan(part)]
            result[key][column] = float(np.median(part)) if part.size else float("nan")
    return result


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
