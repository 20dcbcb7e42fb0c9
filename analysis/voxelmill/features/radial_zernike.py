"""Radial Zernike family: how each channel's light lies in an object, in Zernike polynomials.

In: labels and channels. Out: `RadialDistribution_ZernikeMagnitude_<Channel>_<n>_<m>` and
`RadialDistribution_ZernikePhase_<Channel>_<n>_<m>` under CellProfiler's names, degrees 0 to 9. The
moments are those of the channel's grey values over the smallest circle around the object. Defined
for planes only; in volumes all columns are NaN, as CellProfiler measures planes only. A single
pixel has no circle: NaN. The phase of a moment that is 0 but for rounding errors means nothing.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import Floats, Objects, index_objects
from voxelmill.kernels.measure_circle import enclosing_circles
from voxelmill.kernels.measure_radial_phase import phases
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.kernels.measure_zernike import ORDERS, zernike_sums
from voxelmill.plugin import Array, Labels, Pixels, Spacing

MAGNITUDE, PHASE = "ZernikeMagnitude", "ZernikePhase"

MEASURES: Mapping[str, tuple[str, str]] = {
    MAGNITUDE: (
        "intensity",
        "magnitude of the intensity's Zernike moment {}, per pixel of the object",
    ),
    PHASE: ("rad", "arctangent of the moment's part along y over that along x, {}"),
}
"""Measure → unit, definition."""


class RadialZernike(Feature):
    """Zernike moments of each channel's light over the object's enclosing circle."""

    voxel_bytes: ClassVar[float] = 8.0
    kind: Literal["radial_zernike"] = "radial_zernike"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectIntensityDistribution (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); Boland et al. 1998; circle: Chrystal 1885"
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, channel by channel."""
        return {name: unit for name, (unit, _) in _table(channels).items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: text for name, (_, text) in _table(channels).items()}

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
            Ignored: lengths are pixels.

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
        if objects.planar:
            for channel in channels:
                moments = _moments(objects, image[channel])
                for measure, values in moments.items():
                    for k, order in enumerate(ORDERS):
                        found[_column(measure, channel, order)] = values[:, k]
        return {name: found[name] for name in wanted}


def _moments(objects: Objects, pixels: Pixels) -> dict[str, Floats]:
    values = gather(pixels, objects.once(voxels))
    real, imaginary = zernike_sums(objects, objects.once(enclosing_circles), values)
    return {
        MAGNITUDE: np.sqrt(real * real + imaginary * imaginary) / objects.sizes[:, None],
        PHASE: phases(real, imaginary),
    }


def _table(channels: Sequence[str]) -> dict[str, tuple[str, str]]:
    return {
        _column(measure, channel, (n, m)): (
            unit,
            f"{text.format(f'n = {n}, m = {m}')}; planes only",
        )
        for channel in channels
        for n, m in ORDERS
        for measure, (unit, text) in MEASURES.items()
    }


def _column(measure: str, channel: str, order: tuple[int, int]) -> str:
    return f"RadialDistribution_{measure}_{channel}_{order[0]}_{order[1]}"
