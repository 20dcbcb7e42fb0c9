"""Intensity family: brightness of each object in each channel, and where in it the signal lies.

In: labels and channels. Out: `Intensity_<Measure>_<Channel>` and
`Location_<Place>_<Axis>_<Channel>` under CellProfiler's names. Values are the image's own grey
values; CellProfiler divides integer images by their full scale first, which would make a table
depend on how a file declares its bits. An object that contains a NaN is NaN in every column of
that channel.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import Floats, Objects, index_objects, to_grid
from voxelmill.kernels.measure_intensity import brightness
from voxelmill.kernels.measure_moments import centroids, power_sums
from voxelmill.plugin import Array, Labels, Pixels, Spacing

AXES = ("Z", "Y", "X")
MEASURES: Mapping[str, tuple[str, str]] = {
    "IntegratedIntensity": ("intensity", "sum over the object"),
    "MeanIntensity": ("intensity", "mean over the object"),
    "StdIntensity": ("intensity", "standard deviation over the object (population)"),
    "MinIntensity": ("intensity", "smallest value"),
    "MaxIntensity": ("intensity", "largest value"),
    "IntegratedIntensityEdge": ("intensity", "sum over the edge voxels"),
    "MeanIntensityEdge": ("intensity", "mean over the edge voxels"),
    "StdIntensityEdge": ("intensity", "standard deviation over the edge voxels (population)"),
    "MinIntensityEdge": ("intensity", "smallest value of the edge voxels"),
    "MaxIntensityEdge": ("intensity", "largest value of the edge voxels"),
    "LowerQuartileIntensity": ("intensity", "25th percentile, linear interpolation"),
    "MedianIntensity": ("intensity", "median"),
    "UpperQuartileIntensity": ("intensity", "75th percentile, linear interpolation"),
    "MADIntensity": ("intensity", "median absolute deviation from the median"),
    "MassDisplacement": ("px", "distance between centre of mass and centroid"),
}
"""Measure → unit, definition."""

PLACES: Mapping[str, str] = {
    "CenterMassIntensity": "centre of mass, rounded to 2^-26 px",
    "MaxIntensity": "first voxel of the largest value",
}
"""Place → definition."""

STATISTICS = ("Integrated", "Mean", "Std", "Min", "Max")
QUANTILES = ("LowerQuartile", "Median", "UpperQuartile", "MAD")
MASS = tuple(f"Location_CenterMassIntensity_{axis}" for axis in AXES)
DISPLACEMENT = "Intensity_MassDisplacement"
KERNEL = (
    *(f"Intensity_{name}Intensity" for name in STATISTICS),
    *(f"Intensity_{name}IntensityEdge" for name in STATISTICS),
    *(f"Intensity_{name}Intensity" for name in QUANTILES),
    *MASS,
    *(f"Location_MaxIntensity_{axis}" for axis in AXES),
)
"""What the columns of ``brightness`` are called."""


class Intensity(Feature):
    """Brightness of each object in each channel, and where in it the signal lies."""

    voxel_bytes: ClassVar[float] = 8.0
    kind: Literal["intensity"] = "intensity"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectIntensity (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9)"
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, channel by channel."""
        return {f"{name}_{c}": unit for c in channels for name, (unit, _) in _table().items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {f"{name}_{c}": text for c in channels for name, (_, text) in _table().items()}

    def positions(self, channels: Sequence[str]) -> dict[str, int]:
        """Columns that are positions → axis (0 = z, 1 = y, 2 = x)."""
        return {
            f"Location_{place}_{axis}_{channel}": i
            for channel in channels
            for place in PLACES
            for i, axis in enumerate(AXES)
        }

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every object in every channel; `spacing_um` is not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids above 0, not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Pixels by channel name, any real dtype; integers above 2**53 are rounded.
        spacing_um : tuple of float
            Ignored: distances are voxels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            Every column of ``chosen``, in ascending label order.

        Raises
        ------
        BadInput
            A channel's shape is not that of the labels.
        """
        check_shapes(labels, image)
        objects = index_objects(labels)
        chosen = self.chosen(list(image))
        found: dict[str, Array] = {}
        for channel, pixels in image.items():
            wanted = {name for name in _table() if f"{name}_{channel}" in chosen}
            if wanted:
                measured = _measure(objects, pixels, wanted)
                found |= {f"{name}_{channel}": column for name, column in measured.items()}
        return {name: found[name] for name in chosen}


def _table() -> dict[str, tuple[str, str]]:
    """Columns of a channel, without its name → unit, definition."""
    table = {f"Intensity_{name}": row for name, row in MEASURES.items()}
    for place, text in PLACES.items():
        for axis in reversed(AXES):
            table[f"Location_{place}_{axis}"] = ("px", f"{text}, along {axis.lower()}")
    return table


def _measure(objects: Objects, pixels: Pixels, wanted: set[str]) -> dict[str, Floats]:
    """Measure one channel; columns that are not `wanted` may hold NaN instead."""
    needed = wanted | set(MASS) if DISPLACEMENT in wanted else wanted
    table = brightness(objects, pixels, np.array([name in needed for name in KERNEL]))
    found = {name: table[:, i] for i, name in enumerate(KERNEL)}
    if DISPLACEMENT in wanted:
        centroid = centroids(objects.once(power_sums), objects.sizes)
        z, y, x = (found[name] - centroid[:, i] for i, name in enumerate(MASS))
        found[DISPLACEMENT] = np.sqrt(z * z + y * y + x * x)
    for i, axis in enumerate(AXES):
        for place in PLACES:
            name = f"Location_{place}_{axis}"
            found[name] = objects.low[:, i] + to_grid(found[name])
    return found
