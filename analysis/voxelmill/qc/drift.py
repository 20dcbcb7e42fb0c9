"""Drift: whether values change while a plate is imaged, as lamps age or cells settle.

In: values of images and the order they were taken in. Out: the change from the first to the last
well by the Theil-Sen slope, and Spearman's correlation with the order. Stores rarely say when an
image was taken: the order is by acquisition, then row by row as microscopes scan, so a gradient
across rows looks the same.
"""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._layout import Effect, findings, looked_at, relative
from voxelmill.qc._plate import Floats, Ints, Judgement, Plate, spoken
from voxelmill.qc._robust import median, ranks, two_sided

MOST = 2048
"""Wells of which all pairs are compared at most; of more, evenly spaced ones."""


class Drift(PlateMetric):
    """Change over the order of acquisition; warns of a large and certain one."""

    kind: Literal["drift"] = "drift"
    source: ClassVar[str] = (
        "Slope: Sen 1968, doi:10.1080/01621459.1968.10480934; rank correlation: Spearman 1904, "
        "doi:10.2307/1412159"
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Columns of wells.parquet; none named: counts of objects and backgrounds.",
    )
    order: str = Field(
        default="",
        description="Column of the plate map with the number or time at which a well was imaged; "
        "none: by acquisition, then row by row.",
    )
    false_alarms: float = Field(default=1e-4, gt=0, lt=0.5)
    """Probability that chance alone makes a correlation as large, for one feature."""
    min_change_percent: float = Field(default=10.0, ge=0)
    """Change in percent of the plate's median below which it is never a fault."""
    min_wells: int = Field(default=24, ge=4)
    """Plates with fewer measured wells are not judged."""

    def __call__(self, plate: Plate) -> Judgement:
        """Judge the drift of one plate; see the contract."""
        names, missing = looked_at(plate, self.features, self.min_wells)
        if not self.order and not plate.placed:
            return Judgement(unjudged=("drift: not a plate",))
        effects = []
        for column in names:
            found = self._series(plate, column)
            if found is None:
                missing.append(f"no plate map column '{self.order}' of numbers")
                break
            values = found[np.isfinite(found)]
            if values.size >= self.min_wells:
                effects.append(self._effect(column, values))
        return Judgement(
            findings("drift", "%", effects), unjudged=tuple(f"drift: {text}" for text in missing)
        )

    def _series(self, plate: Plate, column: str) -> Floats | None:
        """One value for each visit of a well, in the order of acquisition."""
        if self.order:
            when = _numbers(plate, self.order)
            return None if when is None else plate.values[column][np.argsort(when, kind="stable")]
        if column not in plate.images or np.unique(plate.acquisition).size < 2:
            place = plate.row * (plate.column.max() + 1) + plate.column
            return plate.values[column][np.argsort(place, kind="stable")]
        order = np.argsort(plate.order, kind="stable")
        visits = np.stack([plate.acquisition, plate.well])[:, order]
        starts = np.flatnonzero(np.diff(visits, axis=1, prepend=-1).any(axis=0))
        parts = np.split(plate.images[column][order], starts[1:])
        return np.array([median(part) for part in parts])

    def _effect(self, column: str, values: Floats) -> Effect:
        rho = spearman(values)
        change = relative(slope(values) * (values.size - 1), values)
        certain = abs(rho) * math.sqrt(values.size - 1) > two_sided(self.false_alarms)
        text = (
            f"{spoken(column)}: {change:+.0f} % from the first to the last of {values.size} wells "
            f"(rank correlation {rho:+.2f})"
        )
        return Effect(column, change, certain and abs(change) >= self.min_change_percent, text)


def _numbers(plate: Plate, name: str) -> Floats | None:
    """Numbers of a plate map's column; None where it is absent or has a well without one."""
    try:
        found = np.array([float(text or "") for text in plate.labels[name]])
    except (KeyError, ValueError):
        return None
    return found if np.isfinite(found).all() else None


def spearman(values: Floats) -> float:
    """Rank correlation of values with their own order; 0 where they are all equal."""
    n = values.size
    place = np.arange(1, n + 1) - (n + 1) / 2
    centred = ranks(values) - (n + 1) / 2
    # Sums of halves and quarters: exact in any order.
    spread = float((centred**2).sum() * (place**2).sum())
    return float((centred * place).sum()) / math.sqrt(spread) if spread > 0 else 0.0


def slope(values: Floats) -> float:
    """Theil-Sen slope: median of the slopes of all pairs."""
    step = -(-values.size // MOST)
    taken: Ints = np.arange(0, values.size, step)
    first, second = np.triu_indices(taken.size, 1)
    x, y = taken.astype(np.float64), values[taken]
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))
