"""Which images are shown first: the worst and the typical of every well.

In: the images of a dataset. Out: their order. Whatever number is taken from its start covers as
many wells as it can, evenly over the plate, those that someone has to look at before all others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from voxelmill.report.model import FieldRow

SEVERITY = {"fail": 0, "warn": 1, "excluded": 2, "pass": 3, "quarantined": 4}
GOLDEN_RATIO = 0.6180339887498949
MAD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""


def ranked(fields: Sequence[FieldRow]) -> dict[str, int]:
    """Rank of each image, 0 first.

    Of every well comes first its worst image where one has a warning or worse, else its most
    typical one: nearest to the medians of the well's counts and QC values, each in units of its
    spread over the plate. Then the typical one of the others, then what is left.

    Parameters
    ----------
    fields : sequence of FieldRow
        In plate order.
    """
    far = distances(fields)
    wells: dict[str, list[int]] = {}
    for i, row in enumerate(fields):
        wells.setdefault(row.well or row.image, []).append(i)
    keyed = []
    for number, members in enumerate(wells.values()):
        # Multiples of the golden ratio modulo 1 fill the interval evenly at every length.
        spread = (number * GOLDEN_RATIO) % 1
        for turn, i in enumerate(_order(members, fields, far)):
            keyed.append((turn, SEVERITY[fields[i].state], spread, i))
    # Of an image of several time points the first that comes counts.
    images = dict.fromkeys(fields[key[-1]].image for key in sorted(keyed))
    return {image: rank for rank, image in enumerate(images)}


def typical(fields: Sequence[FieldRow]) -> set[str]:
    """The most typical image of each well that has a choice of sound ones."""
    far = distances(fields)
    sound = Counter(f.well for f in fields if f.state == "pass")
    best: dict[str, int] = {}
    for i, row in enumerate(fields):
        choice = row.state == "pass" and row.well and sound[row.well] > 1
        if choice and (row.well not in best or far[i] < far[best[row.well]]):
            best[row.well] = i
    return {fields[i].image for i in best.values()}


def _order(
    members: Sequence[int], fields: Sequence[FieldRow], far: NDArray[np.float64]
) -> list[int]:
    """Images of one well: the worst, the typical, the others by how bad and how far off."""
    by_far = sorted(members, key=lambda i: (SEVERITY[fields[i].state], -far[i], i))
    sound = [i for i in members if fields[i].state == "pass"]
    worst = by_far[:1] if SEVERITY[fields[by_far[0]].state] < SEVERITY["pass"] else []
    first = [*worst, *([min(sound, key=lambda i: (far[i], i))] if sound else [])]
    return [*first, *(i for i in by_far if i not in first)]


def distances(fields: Sequence[FieldRow]) -> NDArray[np.float64]:
    """How far each image lies from the medians of its well, in spreads over the plate.

    Returns
    -------
    (n,) float64 array
        Mean over its counts and QC values; infinite where it has none.
    """
    columns = _columns(fields)
    wells: dict[str, list[int]] = {}
    for i, row in enumerate(fields):
        wells.setdefault(row.well, []).append(i)
    total, known = np.zeros(len(fields)), np.zeros(len(fields))
    for values in columns.values():
        spread = _spread(values)
        if spread == 0:
            continue
        for members in wells.values():
            own = values[members]
            finite = np.isfinite(own)
            if finite.any():
                off = np.abs(own - np.median(own[finite])) / spread
                total[members] += np.where(finite, off, 0)
                known[members] += finite
    return np.where(known > 0, total / np.maximum(known, 1), 0 if not columns else np.inf)


def _spread(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0
    spread = float(MAD * np.median(np.abs(finite - np.median(finite))))
    return spread or float(np.std(finite))


def _columns(fields: Sequence[FieldRow]) -> dict[str, NDArray[np.float64]]:
    names: Mapping[tuple[str, str], None] = dict.fromkeys(
        (kind, name)
        for f in fields
        for kind, found in (("count", f.counts), ("qc", f.qc))
        for name in found
    )
    return {
        f"{kind} {name}": np.array(
            [float((f.counts if kind == "count" else f.qc).get(name, np.nan)) for f in fields]
        )
        for kind, name in names
    }
