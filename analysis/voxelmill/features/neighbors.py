"""Neighbors family: how crowded an object is, and which objects are the nearest.

In: labels with all that lies within `within_px` of an object; for the nearest two, the centroids
of all objects of the frame. Out: `Neighbors_<Measure>_<Distance>` under CellProfiler's names, for
planes and volumes. Lengths are voxels.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.features import Feature
from voxelmill.kernels.measure import Floats, Ints, index_objects
from voxelmill.kernels.measure_neighbors import angles, neighbours
from voxelmill.plugin import Array, Labels, Pixels, Spacing

NEAR: Mapping[str, tuple[str, str]] = {
    "NumberOfNeighbors": ("1", "objects within {distance}"),
    "PercentTouching": ("%", "share of the outline with another object within {distance}"),
}
NEAREST: Mapping[str, tuple[str, str]] = {
    "FirstClosestObjectNumber": ("id", "object with the nearest centroid; 0: there is none"),
    "FirstClosestDistance": ("px", "distance between the centroids of the two"),
    "SecondClosestObjectNumber": ("id", "object with the next nearest centroid; 0: there is none"),
    "SecondClosestDistance": ("px", "distance between the centroids of the two"),
    "AngleBetweenNeighbors": ("deg", "angle between the two nearest, seen from the object"),
}
ALL = {**NEAR, **NEAREST}
CANDIDATES = 4
"""The object itself, the two nearest, and one more where another has the very same centroid."""


class Neighbors(Feature):
    """Objects nearby, and the nearest two."""

    voxel_bytes: ClassVar[float] = 8.0
    kind: Literal["neighbors"] = "neighbors"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectNeighbors (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9)"
    )
    within_px: int = Field(
        default=5, ge=0, le=100, description="Distance that counts as near; 0: adjacent voxels."
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit; the same for every image."""
        return {self._name(m): unit for m, (unit, _) in ALL.items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        distance = f"{self.within_px} px" if self.within_px else "one voxel (adjacent)"
        return {self._name(m): text.format(distance=distance) for m, (_, text) in ALL.items()}

    def frame_columns(self, channels: Sequence[str]) -> tuple[str, ...]:
        """The nearest two may be anywhere in the frame."""
        return tuple(self._name(measure) for measure in NEAREST)

    def reach(self) -> int:
        """Voxels around an object that are looked at."""
        return max(1, self.within_px)

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Count neighbours; `image` and `spacing_um` are not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects and all that lies around them, ids not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Ignored.
        spacing_um : tuple of float
            Ignored: distances are voxels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            The chosen columns but the ``frame_columns``, in ascending label order.
        """
        names = [m for m in NEAR if self._name(m) in self.chosen(list(image))]
        if not names:
            return {}
        counts = neighbours(labels, index_objects(labels), self.reach()).astype(np.float64)
        near, touching, outline = counts.T
        found = {"NumberOfNeighbors": near, "PercentTouching": 100 * touching / outline}
        return {self._name(measure): found[measure] for measure in names}

    def over_frame(self, ids: Ints, centres: Floats) -> dict[str, Array]:
        """Find the two nearest objects by their centroids; NaN distances where there is none."""
        order, vectors, lengths = _nearest(ids, centres)
        found = {
            "FirstClosestObjectNumber": order[:, 0],
            "FirstClosestDistance": lengths[:, 0],
            "SecondClosestObjectNumber": order[:, 1],
            "SecondClosestDistance": lengths[:, 1],
            "AngleBetweenNeighbors": angles(vectors[:, 0].copy(), vectors[:, 1].copy()),
        }
        return {self._name(measure): values for measure, values in found.items()}

    def _name(self, measure: str) -> str:
        return f"Neighbors_{measure}_{self.within_px or 'Adjacent'}"


def _nearest(ids: Ints, centres: Floats) -> tuple[Ints, Floats, Floats]:
    """Two nearest objects: ids (n, 2), vectors to them (n, 2, 3), distances (n, 2)."""
    from scipy.spatial import cKDTree

    n = ids.size
    numbers = np.zeros((n, 2), np.int64)
    vectors = np.full((n, 2, 3), np.nan)
    if n > 1:
        _, rows = cKDTree(centres).query(centres, k=range(1, min(CANDIDATES, n) + 1))
        steps = centres[rows] - centres[:, None]
        square = (steps * steps).sum(axis=2)
        square[rows == np.arange(n)[:, None]] = np.inf
        best = np.lexsort((rows, square), axis=1)[:, : min(2, n - 1)]
        for place in range(best.shape[1]):
            row = np.take_along_axis(rows, best[:, place : place + 1], 1)[:, 0]
            numbers[:, place], vectors[:, place] = ids[row], centres[row] - centres
    return numbers, vectors, np.sqrt((vectors * vectors).sum(axis=2))
