"""Position: whether rows or columns of a plate differ, as from a dispenser or a gradient.

In: one value a well. Out: which share of the spread between wells rows and columns explain, by
median polish. Treatments laid out by column look the same: say so, or name features that they do
not change.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._layout import Effect, findings, looked_at, relative
from voxelmill.qc._plate import Floats, Judgement, Plate, line_name, spoken
from voxelmill.qc._robust import differ, known, mean, polish, wide_spread

MIN_FREEDOM = 0.5
"""Wells that are left to tell noise by, of all, when rows and columns have had theirs."""


class Position(PlateMetric):
    """Row and column effects of a plate by median polish; warns of large and certain ones."""

    kind: Literal["position"] = "position"
    source: ClassVar[str] = (
        "Median polish and B score: Brideau et al. 2003, doi:10.1177/1087057103258285; Malo et "
        "al. 2006, doi:10.1038/nbt1186; rank test: Kruskal & Wallis 1952, "
        "doi:10.1080/01621459.1952.10483441"
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Columns of wells.parquet; none named: counts of objects and backgrounds.",
    )
    false_alarms: float = Field(default=1e-4, gt=0, lt=0.5)
    """Probability that chance alone makes an effect as large, for one feature and direction."""
    min_change_percent: float = Field(default=10.0, ge=0)
    """Range of the effects, in percent of the plate's median, below which it is never a fault."""
    min_wells: int = Field(default=24, ge=4)
    """Plates with fewer measured wells are not judged."""

    def __call__(self, plate: Plate) -> Judgement:
        """Judge rows and columns of one plate; see the contract."""
        if not plate.placed:
            return Judgement(unjudged=("rows and columns: not a plate",))
        columns, missing = looked_at(plate, self.features, self.min_wells)
        effects: dict[str, list[Effect]] = {"row effect": [], "column effect": []}
        for column in columns:
            grid = plate.grid(plate.values[column])
            if freedom(grid) < MIN_FREEDOM * known(grid.ravel()).size:
                missing.append(f"{spoken(column)}: wells are too scattered")
                continue
            _, rows, across, left = polish(grid)
            noise = _noise(left, freedom(grid))
            for (name, found), shifts, lines in zip(
                effects.items(), (rows, across), (grid, grid.T), strict=True
            ):
                found.append(self._effect(f"{name.split()[0]}s", column, lines, shifts, noise))
        return Judgement(
            tuple(f for name, found in effects.items() for f in findings(name, "%", found)),
            unjudged=tuple(f"rows and columns: {text}" for text in missing),
        )

    def _effect(
        self, what: str, column: str, lines: Floats, shifts: Floats, noise: float
    ) -> Effect:
        """One direction: `lines` are the wells' values, a line for each of its `shifts`."""
        here = known(shifts)
        variance = mean(here**2)
        share = 100 * variance / (variance + noise) if variance > 0 else 0.0
        change = relative(float(here.max() - here.min()), lines.ravel())
        line, place = np.nonzero(np.isfinite(lines))
        values = lines[line, place]
        # One line may differ that is lost among all of them: a clogged dispenser.
        alone = self.false_alarms / here.size
        certain = differ(values, line, self.false_alarms) or any(
            differ(values, (line == one).astype(np.int64), alone) for one in np.unique(line)
        )
        farthest = int(np.nanargmax(np.abs(shifts)))
        text = (
            f"{what} explain {share:.0f} % of the spread of the {spoken(column)}; they range over "
            f"{change:.0f} % of its median, {line_name(what, farthest)} is the farthest off"
        )
        return Effect(column, share, certain and change >= self.min_change_percent, text)


def freedom(grid: Floats) -> int:
    """Degrees of freedom that rows and columns leave."""
    there = np.isfinite(grid)
    lines = int(there.any(axis=1).sum()) + int(there.any(axis=0).sum()) - 1
    return int(there.sum()) - lines


def _noise(left: Floats, free: int) -> float:
    """Variance of what rows and columns do not explain; median polish takes part of it."""
    residuals = known(left.ravel())
    return wide_spread(residuals) ** 2 * residuals.size / free
