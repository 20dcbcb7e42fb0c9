"""Whether what was computed again is what was recorded: pure functions of keys and columns.

In: columns of two tables, value by value. Out: `Finding` values, the worst of which is the verdict:

    identical         the same bits; NaN equals NaN
    within tolerance  the same rows; numbers with a point differ by `RTOL` of the recorded one at
                      most (and `ATOL` near 0), everything else is the same
    different         anything else
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Verdict: TypeAlias = Literal["not compared", "identical", "within tolerance", "different"]
NOT_COMPARED: Verdict = "not compared"
IDENTICAL: Verdict = "identical"
WITHIN: Verdict = "within tolerance"
DIFFERENT: Verdict = "different"
ORDER: tuple[Verdict, ...] = (NOT_COMPARED, IDENTICAL, WITHIN, DIFFERENT)
RTOL, ATOL = 1e-5, 1e-8
LEAST_IOU = 0.99
"""Of labels within tolerance: intersection over union of each object with its counterpart."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Key: TypeAlias = Sequence[Any]
"""A column that says, with others, which row this is."""


@dataclass(frozen=True)
class Finding:
    """How one part of the results compares: a column of a table, the labels of an image."""

    thing: str
    """Table or object set."""
    part: str
    verdict: Verdict
    note: str = ""
    rows: int = 0
    """Rows that were compared."""


def worst(findings: Iterable[Finding]) -> Verdict:
    """Verdict over all that was compared."""
    return max((f.verdict for f in findings), key=ORDER.index, default=NOT_COMPARED)


def deviations(recorded: Any, here: Any) -> Floats:  # noqa: ANN401 - array or list
    """How far values are from the recorded ones, as a multiple of what is tolerated.

    Parameters
    ----------
    recorded, here : (n,) array or list of n
        Numbers as arrays; text, and whole numbers with gaps, as lists.

    Returns
    -------
    (n,) array
        0: the same bits (or both NaN); up to 1: within tolerance; infinite where no number says
        how far.
    """
    pair = [v for v in (recorded, here) if isinstance(v, np.ndarray)]
    if len(pair) == 2 and any(v.dtype.kind == "f" for v in pair):
        return _of_floats(*(v.astype(np.float64) for v in pair))
    if len(pair) == 2:
        same = np.asarray(pair[0] == pair[1])
    elif not pair and recorded == here:
        # Text, as a rule: one call instead of one a row.
        same = np.ones(len(recorded), bool)
    else:
        both = zip(list(recorded), list(here), strict=True)
        same = np.fromiter((_alike(a, b) for a, b in both), bool, len(recorded))
    return np.where(same, 0.0, np.inf)


def _of_floats(recorded: Floats, here: Floats) -> Floats:
    same = (recorded.view(np.int64) == here.view(np.int64)) | (np.isnan(recorded) & np.isnan(here))
    with np.errstate(invalid="ignore"):
        size = np.abs(here - recorded) / (RTOL * np.abs(recorded) + ATOL)
    size = np.where(np.isfinite(size), size, np.inf)
    # 0 and -0 are as near as can be, and not the same bits.
    return np.where(same, 0.0, np.maximum(size, np.finfo(np.float64).tiny))


def _alike(a: object, b: object) -> bool:
    return bool(a == b) or (a != a and b != b)


class Column:
    """One column, compared in portions; holds the worst deviation only."""

    def __init__(self, name: str) -> None:
        self.name, self.rows = name, 0
        self._size, self._differ, self._note = 0.0, 0, ""

    def add(self, recorded: Any, here: Any, place: Callable[[int], str]) -> None:  # noqa: ANN401
        """Compare a portion; `place` names a row of it."""
        size = deviations(recorded, here)
        self.rows += size.size
        self._differ += int(np.count_nonzero(size))
        if size.size and size.max() > self._size:
            row = int(np.argmax(size))
            self._size = float(size[row])
            self._note = f"{place(row)}: {_shown(recorded[row])}; here {_shown(here[row])}"

    def finding(self, thing: str) -> Finding:
        """What was found in all portions."""
        verdict = IDENTICAL if not self._size else WITHIN if self._size <= 1 else DIFFERENT
        note = f"{self._differ} of {self.rows} rows, the worst {self._note}" if self._size else ""
        return Finding(thing, self.name, verdict, note, self.rows)


def _shown(value: object) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)


def join(recorded: Sequence[Key], here: Sequence[Key]) -> tuple[Ints, Ints]:
    """Rows that have the same key in two tables, in the order of the first.

    Parameters
    ----------
    recorded, here : sequence of columns
        As many in both: text as lists, whole numbers as arrays.

    Returns
    -------
    (n,) int64 arrays
        Rows of the one and of the other. A key that occurs again is no match.
    """
    codes: list[dict[Any, int]] = [{} for _ in recorded]
    one, other = (_coded(columns, codes) for columns in (recorded, here))
    if one.shape == other.shape and bool((one == other).all()):
        return np.arange(len(one)), np.arange(len(one))
    kinds = np.dtype([(str(i), np.int64) for i in range(len(codes))])
    first, second = (table.view(kinds).ravel() for table in (one, other))
    _, rows, others = np.intersect1d(first, second, return_indices=True)
    order = np.argsort(rows)
    return rows[order].astype(np.int64), others[order].astype(np.int64)


def _coded(columns: Sequence[Key], codes: Sequence[dict[Any, int]]) -> Ints:
    """Keys as numbers, (n, columns)."""
    found = [
        np.asarray(column, np.int64)
        if isinstance(column, np.ndarray)
        else np.fromiter((known.setdefault(v, len(known)) for v in column), np.int64, len(column))
        for column, known in zip(columns, codes, strict=True)
    ]
    return np.ascontiguousarray(np.stack(found, axis=1))


def absent(values: Any) -> bool:  # noqa: ANN401 - array or list
    """Whether a column says nothing: then a table may as well lack it."""
    if isinstance(values, np.ndarray) and values.size:
        return values.dtype.kind == "f" and bool(np.isnan(values).all())
    return all(value is None for value in values)


def family(column: str) -> str:
    """Columns that belong together: ``Nuclei_AreaShape``, ``ImageQuality``, ``Metadata``."""
    words = column.split("_")
    return words[0] if words[0] in SINGLE else "_".join(words[:2])


SINGLE = ("Metadata", "ImageQuality", "ObjectQuality")
"""First words of columns that say what a column is without the second."""
