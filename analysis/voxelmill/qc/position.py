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
from voxelmill.qc._plate import Floats, Judgement, Plate, spoken
from voxelmill.qc._robust import MEDIAN_VARIANCE, chi_square, known, mean, polish, spread


class Position(PlateMetric):
    """Row and column effects of a plate by median polish; warns of large and certain ones."""

    kind: Literal["position"] = "position"
    source: ClassVar[str] = (
        "Median polish and B score: Brideau et al. 2003, doi:10.1177/1087057103258285; Malo et "
        "al. 2006, doi:10.1038/nbt1186"
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
            values = plate.values[column]
            grid = plate.grid(values)
            _, rows, across, left = polish(grid)
            for name, found, lines in (
                ("row effect", rows, grid),
                ("column effect", across, grid.T),
            ):
                if known(found).size > 1:
                    effects[name].append(self._effect(name, column, found, lines, left, values))
        return Judgement(
            tuple(f for name, found in effects.items() for f in findings(name, "%", found)),
            unjudged=tuple(f"rows and columns: {text}" for text in missing),
        )

    def _effect(
        self, name: str, column: str, found: Floats, lines: Floats, left: Floats, values: Floats
    ) -> Effect:
        """One direction of one column; `lines` are the values, a row for each effect."""
        here = known(found)
        wells = np.isfinite(lines).sum(axis=1)
        noise = spread(left.ravel()) ** 2
        variance = mean(here**2)
        # By chance effects vary as medians of so many wells do.
        chance = MEDIAN_VARIANCE * noise * mean(1 / wells[wells > 0])
        limit = chance * chi_square(here.size - 1, self.false_alarms) / (here.size - 1)
        change = relative(float(here.max() - here.min()), values)
        share = 100 * variance / (variance + noise) if variance > 0 else 0.0
        fault = variance > limit and change >= self.min_change_percent
        text = (
            f"{name.split()[0]}s explain {share:.0f} % of the spread of the {spoken(column)}; "
            f"they range over {change:.0f} % of its median"
        )
        return Effect(column, share, fault, text)
