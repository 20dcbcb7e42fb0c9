"""Measure objects whole: for one box, all features of the objects that its block owns.

The block owns the objects whose first voxel its core holds, and reads the box that contains all
of them. There is no merging arithmetic, so values do not depend on blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxelmill.blocks import Box
from voxelmill.features import Feature
from voxelmill.kernels.measure import Objects, indexed, to_grid
from voxelmill.kernels.measure_moments import centroids, power_sums
from voxelmill.kernels.measure_parents import parents_of
from voxelmill.kernels.objects import keep, present
from voxelmill.ownership import Owned, union
from voxelmill.plugin import Array, Index, Labels, Pixels, Spacing
from voxelmill.scratch import save
from voxelmill.slots import reads_first
from voxelmill.stages import Frame
from voxelmill.store.place import place_at

CENTRE = "centre"
"""Centroids (n, 3) in a measured block's file, where a family needs all objects of a frame."""
PARENT = "parent "
"""Before the name of the set whose objects are meant."""


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
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Object set → sets in which each of its objects has a parent."""
    alone: bool = False
    """The frame is one block: no other one wants the chunks that this one decodes."""


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
        No two make the same column (see ``check_features``).
    spacing_um : tuple of float
        Voxel size along z, y, x in micrometres.
    origin : tuple of int
        First voxel of the box in the whole image, added to columns that are positions.

    Returns
    -------
    dict of str to (n_objects,) array
        ``ObjectNumber`` and the chosen columns of all families but their ``frame_columns``, in
        ascending label order; where a family has such, also ``centre``, (n_objects, 3).
    """
    channels = list(image)
    table: dict[str, Array] = {"ObjectNumber": present(labels)}
    with indexed(labels) as objects:
        waiting = False
        for feature in features:
            values = feature(labels, image, spacing_um)
            positions = feature.positions(channels)
            late = feature.frame_columns(channels)
            for column in feature.chosen(channels):
                if column in late:
                    waiting = True
                    continue
                shift = origin[positions[column]] if column in positions else 0
                table[column] = values[column] + shift if shift else values[column]
        if waiting:
            table[CENTRE] = _centres(objects) + np.asarray(origin)
    return table


def _centres(objects: Objects) -> Array:
    middle = to_grid(centroids(objects.once(power_sums), objects.sizes))
    centres: Array = objects.low + middle
    return centres


@reads_first
def measure_block(task: MeasureTask) -> int:
    """Measure what one block owns, all object sets in one read of the pixels.

    Saves each set's columns as ``<set>/<column>`` in the scratch file of the task.
    """
    frame, reach = task.frame, max((f.reach() for f in task.features), default=0)
    z, y, x = frame.source.shape[2:]
    boxes = [o.box.grow((reach,) * 3, Box((0, 0, 0), (z, y, x))) for o in task.owned]
    bounds = union(boxes)
    shared = (0, 0, 0) if task.alone else None
    pixels = frame.source.read(frame.t, range(len(task.channels)), bounds, shared)
    saved: dict[str, Array] = {}
    for owned, box in zip(task.owned, boxes, strict=True):
        part = box.within(bounds).slices
        image = {c: p[part] for c, p in zip(task.channels, pixels, strict=True)}
        table = _measure_set(task, owned, box, image)
        saved |= {f"{owned.name}/{column}": values for column, values in table.items()}
    save(place_at(task.file), **saved)
    return sum(o.ids.size for o in task.owned)


def _measure_set(
    task: MeasureTask, owned: Owned, box: Box, image: Mapping[str, Pixels]
) -> dict[str, Array]:
    """Columns of the objects that a block owns; `box` holds all that they may depend on."""
    frame = task.frame
    spacing, inner = frame.source.spacing_um, owned.box.within(box).slices
    around = frame.target.read(owned.name, frame.t, box)
    alone = keep(around[inner], owned.ids)
    near = {c: np.ascontiguousarray(p[inner]) for c, p in image.items()}
    families = [f for f in task.features if not f.reach()]
    with indexed(alone):
        table = measure_objects(alone, near, families, spacing, owned.box.start)
        for name in task.parents.get(owned.name, ()):
            others = frame.target.read(name, frame.t, owned.box)
            table[PARENT + name] = parents_of(alone, others)
    if wide := [f for f in task.features if f.reach()]:
        contiguous = {c: np.ascontiguousarray(p) for c, p in image.items()}
        found = measure_objects(around, contiguous, wide, spacing, box.start)
        rows = np.searchsorted(found.pop("ObjectNumber"), owned.ids)
        table |= {column: values[rows] for column, values in found.items()}
    return table
