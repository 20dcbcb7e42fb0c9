"""What the record of *aggregate* says of a plate as a whole, for the report and the index."""

from collections.abc import Mapping
from typing import Any

from voxelmill.report.model import Finding
from voxelmill.verdict import ORDER, Verdict


def plate_verdict(aggregated: Mapping[str, Any]) -> tuple[Verdict | None, tuple[str, ...]]:
    """Verdict of the plate and its reasons; None where the plate was not judged."""
    told = aggregated.get("verdict", {})
    return next((v for v in ORDER if v == told.get("plate")), None), tuple(told.get("reasons", ()))


def findings(aggregated: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Findings on the plate; a value that is not known is NaN."""
    return tuple(
        Finding(
            found["name"],
            float("nan") if found["value"] is None else float(found["value"]),
            found.get("unit", ""),
            found["verdict"],
            found.get("text", ""),
        )
        for found in aggregated.get("findings", ())
    )
