"""Granularity family: how much of each object's light lies in grains of each width.

In: labels and channels. Out: `Granularity_<i>_<Channel>`, i = 1 … `steps`, under CellProfiler's
names. CellProfiler samples, opens and reconstructs the whole image, so its values depend on where
an object lies on the sampling grid, on its neighbours and on the image's size, none of which may
matter here. So the definition is the family's own: CellProfiler's algorithm applied to each object
alone, everything around it 0, at full resolution unless `subsample` says otherwise. Values below 0
count as 0. An object that contains a NaN, or an infinity, is NaN in every column of that channel.
Planes (4 neighbours, disc) and volumes (6 neighbours, ball) have the same columns.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import index_objects
from voxelmill.kernels.measure_granularity import spectra
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.plugin import Array, Labels, Pixels, Spacing


class Granularity(Feature):
    """Spectrum of grain widths, by openings by reconstruction."""

    voxel_bytes: ClassVar[float] = 6.0
    kind: Literal["granularity"] = "granularity"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureGranularity (Stirling et al. 2021, doi:10.1186/s12859-021-04344-9) "
        "on each object alone; component tree: Vincent 2000, Fundamenta Informaticae 41:57-90"
    )
    steps: int = Field(16, ge=1, le=256, description="openings, each wider by 1 px on all sides")
    background_px: int = Field(
        10, ge=1, le=100, description="radius of the disc (ball) whose opening is the background"
    )
    subsample: int = Field(
        1,
        ge=1,
        le=64,
        description="side, in px, of the square (in volumes cubic) cells that the object's pixels "
        "are averaged in first, for grains wider than `steps`; both then count cells",
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, channel by channel."""
        return dict.fromkeys(self.describe(channels), "%")

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {
            f"Granularity_{i}_{channel}": _definition(i, "px" if self.subsample == 1 else "cells")
            for channel in channels
            for i in range(1, self.steps + 1)
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
            Ignored: widths are voxels.

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
            names = self.columns([channel])
            if chosen.keys().isdisjoint(names):
                continue
            values = gather(pixels, objects.once(voxels))
            table = spectra(values, objects, self.steps, self.background_px, self.subsample)
            found |= dict(zip(names, table.T, strict=True))
        return {name: found[name] for name in chosen}


def _definition(i: int, unit: str) -> str:
    text = f"what opening by reconstruction with a diamond of radius {i} {unit} removes"
    if i == 1:
        return f"{text}, and the background, in per cent of the mean"
    return f"{text} beyond {i - 1} {unit}, in per cent of the mean"
