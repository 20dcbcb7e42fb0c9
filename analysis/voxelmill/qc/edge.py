"""Edge: whether the outermost wells differ from the others, as after evaporation.

In: one value a well. Out: the difference of the medians of edge and inner wells, in percent of the
inner one, and as an effect size. The edge is that of the smallest usual plate that holds the wells.
"""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._layout import Effect, findings, looked_at, relative
from voxelmill.qc._plate import Bools, Floats, Judgement, Plate, spoken
from voxelmill.qc._robust import differ, known, median, spread


class Edge(PlateMetric):
    """Difference of edge and inner wells; warns of a large and certain one."""

    kind: Literal["edge"] = "edge"
    source: ClassVar[str] = (
        "Edge effects: Lundholt et al. 2003, doi:10.1177/1087057103256465; rank test: Kruskal & "
        "Wallis 1952, doi:10.1080/01621459.1952.10483441"
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Columns of wells.parquet; none named: counts of objects and backgrounds.",
    )
    false_alarms: float = Field(default=1e-4, gt=0, lt=0.5)
    """Probability that chance alone makes a difference as large, for one feature."""
    min_change_percent: float = Field(default=10.0, ge=0)
    """Difference in percent of the plate's median below which it is never a fault."""
    min_wells: int = Field(default=8, ge=2)
    """Plates with fewer measured wells at the edge, or inside, are not judged."""

    def __call__(self, plate: Plate) -> Judgement:
        """Judge the edge of one plate; see the contract."""
        if not plate.placed:
            return Judgement(unjudged=("edge: not a plate",))
        rows, columns = plate.shape
        edge = np.isin(plate.row, (0, rows - 1)) | np.isin(plate.column, (0, columns - 1))
        names, missing = looked_at(plate, self.features, 2 * self.min_wells)
        effects = []
        for column in names:
            values = plate.values[column]
            outer, inner = known(values[edge]), known(values[~edge])
            if min(outer.size, inner.size) < self.min_wells:
                missing.append(
                    f"{spoken(column)}: {outer.size} wells at the edge of {rows} x {columns}, "
                    f"{inner.size} inside; at least {self.min_wells}"
                )
            else:
                effects.append(self._effect(column, values, edge))
        unjudged = tuple(f"edge: {text}" for text in missing)
        return Judgement(findings("edge effect", "%", effects), unjudged=unjudged)

    def _effect(self, column: str, values: Floats, edge: Bools) -> Effect:
        outer, inner = known(values[edge]), known(values[~edge])
        difference = median(outer) - median(inner)
        noise = spread(np.concatenate([outer - median(outer), inner - median(inner)]))
        change = relative(difference, values)
        there = np.isfinite(values)
        certain = differ(values[there], edge[there].astype(np.int64), self.false_alarms)
        size = f"{difference / noise:+.1f}" if noise > 0 else "undefined"
        text = f"{spoken(column)}: {change:+.0f} % in edge wells (effect size {size})"
        return Effect(column, change, certain and abs(change) >= self.min_change_percent, text)
