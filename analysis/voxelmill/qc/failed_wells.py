"""Failed wells: how many wells of a plate are useless.

In: the verdicts of all wells, which follow from their images. Out: the percent that fail. A well
fails if half of its images do, or are lost.
"""

from typing import ClassVar, Literal

from pydantic import Field

from voxelmill.qc import PlateMetric
from voxelmill.qc._plate import Finding, Judgement, Plate, Verdict, listed, rounded


class FailedWells(PlateMetric):
    """Percent of wells that fail; the plate fails above a limit and is warned of below it."""

    kind: Literal["failed_wells"] = "failed_wells"
    source: ClassVar[str] = (
        "Plates are accepted or repeated before hits are called: Birmingham et al. 2009, "
        "doi:10.1038/nmeth.1351; limit: voxelmill"
    )
    max_percent: float = Field(default=25.0, ge=0, le=100)
    """Percent of wells that may fail before the plate does."""

    def __call__(self, plate: Plate) -> Judgement:
        """Count the wells that fail; see the contract."""
        number = len(plate.verdicts)
        if not number:
            return Judgement(unjudged=("failed wells: no wells",))
        failed = [w for w, v in zip(plate.wells, plate.verdicts, strict=True) if v == "fail"]
        share = 100 * len(failed) / number
        verdict: Verdict = "fail" if share > self.max_percent else "warn" if failed else "pass"
        text = f"{len(failed) or 'none'} of {number}{': ' if failed else ''}{listed(failed)}"
        return Judgement((Finding("failed wells", rounded(share), "%", verdict, text),))
