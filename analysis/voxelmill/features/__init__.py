"""Feature contract: objects and pixels in, one number an object out. One file here = one family."""

import sys
from collections.abc import Mapping, Sequence
from typing import ClassVar

from voxelmill.plugin import Array, Labels, Pixels, Plugin, Spacing, discover


class Feature(Plugin):
    """Base of all feature families; see `docs/add-an-algorithm.md`."""

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
        """Measure every object.

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
            Every column of ``columns``, in ascending label order.
        """
        raise NotImplementedError


def features() -> dict[str, type[Feature]]:
    """All feature classes by kind."""
    return discover(sys.modules[__name__], Feature)
