"""Radial family: how each channel's light is spread from the middle of an object to its edge.

In: labels and channels. Out: `RadialDistribution_<Measure>_<Channel>_<i>of<n>` under CellProfiler's
names; ring 1 is the innermost. Rings lie at equal shares of the way from the centre to the edge
(CellProfiler's scaled bins). The centre is the pixel farthest from the edge, and ways run inside
the object. Defined for planes only; in volumes all columns are NaN, as CellProfiler measures planes
only. Parts of an object that do not touch the part with the centre are left out.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_radial import sectors
from voxelmill.kernels.measure_radial_edge import edge_squares
from voxelmill.kernels.measure_radial_sums import MEASURES, ring_shares
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.plugin import Array, Labels, Pixels, Spacing

TEXTS: Mapping[str, str] = {
    "FracAtD": "share of the object's summed intensity that lies in the ring; planes only",
    "MeanFrac": "that share over the ring's share of the pixels; planes only",
    "RadialCV": (
        "standard deviation over mean of the mean intensities of the ring's eight wedges; "
        "planes only"
    ),
}
"""Measure → definition."""


class Radial(Feature):
    """Spread of each channel's light over rings around the middle of the object."""

    voxel_bytes: ClassVar[float] = 8.0
    kind: Literal["radial"] = "radial"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectIntensityDistribution (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9)"
    )

    bins: int = Field(
        default=4, ge=2, le=100, description="Rings from the object's centre to its edge."
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, channel by channel."""
        return dict.fromkeys(self.describe(channels), "1")

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {
            self._column(measure, channel, ring): TEXTS[measure]
            for channel in channels
            for ring in range(self.bins)
            for measure in MEASURES
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
            Pixels by channel name, any real dtype.
        spacing_um : tuple of float
            Ignored: distances are pixels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            Every column of ``chosen``, in ascending label order.

        Raises
        ------
        BadInput
            A channel's shape is not that of the labels.
        """
        objects = index_objects(labels)
        wanted = self.chosen(list(image))
        channels = [c for c in image if wanted.keys() & self.columns([c]).keys()]
        check_shapes(labels, {channel: image[channel] for channel in channels})
        found = dict.fromkeys(wanted, np.full(objects.ids.size, np.nan))
        if channels and objects.planar:
            flat = objects.once(voxels)
            places = sectors(objects, objects.once(edge_squares), self.bins)
            for channel in channels:
                # No name holds the values: they are gone before those of the next channel come.
                shares = ring_shares(
                    gather(image[channel], flat), places, objects.starts, self.bins
                )
                for ring in range(self.bins):
                    for i, measure in enumerate(MEASURES):
                        found[self._column(measure, channel, ring)] = shares[:, ring, i]
        return {name: found[name] for name in wanted}

    def _column(self, measure: str, channel: str, ring: int) -> str:
        return f"RadialDistribution_{measure}_{channel}_{ring + 1}of{self.bins}"
