"""How features are spread over objects, for the report: a histogram of each, from a sample.

In: tables of objects, batch by batch. Out: :class:`Histogram` by feature. Which objects are taken
depends on their numbers alone, so batches, blocks and workers do not matter; memory is that of the
sample and of one row group.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxelmill.report.model import Histogram
from voxelmill.tables import numeric, read_groups

OBJECTS = 20_000
"""About how many objects of a set are taken at most."""
BINS = 32
WHOLE_NUMBERS = 64
"""So many different whole numbers have a bin each."""
LOW_PERCENT, HIGH_PERCENT = 0.5, 99.5


def every(objects: int) -> int:
    """How many objects one that is taken stands for."""
    return max(1, -(-objects // OBJECTS))


def spread(files: Iterable[Path], step: int) -> dict[str, Histogram]:
    """Histogram of each feature over every `step`-th object of each image.

    Raises
    ------
    StoreUnavailable
        A table is absent or damaged.
    """
    found: dict[str, list[NDArray[np.float32]]] = {}
    for file in files:
        for part in read_groups(file):
            _take(part, step, found)
    return {name: h for name, v in found.items() if (h := histogram(np.concatenate(v))) is not None}


def _take(
    part: Mapping[str, NDArray[np.float64]], step: int, found: dict[str, list[NDArray[np.float32]]]
) -> None:
    taken = (np.abs(np.asarray(part["Metadata_ObjectNumber"])) - 1) % step == 0
    for name, values in numeric(part).items():
        if not name.startswith("Metadata_"):
            # A range beyond that of single precision is shown as its end.
            with np.errstate(over="ignore"):
                found.setdefault(name, []).append(values[taken].astype(np.float32))


def histogram(values: NDArray[np.float32]) -> Histogram | None:
    """Counts between the outermost half percents, what is beyond counted apart; None of nothing."""
    known = values[np.isfinite(values)].astype(np.float64)
    if known.size == 0:
        return None
    low = float(np.percentile(known, LOW_PERCENT, method="lower"))
    high = float(np.percentile(known, HIGH_PERCENT, method="higher"))
    bins = BINS
    if high - low < WHOLE_NUMBERS and not (known % 1).any():
        bins = int(high - low) + 1
        low, high = low - 0.5, high + 0.5
    elif high <= low:
        bins, high = 1, low + (abs(low) or 1.0) * 1e-6
    place = np.floor((known - low) / (high - low) * bins)
    inside = (known >= low) & (known <= high)
    counts = np.bincount(np.clip(place[inside], 0, bins - 1).astype(np.int64), minlength=bins)
    below, above = int((known < low).sum()), int((known > high).sum())
    return Histogram(low, high, tuple(counts.tolist()), below, above)
