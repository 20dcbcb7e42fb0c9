"""Feature contract: objects and pixels in, one number an object out. One file here = one family."""

import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.plugin import Array, BadConfig, BadInput, Labels, Pixels, Plugin, Spacing, discover

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


class Feature(Plugin):
    """Base of all feature families; see `docs/add-an-algorithm.md`."""

    only: tuple[str, ...] = Field(
        default=(), description="Columns to make, * matches any text; none named: all of them."
    )
    voxel_bytes: ClassVar[float] = 64.0
    """Most bytes that a call allocates per voxel of `labels`, its result included and the
    arguments not. `voxelmill plan` predicts memory from it."""

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns this family makes for images with these channels.

        Parameters
        ----------
        channels : sequence of str
            Channel names in image order.

        Returns
        -------
        dict of str to str
            Column (CellProfiler's name without the object set, e.g. ``AreaShape_Area``) → unit
            (``px``, ``1``, ``rad``, ``intensity`` …), in table order, known before computing.
        """
        raise NotImplementedError

    def chosen(self, channels: Sequence[str]) -> dict[str, str]:
        """Those of `columns` that `only` names: what is measured, and what the table gets."""
        return {
            column: unit
            for column, unit in self.columns(channels).items()
            if not self.only or any(fnmatchcase(column, pattern) for pattern in self.only)
        }

    def reach(self) -> int:
        """Voxels beyond an object's own that decide on its values.

        Above 0, `labels` hold all objects that lie there, some of them cut by the end of the box;
        the caller keeps the rows of those that it asks for.
        """
        return 0

    def frame_columns(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Those of `columns` that need all objects of a frame: made by ``over_frame``."""
        return ()

    def over_frame(self, ids: Ints, centres: Floats) -> dict[str, Array]:
        """Measure what needs all objects of a frame together, from where they are.

        Parameters
        ----------
        ids : (n,) int64 array
            Ascending.
        centres : (n, 3) float64 array
            Centroids along z, y, x in voxels, from the first voxel of the image.

        Returns
        -------
        dict of str to (n,) array
            The ``frame_columns``.
        """
        return {}

    def check(self, channels: Sequence[str]) -> None:
        """Refuse names in `only` that match no column.

        Raises
        ------
        BadConfig
            Names what there is.
        """
        made = list(self.columns(channels))
        for pattern in self.only:
            if not any(fnmatchcase(column, pattern) for column in made):
                kind = type(self).model_fields["kind"].default
                raise BadConfig(
                    f"features.{kind}.only: '{pattern}' matches no column; there are "
                    f"{', '.join(made[:3])} … See docs/features.md"
                )

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns → definition in a line, for `docs/features.md`."""
        return {}

    def positions(self, channels: Sequence[str]) -> dict[str, int]:
        """Columns that are positions → axis (0 = z, 1 = y, 2 = x).

        A feature sees a box of the image and counts from its corner; the caller adds the origin
        to these columns. All other values must not depend on where an object lies.
        """
        return {}

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every object; what is not among the ``chosen`` columns need not be computed.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids need not be consecutive.
        image : mapping of str to (z, y, x) array
            Pixels by channel name, in image order, native dtype.
        spacing_um : tuple of float
            Voxel size along z, y, x in micrometres.

        Returns
        -------
        dict of str to (n_objects,) array
            Every column of ``chosen`` but the ``frame_columns``, in ascending label order.
        """
        raise NotImplementedError


def check_shapes(labels: Labels, image: Mapping[str, Pixels]) -> None:
    """Refuse pixels that are not of the labels' shape.

    Raises
    ------
    BadInput
        Names the first such channel.
    """
    for channel, pixels in image.items():
        if pixels.shape != labels.shape:
            raise BadInput(
                f"channel '{channel}': shape {pixels.shape}; the labels have {labels.shape}. "
                "Measure objects on the image that they were segmented on."
            )


def check_features(families: Sequence[Feature], channels: Sequence[str]) -> None:
    """Refuse families that cannot make a table together.

    Raises
    ------
    BadConfig
        Two make the same column, or a name in ``only`` matches none.
    """
    makers: dict[str, str] = {}
    for family in families:
        family.check(channels)
        kind = str(type(family).model_fields["kind"].default)
        for column in family.chosen(channels):
            if column in makers:
                raise BadConfig(
                    f"features: '{makers[column]}' and '{kind}' both make '{column}'. "
                    "Remove one, or name the columns of one with `only`"
                )
            makers[column] = kind


def features() -> dict[str, type[Feature]]:
    """All feature classes by kind."""
    return discover(sys.modules[__name__], Feature)
