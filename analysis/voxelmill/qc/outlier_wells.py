"""Outlier wells: wells whose count or background is far from the plate's.

In: one value a well. Out: which wells are more than so many robust standard deviations away.
"""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._layout import looked_at
from voxelmill.qc._plate import Bools, Finding, Floats, Judgement, Plate, listed, named, spoken
from voxelmill.qc._robust import median, wide_spread

COUNT = "Metadata_Count_"
EMPTY = 0.1
"""Share of the median count below which a well is empty, however counts spread."""
CERTAIN = 20
"""Median count from which chance makes no such well: less than once in a million."""
EXTREME = 100.0
"""Exponent from which nothing is an outlier; beyond 700 it overflows."""


class OutlierWells(PlateMetric):
    """Wells far from the plate's median by its median absolute deviation; warns of each."""

    kind: Literal["outlier_wells"] = "outlier_wells"
    source: ClassVar[str] = (
        "Robust z score with the median absolute deviation: Malo et al. 2006, doi:10.1038/nbt1186; "
        "limits: voxelmill"
    )
    features: tuple[str, ...] = Field(
        default=(),
        description="Columns of wells.parquet; none named: counts of objects and backgrounds.",
    )
    max_deviations: float = Field(default=5.0, gt=0)
    """Robust standard deviations that a well may be away from the plate's median."""
    min_change_percent: float = Field(default=25.0, ge=0)
    """Difference in percent of the plate's median below which it is never a fault."""
    min_wells: int = Field(default=8, ge=3)
    """Plates with fewer measured wells are not judged."""

    def __call__(self, plate: Plate) -> Judgement:
        """Judge the wells of one plate; see the contract."""
        names, missing = looked_at(plate, self.features, self.min_wells)
        faults: dict[str, Bools] = {}
        texts = []
        for column in names:
            hit = self._outliers(column, plate.values[column])
            what, fault = named(column)
            faults[f"{what}: Outlier{fault}"] = hit
            if hit.any():
                wells = [plate.wells[i] for i in np.flatnonzero(hit)]
                texts.append(f"{spoken(column)}: {listed(wells)}")
        unjudged = tuple(f"outlier wells: {text}" for text in missing)
        if not names:
            return Judgement(unjudged=unjudged)
        number = int(np.logical_or.reduce(list(faults.values())).sum())
        text = "; ".join(texts) or f"none of {len(plate.wells)}, in {len(names)} features"
        finding = Finding("outlier wells", float(number), "1", "warn" if number else "pass", text)
        return Judgement((finding,), faults, unjudged)

    def _outliers(self, column: str, values: Floats) -> Bools:
        middle, scale = median(values), wide_spread(values)
        counted = column.startswith(COUNT)
        if counted:
            scale = max(scale, math.sqrt(max(middle, 1.0)))
        away = self.max_deviations * scale
        least = self.min_change_percent / 100 * abs(middle)
        low, high = middle - max(away, least), middle + max(away, least)
        if middle > 0:
            # Values that cannot be negative have their long tail above: there in logarithms.
            high = max(high, middle * math.exp(min(away / middle, EXTREME)))
        if counted and middle >= CERTAIN:
            low = max(low, EMPTY * middle)
        return np.asarray((values < low) | (values > high))
