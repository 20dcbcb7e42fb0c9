"""What the steps cost in core-seconds, as `voxelmill calibrate` has measured it.

In: a step, an image's `Extent`, settings. Out: core-seconds. Batches are sized, jobs given their
time limit and runs planned with it; where nothing is calibrated, with the numbers of a slow core.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from voxelmill.config import Settings
from voxelmill.need import Extent

MPX_S: Mapping[str, float] = {
    "segment": 12.0,
    "qc": 22.0,
    "measure": 7.0,
    "aggregate": 70.0,
    "report": 90.0,
}
"""Megapixels (all channels) a core-second by step, of an uncalibrated machine."""
START_S = 1.5
"""Seconds of a step before its first image."""


@dataclass(frozen=True)
class Costs:
    """Speeds of one kind of node."""

    source: str = "not calibrated"
    mpx_s: Mapping[str, float] = field(default_factory=lambda: MPX_S)

    def start(self, _step: str) -> float:
        """Seconds of a job of `step` before its first image."""
        return START_S

    def image(self, step: str, extent: Extent, _settings: Settings) -> float:
        """Core-seconds of one image in `step`."""
        return prod(extent.shape) / (self.mpx_s[step] * 1e6)


def load_costs(_site: str | None) -> Costs:
    """Costs of a site's nodes, or of this machine."""
    return Costs()
