"""Texture family: Haralick's features of each object in each channel, by scale and direction.

In: labels and channels. Out: `Texture_<Feature>_<Channel>_<scale>_<direction>_<gray levels>` under
CellProfiler's names. Grey values are divided by a full scale that is set, not found: by the image's
own range a value would depend on the tile, by the type's on how a file declares its bits. What is
above the full scale counts as full scale. Voxels whose level is 0 are left out, as in CellProfiler.

Planes and volumes share their columns. Directions 00 … 03 lie in the plane; in a volume they join
voxels of the same plane and all planes count together. With `directions: 13` a volume has all
thirteen in CellProfiler's order for volumes, and 04 … 12 are NaN in planes. An object is NaN in all
columns of a scale if one of the directions joins no two of its voxels, and in all columns of a
channel if it contains a NaN.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from voxelmill.features import Feature, check_shapes
from voxelmill.kernels.measure import Objects, index_objects
from voxelmill.kernels.measure_texture import grey_table, textures
from voxelmill.kernels.measure_values import gather, voxels
from voxelmill.plugin import Array, Index, Labels, Pixels, Spacing

MEASURES: Mapping[str, tuple[str, str]] = {
    "AngularSecondMoment": ("1", "sum of the squared shares of the pairs (a, b)"),
    "Contrast": ("levels^2", "mean of (a - b)^2"),
    "Correlation": ("1", "correlation of a and b; 1 if there is one level"),
    "Variance": ("levels^2", "variance of a"),
    "InverseDifferenceMoment": ("1", "mean of 1 / (1 + (a - b)^2)"),
    "SumAverage": ("levels", "mean of a + b"),
    "SumVariance": ("levels^2", "variance of a + b"),
    "SumEntropy": ("bit", "entropy of a + b"),
    "Entropy": ("bit", "entropy H(a, b) of the pairs"),
    "DifferenceVariance": (
        "1",
        "variance of the shares of abs(a - b) = 0 … the object's highest level",
    ),
    "DifferenceEntropy": ("bit", "entropy of abs(a - b)"),
    "InfoMeas1": ("1", "H(a, b) / H(a) - 2; 0 if there is one level"),
    "InfoMeas2": ("1", "square root of 1 - exp(2 H(a, b) - 4 H(a))"),
}
"""Feature → unit, definition; a and b are the levels of two voxels a step apart."""

IN_PLANE: tuple[Index, ...] = ((0, 0, 1), (0, 1, 1), (0, 1, 0), (0, 1, -1))
IN_VOLUME: tuple[Index, ...] = (
    (1, 0, 0),
    (1, 1, 0),
    (0, 1, 0),
    (1, -1, 0),
    (0, 0, 1),
    (1, 0, 1),
    (0, 1, 1),
    (1, 1, 1),
    (1, -1, 1),
    (1, 0, -1),
    (0, 1, -1),
    (1, 1, -1),
    (1, -1, -1),
)
"""Steps along z, y, x in CellProfiler's (mahotas') order."""


class Texture(Feature):
    """Haralick's texture features of each object in each channel."""

    voxel_bytes: ClassVar[float] = 12.0
    kind: Literal["texture"] = "texture"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureTexture (Stirling et al. 2021, doi:10.1186/s12859-021-04344-9); "
        "Haralick, Shanmugam & Dinstein 1973, doi:10.1109/TSMC.1973.4309314; mahotas 1.4"
    )

    scales_px: tuple[Annotated[int, Field(ge=1, le=2**16)], ...] = Field(
        (3,), min_length=1, description="distances between the voxels of a pair, along each axis"
    )
    gray_levels: int = Field(256, ge=2, le=256, description="levels, with 0 for what is left out")
    full_scale: float = Field(
        65535.0,
        gt=0,
        allow_inf_nan=False,
        description="grey value of the highest level, whatever the image's type: 65535 if all of "
        "16 bits are used, 4095 for 12 bits, 255 for 8 bits, 1 for fractions",
    )
    directions: Literal[4, 13] = Field(
        4, description="4: within planes; 13: all of a volume (04 … 12 are NaN in planes)"
    )

    @field_validator("scales_px")
    @classmethod
    def _distinct(cls, scales: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError(f"{list(scales)}: a scale is named twice. Name each once")
        return scales

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit, channel by channel."""
        return {name: unit for name, (unit, _) in self._table(channels).items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: text for name, (_, text) in self._table(channels).items()}

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
        chosen = self.chosen(list(image))
        objects = index_objects(labels)
        found: dict[str, Array] = {}
        for channel, pixels in image.items():
            if not chosen.keys().isdisjoint(self._table([channel])):
                found |= self._measure(objects, channel, pixels, chosen)
        undefined = np.full(objects.ids.size, np.nan)
        return {name: found.get(name, undefined) for name in chosen}

    def _measure(
        self, objects: Objects, channel: str, pixels: Pixels, chosen: Mapping[str, str]
    ) -> dict[str, Array]:
        steps = IN_VOLUME if self.directions == 13 and not objects.planar else IN_PLANE
        names = [
            [[self._name(f, channel, s, d) for f in MEASURES] for d in range(len(steps))]
            for s in self.scales_px
        ]
        measured = textures(
            gather(pixels, objects.once(voxels)),
            objects,
            self.full_scale,
            grey_table(self.gray_levels),
            np.array([[[s * i for i in step] for step in steps] for s in self.scales_px]),
            np.array([[not chosen.keys().isdisjoint(row) for row in rows] for rows in names]),
        )
        flat = [name for rows in names for row in rows for name in row]
        return dict(zip(flat, measured.reshape(len(flat), objects.ids.size), strict=True))

    def _name(self, feature: str, channel: str, scale: int, direction: int) -> str:
        return f"Texture_{feature}_{channel}_{scale}_{direction:02d}_{self.gray_levels}"

    def _table(self, channels: Sequence[str]) -> dict[str, tuple[str, str]]:
        return {
            self._name(feature, channel, scale, direction): (
                unit,
                f"{text}; {self._step(scale, direction)}",
            )
            for channel in channels
            for scale in self.scales_px
            for direction in range(self.directions)
            for feature, (unit, text) in MEASURES.items()
        }

    def _step(self, scale: int, direction: int) -> str:
        """Say how far b is from a."""
        flat = "undefined"
        if direction < len(IN_PLANE):
            y, x = (scale * i for i in IN_PLANE[direction][1:])
            flat = f"({y}, {x}) px from a along y, x"
        if self.directions == len(IN_PLANE):
            return f"b is {flat}"
        z, y, x = (scale * i for i in IN_VOLUME[direction])
        return f"b is ({z}, {y}, {x}) px from a along z, y, x; in planes {flat}"
