"""Colocalization family: how the signals of every two channels go together within each object.

In: labels and channels. Out: `Correlation_<Measure>_<A>_<B>` under CellProfiler's names, for every
pair of channels in image order; one channel alone has no columns. Planes and volumes have the same
columns. An object with a NaN in one of the two channels is NaN in all columns of the pair.

A voxel is *bright* in a channel if it has `threshold_percent` or more of the largest value that
the object has there. All measures but Correlation and Slope sum over the voxels that are bright in
both channels; an object without any has 0.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_colocalization import colocalization
from voxelmill.plugin import Array, BadConfig, Labels, Pixels, Spacing

MEASURES: tuple[tuple[str, int, str], ...] = (
    ("Correlation", 0, "Pearson's correlation of {a} and {b}; NaN if one of them is flat"),
    ("Slope", 0, "slope of {b} over {a}, least squares; NaN if {a} is flat"),
    ("Overlap", 0, "sum of {a} {b} / root of sum of {a}^2 times sum of {b}^2, both bright"),
    ("K", 0, "sum of {a} {b} / sum of {a}^2, both bright"),
    ("K", 1, "sum of {a} {b} / sum of {a}^2, both bright"),
    ("Manders", 0, "sum of {a} where both are bright / where {a} is"),
    ("Manders", 1, "sum of {a} where both are bright / where {a} is"),
    ("RWC", 0, "as Manders, each voxel weighted by how close its ranks in {a} and {b} are"),
    ("RWC", 1, "as Manders, each voxel weighted by how close its ranks in {a} and {b} are"),
)
"""Measure, whether the channels swap places, definition; in the order of the kernel's columns."""


class Colocalization(Feature):
    """Correlation, overlap and rank-weighted colocalization of every two channels."""

    voxel_bytes: ClassVar[float] = 6.0
    kind: Literal["colocalization"] = "colocalization"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureColocalization (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); RWC: Singan et al. 2011, doi:10.1186/1471-2105-12-407"
    )
    threshold_percent: float = Field(
        default=15.0,
        ge=0,
        le=100,
        description="share of a channel's largest value in the object from which on a voxel is "
        "bright in it",
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, pair by pair."""
        return dict.fromkeys(self.describe(channels), "1")

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        rows = [row for pair in combinations(channels, 2) for row in _definitions(*pair)]
        found = dict(rows)
        if len(found) < len(rows):
            raise BadConfig(
                f"features.colocalization: the pairs of {', '.join(channels)} make columns of the "
                "same name. Rename channels that contain '_'"
            )
        return found

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every pair of channels in every object; `spacing_um` is not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids above 0, not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Pixels by channel name, any real dtype; integers above 2**53 are rounded.
        spacing_um : tuple of float
            Ignored.

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
        chosen = self.chosen(list(image))
        if not chosen:
            return {}
        wanted = np.array([name in chosen for name in self.columns(list(image))])
        wanted = wanted.reshape(-1, len(MEASURES))
        needed = wanted.any(axis=1)
        every = np.array(list(combinations(range(len(image)), 2)))
        used, pairs = np.unique(every[needed], return_inverse=True)
        channels = list(image.values())
        table = colocalization(
            index_objects(labels),
            [channels[i] for i in used],
            pairs.reshape(-1, 2),
            wanted[needed],
            self.threshold_percent / 100,
        )
        return dict(zip(chosen, table[:, wanted[needed]].T, strict=True))


def _definitions(first: str, second: str) -> list[tuple[str, str]]:
    """Columns of a pair and their definitions."""
    rows = []
    for measure, swapped, text in MEASURES:
        a, b = (second, first) if swapped else (first, second)
        rows.append((f"Correlation_{measure}_{a}_{b}", text.format(a=a, b=b)))
    return rows
