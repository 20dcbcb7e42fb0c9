"""QC of one frame: every metric on every channel, tile by tile.

Tiles are a fixed grid, so values do not depend on block size; a field of up to 2048² is one tile.
A frame's value is the median over its tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxelmill.blocks import Grid
from voxelmill.plugin import Index
from voxelmill.qc import Metric
from voxelmill.stages import Frame

TILE: Index = (32, 2048, 2048)


@dataclass(frozen=True)
class QualityTask:
    """One frame to judge."""

    frame: Frame
    channels: tuple[str, ...]
    metrics: tuple[Metric, ...]


def quality(task: QualityTask) -> dict[str, float]:
    """Values by column (``ImageQuality_…_<Channel>``); NaN where undefined in all tiles."""
    source, t = task.frame.source, task.frame.t
    _, _, z, y, x = source.shape
    values: dict[str, float] = {}
    for c, channel in enumerate(task.channels):
        tiles: dict[str, list[float]] = {}
        for tile in Grid((z, y, x), TILE):
            pixels = source.read(t, (c,), tile.core)[0]
            for metric in task.metrics:
                for column, value in metric(pixels, source.spacing_um).items():
                    tiles.setdefault(column, []).append(float(value))
        values |= {f"{column}_{channel}": _median(found) for column, found in tiles.items()}
    return values


def columns(metrics: Sequence[Metric], channels: Sequence[str]) -> dict[str, str]:
    """All QC columns → unit for these metrics and channels."""
    return {
        f"{column}_{channel}": unit
        for channel in channels
        for metric in metrics
        for column, unit in metric.columns().items()
    }


def _median(values: Sequence[float]) -> float:
    finite = [v for v in values if not np.isnan(v)]
    return float(np.median(finite)) if finite else float("nan")
