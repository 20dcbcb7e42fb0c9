"""Measure objects whole: for one box, all features of the objects that its block owns.

The block whose core holds an object's first voxel owns it and reads the box that contains all it
owns. There is no merging arithmetic, so values do not depend on blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box, Grid
from voxelmill.features import Feature
from voxelmill.kernels.measure import indexed
from voxelmill.kernels.objects import keep, present
from voxelmill.plugin import Array, BadConfig, Index, Labels, Pixels, Spacing
from voxelmill.scratch import save
from voxelmill.stages import Frame
from voxelmill.stitch import Ints


@dataclass(frozen=True)
class Owned:
    """The objects of one set that one block owns."""

    name: str
    ids: Ints
    box: Box


@dataclass(frozen=True)
class MeasureTask:
    """Everything a worker needs to measure the objects that one block of a frame owns."""

    frame: Frame
    channels: tuple[str, ...]
    features: tuple[Feature, ...]
    owned: tuple[Owned, ...]
    file: str
    slab: int = 0
    """Row of blocks (of a volume: layer) it belongs to: ids rise, nearly, from slab to slab."""


def measure_objects(
    labels: Labels,
    image: Mapping[str, Pixels],
    features: Sequence[Feature],
    spacing_um: Spacing,
    origin: Index = (0, 0, 0),
) -> dict[str, Array]:
    """Apply feature families to one box.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    image : mapping of str to (z, y, x) array
        Pixels by channel name.
    features : sequence of Feature
    spacing_um : tuple of float
        Voxel size along z, y, x in micrometres.
    origin : tuple of int
        First voxel of the box in the whole image, added to columns that are positions.

    Returns
    -------
    dict of str to (n_objects,) array
        ``ObjectNumber`` and all columns of all families, in ascending label order.

    Raises
    ------
    BadConfig
        Two families make the same column.
    """
    channels = list(image)
    table: dict[str, Array] = {"ObjectNumber": present(labels)}
    with indexed(labels):
        for feature in features:
            columns = feature.chosen(channels)
            values = feature(labels, image, spacing_um)
            positions = feature.positions(channels)
            for column in columns:
                if column in table:
                    raise BadConfig(f"features: two families make '{column}'. Remove one")
                shift = origin[positions[column]] if column in positions else 0
                table[column] = values[column] + shift if shift else values[column]
    return table


def measure_block(task: MeasureTask) -> int:
    """Measure what one block owns, all object sets in one read of the pixels.

    Saves each set's columns as ``<set>/<column>`` in the scratch file of the task.
    """
    frame, bounds = task.frame, _union([o.box for o in task.owned])
    pixels = frame.source.read(frame.t, range(len(task.channels)), bounds)
    saved: dict[str, Array] = {}
    for owned in task.owned:
        labels = keep(frame.target.read(owned.name, frame.t, owned.box), owned.ids)
        part = owned.box.within(bounds).slices
        image = {
            c: np.ascontiguousarray(p[part]) for c, p in zip(task.channels, pixels, strict=True)
        }
        table = measure_objects(
            labels, image, task.features, frame.source.spacing_um, owned.box.start
        )
        saved |= {f"{owned.name}/{column}": values for column, values in table.items()}
    save(Path(task.file), **saved)
    return sum(o.ids.size for o in task.owned)


class Owners:
    """Assigns every object to the block whose core holds its first voxel.

    Parameters
    ----------
    grid : Grid
        Blocks of the frame.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._ids: dict[tuple[Index, str], list[Ints]] = {}
        self._boxes: dict[tuple[Index, str], Box] = {}

    def add(self, name: str, rows: NDArray[np.int64]) -> None:
        """Take rows of `INDEX_COLUMNS`, (n, 11), of one object set; ids rise from call to call."""
        place = rows[:, 1:4] // np.asarray(self._grid.size)
        flat = np.ravel_multi_index(tuple(place.T), self._grid.counts)
        order = np.argsort(flat, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(flat[order])) + 1):
            if not mine.size:
                continue
            z, y, x = (int(v) for v in place[mine[0]])
            key, box = ((z, y, x), name), _around(rows[mine])
            self._ids.setdefault(key, []).append(rows[mine, 0].astype(np.int32))
            self._boxes[key] = _union([self._boxes[key], box]) if key in self._boxes else box

    def blocks(self) -> dict[Index, list[Owned]]:
        """What each block owns, in raster order; blocks that own nothing are left out."""
        found: dict[Index, list[Owned]] = {}
        for (block, name), parts in self._ids.items():
            box = _thick(self._boxes[block, name], self._grid.shape[0])
            ids = np.concatenate(parts).astype(np.int64)
            found.setdefault(block, []).append(Owned(name, ids, box))
        return dict(sorted(found.items()))


def _around(rows: NDArray[np.int64]) -> Box:
    """Box around objects."""
    z0, y0, x0 = (int(v) for v in rows[:, 4:7].min(axis=0))
    z1, y1, x1 = (int(v) for v in rows[:, 7:10].max(axis=0))
    return Box((z0, y0, x0), (z1, y1, x1))


def _thick(box: Box, depth: int) -> Box:
    """Of a volume never a single plane, which features would take for 2-D."""
    (z0, y0, x0), (z1, y1, x1) = box.start, box.stop
    if depth > 1 and z1 - z0 == 1:
        z0, z1 = (z0, z1 + 1) if z1 < depth else (z0 - 1, z1)
    return Box((z0, y0, x0), (z1, y1, x1))


def _union(boxes: Sequence[Box]) -> Box:
    starts, stops = zip(*((b.start, b.stop) for b in boxes), strict=True)
    (z0, y0, x0), (z1, y1, x1) = (
        map(min, zip(*starts, strict=True)),
        map(max, zip(*stops, strict=True)),
    )
    return Box((z0, y0, x0), (z1, y1, x1))
