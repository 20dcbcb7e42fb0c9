"""Costs that are easy to reckon with: so many megapixels a core-second for each step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from voxelmill.config import Settings
from voxelmill.costs import Costs
from voxelmill.extent import Extent

START_S = 1.5


@dataclass(frozen=True)
class PlainCosts(Costs):
    """An image costs by its pixels alone."""

    mpx_s: Mapping[str, float] = field(default_factory=dict)

    def start(self, _step: str) -> float:
        """Seconds of a job before its first image."""
        return START_S

    def image(self, step: str, extent: Extent, _settings: Settings) -> float:
        """Core-seconds of one image."""
        return prod(extent.shape) / (self.mpx_s[step] * 1e6)
