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

from voxelmill.features import Feature
from voxelmill.kernels.measure import Flags, Floats, Ints, Objects, index_objects, to_grid
from voxelmill.kernels.measure_moments import centroids, power_sums
from voxelmill.kernels.measure_outline import outlines
from voxelmill.kernels.measure_quantiles import quantiles
from voxelmill.kernels.measure_values import centres, gather, statistics, voxels
from voxelmill.plugin import Array, BadInput, Labels, Pixels, Spacing

AXES = ("Z", "Y", "X")
STATISTICS = ("Integrated", "Mean", "Std", "Min", "Max")
QUANTILES = ("LowerQuartile", "Median", "UpperQuartile", "MAD")

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
        return {name: unit for name, (unit, _) in _table(channels).items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: text for name, (_, text) in _table(channels).items()}

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
            Every column of ``columns``, in ascending label order.

        Raises
        ------
        BadInput
            A channel's shape is not that of the labels.
        """
        objects = index_objects(labels)
        flat = objects.once(voxels)
        centroid = centroids(objects.once(power_sums), objects.sizes)
        edges, _, _ = objects.once(outlines)
        found: dict[str, Array] = {}
        for channel, pixels in image.items():
            if pixels.shape != labels.shape:
                raise BadInput(
                    f"channel '{channel}': shape {pixels.shape}; the labels have {labels.shape}. "
                    "Measure objects on the image that they were segmented on."
                )
            values = gather(pixels, flat)
            known = statistics(values, objects.starts)
            measured = _brightness(values, edges, objects.starts, known)
            measured |= _whereabouts(values, objects, centroid, known)
            found |= {f"{name}_{channel}": column for name, column in measured.items()}
        return {name: found[name] for name in _table(list(image))}


def _table(channels: Sequence[str]) -> dict[str, tuple[str, str]]:
    table: dict[str, tuple[str, str]] = {}
    for channel in channels:
        for name, row in MEASURES.items():
            table[f"Intensity_{name}_{channel}"] = row
        for place, text in PLACES.items():
            for axis in reversed(AXES):
                table[f"Location_{place}_{axis}_{channel}"] = (
                    "px",
                    f"{text}, along {axis.lower()}",
                )
    return table


def _brightness(values: Floats, edges: Flags, starts: Ints, known: Floats) -> dict[str, Floats]:
    edge_starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(edges)])[starts]
    edge = statistics(values[edges], edge_starts)
    edge[np.isnan(known[:, 0])] = np.nan
    spread = quantiles(values, starts, known)
    found = {f"Intensity_{name}Intensity": known[:, i] for i, name in enumerate(STATISTICS)}
    found |= {f"Intensity_{name}IntensityEdge": edge[:, i] for i, name in enumerate(STATISTICS)}
    return found | {f"Intensity_{name}Intensity": spread[:, i] for i, name in enumerate(QUANTILES)}


def _whereabouts(
    values: Floats, objects: Objects, centroid: Floats, known: Floats
) -> dict[str, Floats]:
    mass, brightest = centres(values, objects, known)
    step = mass - centroid
    square = step[:, 0] * step[:, 0] + step[:, 1] * step[:, 1] + step[:, 2] * step[:, 2]
    found = {"Intensity_MassDisplacement": np.sqrt(square)}
    for i, axis in enumerate(AXES):
        low = objects.low[:, i]
        found[f"Location_CenterMassIntensity_{axis}"] = low + to_grid(mass[:, i])
        found[f"Location_MaxIntensity_{axis}"] = low + brightest[:, i]
    return found
