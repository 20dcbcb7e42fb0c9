"""QC of one frame: every metric on every channel, tile by tile.

Tiles are a fixed grid, so values do not depend on block size; a field of up to 2048² is one tile.
``Metric.combine`` makes one value of those of the tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxelmill.blocks import Grid
from voxelmill.ends import Source
from voxelmill.plugin import Index
from voxelmill.qc import Metric
from voxelmill.slots import reads_first

TILE: Index = (32, 2048, 2048)


@dataclass(frozen=True)
class QualityTask:
    """One time point of one image to judge."""

    source: Source
    t: int
    channels: tuple[str, ...]
    metrics: tuple[Metric, ...]


@reads_first
def quality(task: QualityTask) -> dict[str, float]:
    """Values by column (``ImageQuality_…_<Channel>``); NaN where undefined in all tiles."""
    source, t = task.source, task.t
    _, _, z, y, x = source.shape
    tiles = list(Grid((z, y, x), TILE))
    voxels = np.asarray([tile.core.size for tile in tiles])
    values: dict[str, float] = {}
    for c, channel in enumerate(task.channels):
        found: list[list[dict[str, float]]] = []
        for tile in tiles:
            pixels = source.read(t, (c,), tile.core)[0]
            found.append([metric(pixels, source.spacing_um) for metric in task.metrics])
        for metric, rows in zip(task.metrics, zip(*found, strict=True), strict=True):
            columns = {k: np.asarray([row[k] for row in rows], float) for k in metric.columns()}
            combined = metric.combine(columns, voxels)
            values |= {f"{column}_{channel}": v for column, v in combined.items()}
    return values


def columns(metrics: Sequence[Metric], channels: Sequence[str]) -> dict[str, str]:
    """All QC columns → unit for these metrics and channels."""
    return {
        f"{column}_{channel}": unit
        for channel in channels
        for metric in metrics
        for column, unit in metric.columns().items()
    }
