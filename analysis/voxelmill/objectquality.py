"""QC of objects: what each image's objects say of it, set by set.

In: the rows of the object sets of a dataset. Out: columns of the table of images, faults of each
image, and what could not be judged. A metric's columns are read when it is called, and dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voxelmill.config import Settings
from voxelmill.objectrows import Frame, ObjectRows
from voxelmill.objectsets import Segmented
from voxelmill.overframe import prefix
from voxelmill.qc import ObjectMetric

Floats = NDArray[np.float64]


@dataclass
class ObjectQuality:
    """Of all images of a dataset."""

    columns: dict[str, Floats] = field(default_factory=dict)
    """``ObjectQuality_<What>_<Set>`` → (n_images,)."""
    units: dict[str, str] = field(default_factory=dict)
    faults: list[list[str]] = field(default_factory=list)
    """``<Set>: <Fault>`` of each image."""
    unjudged: list[str] = field(default_factory=list)
    """What could not be judged, and why."""


def object_quality(
    settings: Settings,
    frames: Sequence[Frame],
    sets: Mapping[str, ObjectRows],
    counts: Mapping[str, Floats],
) -> ObjectQuality:
    """Judge images by their objects.

    Parameters
    ----------
    settings : Settings
    frames : sequence of (str, int)
        The images, in the order of the results.
    sets : mapping of str to ObjectRows
        Object sets by name.
    counts : mapping of str to (n_images,) array
        Objects by set; NaN where an image was not segmented.
    """
    found = ObjectQuality(faults=[[] for _ in frames])
    places = {frame: i for i, frame in enumerate(frames)}
    for name, rows in sets.items():
        image = rows.rows_of(places)
        for metric in settings.qc.of(ObjectMetric):
            if judges(metric, settings, name):
                _add(found, metric, settings, name, rows, image, counts[name])
    return found


def judges(metric: ObjectMetric, settings: Settings, name: str) -> bool:
    """Whether a metric judges an object set."""
    return name in metric.sets if metric.sets else metric.everywhere or own(settings, name)


def own(settings: Settings, name: str) -> bool:
    """Whether objects are found in pixels, neither grown from seeds nor subtracted."""
    spec = settings.objects[name]
    return isinstance(spec, Segmented) and not spec.segmenter.keeps_ids


def _add(
    found: ObjectQuality,
    metric: ObjectMetric,
    settings: Settings,
    name: str,
    rows: ObjectRows,
    image: NDArray[np.int64],
    counts: Floats,
) -> None:
    spec, what = settings.objects[name], prefix(name)
    channels = spec.channels if isinstance(spec, Segmented) else ()
    columns = metric.reads(rows.names, channels)
    if metric.needs and not columns:
        kind = type(metric).model_fields["kind"].default
        if not metric.everywhere:
            found.unjudged.append(f"{what}: {kind} needs {metric.needs}")
        return
    values = metric(rows.read(columns), image, counts)
    for column, unit in metric.columns().items():
        full = f"{column}_{what}"
        # An image that is lost has no objects, whatever is left of it.
        values[column] = np.where(np.isnan(counts), np.nan, values[column])
        found.columns[full], found.units[full] = values[column], unit
    for fault, hit in metric.flags(values, counts).items():
        for i in np.flatnonzero(hit):
            found.faults[i].append(f"{what}: {fault}")
