"""What the steps cost in core-seconds, as `voxelmill calibrate` has measured it.

In: a step, an image's `Extent`, settings. Out: core-seconds, and the seconds of a job. Batches are
sized, jobs given their time limit and runs planned with it; where nothing is calibrated, with the
numbers of a slow core.

    qc         image + voxels · channels · (reading + each metric)
    segment    a set + voxels · (writing + its segmenter)
    measure    image + voxels · channels · reading + sets · (columns + voxels · each family)
    aggregate  image + values of the tables

A family costs something a voxel, and for each of its columns: one that measures pairs of channels
gets dearer with their square. A job of several threads does a part of its work on one of them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod

from voxelmill import __version__
from voxelmill.calibration import Calibration, Rate, assumed, cpu_model, load_calibration
from voxelmill.config import Settings
from voxelmill.extent import Extent
from voxelmill.features import Feature
from voxelmill.layout import BATCH_STEPS, ILLUMINATION, PROVENANCE
from voxelmill.objectsets import Segmented
from voxelmill.plugin import Plugin
from voxelmill.qc import Metric
from voxelmill.sizes import THUMBNAIL_EDGE, THUMBNAILS, edge_for, objects_of, values_of

UNCALIBRATED = "not calibrated: assumed"
PROFILE_S = 0.02
"""Core-seconds that a profile takes for each field and channel it is estimated from."""
BASE = ("segmenter watershed", "segmenter propagate", "feature shape", "feature intensity")
"""Plugins that the measured start of a step has loaded."""


@dataclass(frozen=True)
class Costs:
    """Speeds of one kind of node."""

    found: Calibration = field(default_factory=assumed)
    source: str = UNCALIBRATED
    warnings: tuple[str, ...] = ()
    """What speaks against these numbers."""

    def start(self, step: str) -> float:
        """Seconds of a job of `step` before its first image."""
        # What reads images and no more is loaded by *illuminate* too.
        return self.found.start["qc" if step == ILLUMINATION else step]

    def image(self, step: str, extent: Extent, settings: Settings) -> float:
        """Core-seconds of one image in a step, but *review*.

        In *illuminate*: of one that it looks at.
        """
        if step in ("report", PROVENANCE):
            return self.found.image[step]
        if step == ILLUMINATION:
            return prod(extent.shape) * self.found.voxel["read"] + PROFILE_S * extent.shape[1]
        work = {"qc": self._qc, "segment": self._segment, "measure": self._measure,
                "aggregate": self._aggregate}[step]  # fmt: skip
        return work(extent, settings)

    def work(self, step: str, images: Iterable[tuple[Extent, int]], settings: Settings) -> float:
        """Core-seconds of a job over so many images of each extent, its start not counted."""
        kinds = list(images)
        if step == ILLUMINATION and settings.illumination:
            most = settings.illumination.fields
            kinds = [(extent, min(n, most)) for extent, n in kinds]
        found = sum(n * self.image(step, extent, settings) for extent, n in kinds)
        if step == "report" and (number := sum(n for _, n in kinds)):
            shown = min(THUMBNAILS, number)
            mean = sum(n * _thumbnail(e, settings, shown) for e, n in kinds) / number
            found += shown * mean * self.found.image["thumbnail"]
        return found

    def seconds(self, step: str, work: float, settings: Settings, workers: int = 1) -> float:
        """Seconds of a job with `work` core-seconds on `workers` threads, its start included."""
        serial = self.found.serial.get(step, 0.0) if workers > 1 else 1.0
        return self._load(step, settings) + work * (serial + (1 - serial) / workers)

    def cores(self, extent: Extent, settings: Settings, most: int) -> dict[str, int]:
        """Cores of the jobs of a batch of such images on a cluster, by step.

        The step that takes longest gets `most` and the others fewer, so that all take about as
        long: none is too short for the queue.
        """
        work = {step: self.image(step, extent, settings) for step in BATCH_STEPS}
        longest = max(work.values()) or 1.0
        return {step: max(1, round(most * each / longest)) for step, each in work.items()}

    def unmeasured(self, settings: Settings) -> list[str]:
        """Plugins of `settings` that no measurement covers."""
        return sorted(k for p in _plugins(settings) if (k := plugin_key(p)) and not self._has(p))

    def _load(self, step: str, settings: Settings) -> float:
        """Start, with the kernels of plugins that it does not count."""
        groups = {"qc": Metric, "segment": Plugin, "measure": Feature}
        found = [p for p in _plugins(settings) if step in groups and isinstance(p, groups[step])]
        if step == "segment":
            found = [p for p in found if not isinstance(p, Metric | Feature)]
        more = {plugin_key(p): self.rate(p).start for p in found}
        return self.start(step) + sum(s for key, s in more.items() if key not in BASE)

    def rate(self, plugin: Plugin) -> Rate:
        """Rate of a plugin: with its settings, or of its kind, or of the slowest that are known."""
        group = plugin_key(plugin).partition(" ")[0]
        for known in (self.found.plugins, assumed().plugins):
            for key in (plugin_key(plugin, exact=True), plugin_key(plugin)):
                if key in known:
                    return known[key]
        rates = [r for key, r in assumed().plugins.items() if key.startswith(f"{group} ")]
        return max(rates, key=lambda rate: (rate.voxel, rate.column))

    def _has(self, plugin: Plugin) -> bool:
        keys = plugin_key(plugin, exact=True), plugin_key(plugin)
        return any(key in self.found.plugins for key in keys)

    def _qc(self, extent: Extent, settings: Settings) -> float:
        judged = sum(self.rate(m).voxel for m in settings.qc.of(Metric))
        each = self.found.voxel["qc"] + judged
        return self.found.image["qc"] + prod(extent.shape) * each

    def _segment(self, extent: Extent, settings: Settings) -> float:
        voxel, voxels = self.found.voxel, frame_voxels(extent)
        found = self.found.image["segment"] + voxels * voxel["segment"]
        for spec in settings.objects.values():
            found += self.found.image["set"]
            if isinstance(spec, Segmented):
                rate = self.rate(spec.segmenter).voxel * len(spec.channels)
                found += voxels * (voxel["write"] + rate)
            else:
                found += voxels * voxel["subtract"]
        return found

    def _measure(self, extent: Extent, settings: Settings) -> float:
        voxels, names = frame_voxels(extent), channel_names(extent, settings)
        each, image = self.found.voxel["measure"], self.found.image
        for family in settings.features:
            rate = self.rate(family)
            each += rate.voxel + rate.column * columns_of(family, names)
        read = prod(extent.shape) * self.found.voxel["read"]
        one = voxels * each + image["column"] * table_columns(extent, settings)
        return image["measure"] + read + len(settings.objects) * one

    def _aggregate(self, extent: Extent, settings: Settings) -> float:
        columns = table_columns(extent, settings)
        values = values_of(objects_of(extent, settings), columns)
        return self.found.image["aggregate"] + values * self.found.value


def load_costs(site: str | None) -> Costs:
    """Costs of a site's nodes, or of this machine.

    Raises
    ------
    BadConfig
        No such site, or its calibration is damaged.
    """
    found = load_calibration(site)
    if found is None:
        name = f" --site {site}" if site else ""
        return Costs(warnings=(f"speeds are assumed; `voxelmill calibrate{name}` measures them",))
    return Costs(found, f"calibrated on {found.cpu}", tuple(_doubts(found, site)))


def _doubts(found: Calibration, site: str | None) -> Iterator[str]:
    again = f"`voxelmill calibrate{f' --site {site}' if site else ''}` again"
    if found.voxelmill != __version__:
        yield f"calibrated with voxelmill {found.voxelmill}, this is {__version__}: {again}"
    if site is None and found.cpu != cpu_model():
        yield f"calibrated on {found.cpu}, this is {cpu_model()}: {again}"
    if not found.quiet:
        yield "calibrated while other programs ran: waiting for the file system is not counted"


def plugin_key(plugin: Plugin, *, exact: bool = False) -> str:
    """Name of a plugin in a calibration; `exact`: with the settings that are not its defaults."""
    group = {Metric: "metric", Feature: "feature"}
    name = next((n for cls, n in group.items() if isinstance(plugin, cls)), "segmenter")
    key = f"{name} {type(plugin).model_fields['kind'].default}"
    given = plugin.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "seeds"})
    return f"{key} {json.dumps(given, sort_keys=True)}" if exact else key


def frame_voxels(extent: Extent) -> int:
    """Voxels of one channel, at all time points."""
    return extent.shape[0] * prod(extent.space)


def _thumbnail(extent: Extent, settings: Settings, shown: int) -> float:
    """Size of one of so many thumbnails, that of a few of a calibration's fields being 1."""
    _, channels, _, y, x = extent.shape
    while max(y, x) > edge_for(shown, channels, len(settings.objects)):
        y, x = -(-y // 2), -(-x // 2)
    return y * x * (channels + len(settings.objects)) / (6 * THUMBNAIL_EDGE**2)


def channel_names(extent: Extent, settings: Settings) -> tuple[str, ...]:
    """As many names as there are channels, with those that the settings tell."""
    known = [c for c in settings.channels() if not c.isdigit()]
    return tuple([*known, *map(str, range(extent.shape[1]))][: extent.shape[1]])


@lru_cache(maxsize=256)
def columns_of(family: Feature, channels: tuple[str, ...]) -> int:
    """Columns that a family makes."""
    return len(family.chosen(channels))


def table_columns(extent: Extent, settings: Settings) -> int:
    """Feature columns of an object set."""
    names = channel_names(extent, settings)
    return sum(columns_of(family, names) for family in settings.features)


def _plugins(settings: Settings) -> list[Plugin]:
    specs = settings.objects.values()
    segmenters = [s.segmenter for s in specs if isinstance(s, Segmented)]
    return [*settings.qc.of(Metric), *segmenters, *settings.features]
