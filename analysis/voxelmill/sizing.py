"""What a batch holds: so many images, or as many as take some time, by `costs`.

In: a configuration; the kinds of a dataset's images. Out: the number of images of each batch. The
`text` of a rule is kept beside the batches that it has cut: they stay while it is the same, so a
new calibration reruns nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import NamedTuple, Protocol

from voxelmill.batch import IMAGES
from voxelmill.config import Config, Settings
from voxelmill.costs import Costs, load_costs
from voxelmill.cuts import by_cost, by_count
from voxelmill.extent import Extent
from voxelmill.need import STEPS
from voxelmill.site import load_site

MICROSECONDS = 1_000_000


class Kind(NamedTuple):
    """What images have in common that cost the same, as the manifest writes it (JSON)."""

    shape: str
    dtype: str
    spacing_um: str

    @property
    def extent(self) -> Extent | None:
        """Extent of such an image; None if it could not be opened."""
        return _extent(self)


@lru_cache(maxsize=4096)
def _extent(kind: Kind) -> Extent | None:
    shape = json.loads(kind.shape)
    if not shape:
        return None
    t, c, z, y, x = shape
    dz, dy, dx = json.loads(kind.spacing_um)
    return Extent((t, c, z, y, x), kind.dtype, (dz, dy, dx))


def voxels(kind: Kind) -> int:
    """t·z·y·x of an image; 0 if it could not be opened."""
    extent = kind.extent
    return extent.shape[0] * prod(extent.space) if extent else 0


class Rule(Protocol):
    """Cuts datasets."""

    @property
    def text(self) -> str:
        """The settings that it cuts by."""

    def sizes(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the number of images of each batch of a dataset."""


@dataclass(frozen=True)
class ByCount:
    """So many images a batch."""

    images: int

    @property
    def text(self) -> str:
        """The settings that it cuts by."""
        return f"images={self.images}"

    def sizes(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the number of images of each batch of a dataset."""
        known = {kind: voxels(kind) for kind in set(kinds)}
        return by_count([known[kind] for kind in kinds], self.images)


@dataclass(frozen=True)
class ByTime:
    """As many images a batch as its longest step works on for `minutes` with `cores` cores."""

    minutes: float
    cores: int
    costs: Costs
    settings: Settings = field(repr=False)

    @property
    def text(self) -> str:
        """The settings that it cuts by."""
        return f"minutes={self.minutes:g} cores={self.cores}"

    def sizes(self, kinds: Sequence[Kind]) -> list[int]:
        """Return the number of images of each batch of a dataset."""
        known = {kind: self._cost(kind) for kind in set(kinds)}
        start = max(self.costs.start(step) for step in STEPS)
        most = int((self.minutes * 60 - start) * MICROSECONDS)
        return by_cost([known[kind] for kind in kinds], most)

    def _cost(self, kind: Kind) -> int:
        """Microseconds of one image in the step that takes longest for it."""
        extent = kind.extent
        if extent is None:
            return 0
        longest = max(self.costs.image(step, extent, self.settings) for step in STEPS)
        return round(longest / self.cores * MICROSECONDS)


def rule(config: Config) -> Rule:
    """Return how datasets are cut: by count, by time at a site or on one core, or after 48 images.

    Raises
    ------
    BadConfig
        The site's file is absent or breaks a rule.
    """
    batches = config.batches
    if batches.images is not None or (batches.minutes is None and config.site is None):
        return ByCount(batches.images or IMAGES)
    site = load_site(config.site).site if config.site else None
    minutes = batches.minutes or (site.job_minutes if site else 0)
    return ByTime(minutes, site.cores if site else 1, load_costs(config.site), config)
