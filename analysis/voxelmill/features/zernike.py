"""Zernike family: the shape of each object in Zernike polynomials over its enclosing circle.

In: labels only. Out: `AreaShape_Zernike_<n>_<m>` under CellProfiler's names, degrees 0 to 9. Planes
only: volumes are NaN throughout. The values do not depend on where an object lies, on its size
(but for the pixel grid) or on its rotation. A single pixel has no circle: NaN.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from voxelmill.features import Feature
from voxelmill.kernels.measure import Floats, Objects, index_objects
from voxelmill.kernels.measure_circle import enclosing_circles
from voxelmill.kernels.measure_zernike import ORDERS, zernike_sums
from voxelmill.plugin import Array, Labels, Pixels, Spacing

COLUMNS: Mapping[str, tuple[int, int]] = {f"AreaShape_Zernike_{n}_{m}": (n, m) for n, m in ORDERS}
"""Column → n, m."""


class Zernike(Feature):
    """Zernike magnitudes of each object's shape."""

    voxel_bytes: ClassVar[float] = 5.0
    kind: Literal["zernike"] = "zernike"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectSizeShape (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); Boland et al. 1998; circle: Chrystal 1885"
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit; the same for every image."""
        return dict.fromkeys(COLUMNS, "1")

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        text = "over the smallest circle around the pixel centres, per area of the circle"
        return {
            name: f"magnitude of the Zernike moment n = {n}, m = {m} {text}; planes only"
            for name, (n, m) in COLUMNS.items()
        }

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every object; pixels and `spacing_um` are not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids above 0, not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Ignored.
        spacing_um : tuple of float
            Ignored: lengths are pixels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            The chosen of ``columns``, in ascending label order.
        """
        chosen = self.chosen(list(image))
        objects = index_objects(labels)
        if not chosen or not objects.planar:
            return {name: np.full(objects.ids.size, np.nan) for name in chosen}
        score = _magnitudes(objects)
        order = list(COLUMNS)
        return {name: score[:, order.index(name)] for name in chosen}


def _magnitudes(objects: Objects) -> Floats:
    circles = objects.once(enclosing_circles)
    real, imaginary = zernike_sums(objects, circles, None)
    radius = np.where(circles[:, 2] > 0, circles[:, 2], np.nan)
    area = np.pi * radius * radius
    magnitudes: Floats = np.sqrt(real * real + imaginary * imaginary) / area[:, None]
    return magnitudes
