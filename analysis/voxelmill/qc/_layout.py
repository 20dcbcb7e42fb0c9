"""What metrics of a plate's layout share: which columns they look at, and how they say it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxelmill.qc._plate import Finding, Floats, Plate, rounded, spoken
from voxelmill.qc._robust import known, median


@dataclass(frozen=True)
class Effect:
    """One effect in one column: its value, whether it is a fault, and how it reads."""

    column: str
    value: float
    fault: bool
    text: str


def looked_at(plate: Plate, features: Sequence[str], least: int) -> tuple[list[str], list[str]]:
    """Columns of the well table to judge, and lines on those that cannot be.

    Parameters
    ----------
    plate : Plate
    features : sequence of str
        None named: the plate's technical columns.
    least : int
        Smallest number of wells with a value.
    """
    good, bad = [], []
    for column in features or plate.technical:
        wells = known(plate.values.get(column, np.zeros(0))).size
        if column not in plate.values:
            bad.append(f"no column '{column}' in the well table")
        elif wells < least:
            bad.append(f"{spoken(column)}: {wells} wells; at least {least}")
        else:
            good.append(column)
    if len(plate.wells) < least:
        bad = [f"{len(plate.wells)} wells; at least {least}"]
    return good, bad


def findings(name: str, unit: str, effects: Sequence[Effect]) -> tuple[Finding, ...]:
    """Every fault; without one, the largest effect, which passes."""
    if not effects:
        return ()
    shown = [e for e in effects if e.fault] or [max(effects, key=lambda e: abs(e.value))]
    return tuple(
        Finding(name, rounded(e.value), unit, "warn" if e.fault else "pass", e.text) for e in shown
    )


def relative(difference: float, values: Floats) -> float:
    """Percent that a difference is of the median of all values; 0 where that is 0."""
    middle = abs(median(values))
    return 100 * difference / middle if middle > 0 else 0.0
