"""The index of objects, ``index/<batch>.parquet``: what *segment* found and *measure* goes by.

One row an object: image, time point, object set, then `INDEX_COLUMNS`. Sorted by image, set, time
point and id; written and read in portions, so that its length does not matter.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.numbering import INDEX_COLUMNS
from voxelmill.tables import TableWriter, read_groups

Place: TypeAlias = tuple[str, int, str]
"""Image, time point, object set."""
Rows: TypeAlias = NDArray[np.int64]
"""(n, 11): rows of `INDEX_COLUMNS`."""


def write_index(path: Path, portions: Iterable[tuple[Place, Rows]]) -> int:
    """Write the index; return its number of rows."""
    empty = np.zeros((0, len(INDEX_COLUMNS)), np.int64)
    with TableWriter(path) as writer:
        writer.add(_columns("", 0, "", empty))
        for (image, t, name), rows in portions:
            writer.add(_columns(image, t, name, rows))
    return writer.rows


def _columns(image: str, t: int, name: str, rows: Rows) -> dict[str, object]:
    n = len(rows)
    numbers = dict(zip(INDEX_COLUMNS, np.ascontiguousarray(rows.T), strict=True))
    return {"image": [image] * n, "t": np.full(n, t, np.int64), "set": [name] * n, **numbers}


def read_index(path: Path) -> Iterator[tuple[Place, Rows]]:
    """Read the index in portions, each of one place.

    Raises
    ------
    StoreUnavailable
        The file is absent or damaged.
    """
    for group in read_groups(path):
        rows = np.stack([group[c] for c in INDEX_COLUMNS], axis=1).astype(np.int64)
        keys = list(zip(group["image"], group["t"].tolist(), group["set"], strict=True))
        starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
        for a, b in pairwise([*starts, len(keys)]):
            yield keys[a], rows[a:b]
