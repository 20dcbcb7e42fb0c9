"""Controls: how well positive and negative control wells are told apart.

In: one value a well, and which wells are controls (a column of the plate map). Out: Z' and SSMD of
a feature, or of the quotient of two. Without a feature named, the one that tells them apart best is
shown, but not judged: the best of hundreds looks good on any plate.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._plate import Bools, Finding, Floats, Judgement, Plate, Verdict, rounded
from voxelmill.qc._robust import deviation, known, mean, median, spread

FEATURES = ("_AreaShape_", "_Intensity_", "_Texture_", "_Granularity_", "_RadialDistribution_",
            "_Correlation_", "Metadata_Count_")  # fmt: skip
"""What columns are chosen from where no feature is named."""


class Controls(PlateMetric):
    """Z' and SSMD of control wells; a plate whose controls overlap fails."""

    kind: Literal["controls"] = "controls"
    source: ClassVar[str] = (
        "Z': Zhang et al. 1999, doi:10.1177/108705719900400206; SSMD: Zhang 2007, "
        "doi:10.1016/j.ygeno.2006.12.014"
    )
    column: str = Field(
        default="control", description="Column of the plate map that says which wells are controls."
    )
    positive: tuple[str, ...] = Field(
        default=("positive", "pos", "1"), description="What it says of positive controls."
    )
    negative: tuple[str, ...] = Field(
        default=("negative", "neg", "-1"), description="What it says of negative controls."
    )
    feature: str = Field(
        default="",
        description="Column of wells.parquet, or the quotient of two: `A / B`, with spaces.",
    )
    robust: bool = Field(
        default=False, description="Medians and median absolute deviations, not means."
    )
    min_z_prime: float = 0.5
    """Below this the plate is warned of; 0 and below, it fails."""
    min_ssmd: float = Field(default=2.0, ge=0)
    """Below this, whatever its sign, the plate is warned of; below 1 it fails."""
    min_wells: int = Field(default=3, ge=2)
    """Smallest number of wells of each kind."""

    def __call__(self, plate: Plate) -> Judgement:
        """Judge the controls of one plate; see the contract."""
        name = next((c for c in plate.labels if c.lower() == self._key), None)
        if name is None:
            return Judgement(unjudged=(f"controls: the plate map has no column '{self.column}'",))
        said = [label.strip().lower() for label in plate.labels[name]]
        high = np.array([s in {p.lower() for p in self.positive} for s in said], np.bool_)
        low = np.array([s in {n.lower() for n in self.negative} for s in said], np.bool_)
        values, problem = self._values(plate.values, high, low)
        if problem:
            return Judgement(unjudged=(f"controls: {problem}",))
        found = {n: self._pair(v[high], v[low]) for n, v in values.items()}
        best = max(found, key=lambda n: (abs(found[n][1]), n))
        z_prime, ssmd = found[best]
        wells = f"{int(high.sum())} positive, {int(low.sum())} negative wells"
        text = f"of {best}; {wells}"
        if not self.feature:
            text += f"; the best of {len(found)} features, not judged: name one"
        return Judgement(
            (
                Finding("Z'", rounded(z_prime), "1", self._judged(z_prime, 0.0), text),
                Finding("SSMD", rounded(ssmd), "1", self._judged(abs(ssmd), 1.0), text),
            )
        )

    @property
    def _key(self) -> str:
        name = self.column.lower()
        return name if name.startswith("metadata_") else f"metadata_{name}"

    def _judged(self, value: float, fails: float) -> Verdict:
        if not self.feature:
            return "pass"
        least = self.min_z_prime if fails == 0 else self.min_ssmd
        return "fail" if value <= fails else "warn" if value < least else "pass"

    def _values(
        self, values: Mapping[str, Floats], high: Bools, low: Bools
    ) -> tuple[dict[str, Floats], str]:
        """Features to look at, or what is wrong."""
        if self.feature:
            parts = [part.strip() for part in self.feature.split(" / ", 1)]
            absent = [part for part in parts if part not in values]
            if absent:
                return {}, f"no column '{absent[0]}' in the well table"
            chosen = {self.feature: _quotient(*(values[part] for part in parts))}
        else:
            chosen = {n: v for n, v in values.items() if any(part in n for part in FEATURES)}
        numbers = {n: min(known(v[high]).size, known(v[low]).size) for n, v in chosen.items()}
        enough = {n: v for n, v in chosen.items() if numbers[n] >= self.min_wells}
        # Where controls do not vary at all, or not from each other, there is nothing to judge.
        apart = {n: v for n, v in enough.items() if math.isfinite(self._pair(v[high], v[low])[1])}
        if apart:
            return apart, ""
        most = max(numbers.values(), default=0)
        return {}, f"{most} wells with values of each kind; at least {self.min_wells}, that differ"

    def _pair(self, high: Floats, low: Floats) -> tuple[float, float]:
        """Z' and SSMD; NaN where they are undefined."""
        high, low = known(high), known(low)
        middle, scale = (median, spread) if self.robust else (mean, deviation)
        difference = middle(high) - middle(low)
        above, below = scale(high), scale(low)
        if difference == 0 or above + below == 0:
            return math.nan, math.nan
        z_prime = 1 - 3 * (above + below) / abs(difference)
        return z_prime, difference / math.sqrt(above**2 + below**2)


def _quotient(above: Floats, below: Floats | None = None) -> Floats:
    if below is None:
        return above
    found = np.full(above.size, np.nan)
    np.divide(above, below, out=found, where=below != 0)
    return found
