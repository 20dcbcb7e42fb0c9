"""QC contract: one channel in, a few numbers out; then, of a plate, which images are suspect."""

import sys
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array, Pixels, Plugin, Spacing, discover


class Metric(Plugin):
    """Base of all QC metrics; see `docs/add-an-algorithm.md`."""

    level: ClassVar[Literal["image", "object", "plate"]] = "image"
    fails: ClassVar[frozenset[str]] = frozenset()
    """Faults of `flags` with which an image is useless (verdict fail); others only warn."""
    faults: ClassVar[Mapping[str, str]] = {}
    """Faults of `flags` → when an image has them, for `docs/image-quality.md`."""

    def columns(self) -> dict[str, str]:
        """Columns made per channel → unit, e.g. ``ImageQuality_FocusScore`` → ``1``."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """Columns → definition in a line, for `docs/image-quality.md`."""
        return {}

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Measure one channel at one time point.

        Parameters
        ----------
        image : (z, y, x) array
            Pixels of one channel, native dtype.
        spacing_um : tuple of float
            Voxel size along z, y, x in micrometres.

        Returns
        -------
        dict of str to float
            Every column of ``columns``; NaN where undefined.
        """
        raise NotImplementedError

    def combine(self, tiles: Mapping[str, Array], voxels: Array) -> dict[str, float]:
        """Value of an image from those of its tiles: the median, thin remainders left out.

        Parameters
        ----------
        tiles : mapping of str to (n_tiles,) array
            Columns of ``columns``, NaN where undefined.
        voxels : (n_tiles,) array
            Size of each tile.
        """
        full = voxels * 2 > voxels.max()
        kept = {column: values[full & ~np.isnan(values)] for column, values in tiles.items()}
        return {c: float(np.median(v)) if v.size else float("nan") for c, v in kept.items()}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """Judge the images of a plate, one channel at a time.

        Parameters
        ----------
        values : mapping of str to (n_images,) array
            QC columns of all images of the dataset for one channel (other metrics' too).

        Returns
        -------
        dict of str to (n_images,) bool array
            Name of the fault (``OutOfFocus``) → which images have it.
        """
        return {}


def metrics() -> dict[str, type[Metric]]:
    """All QC metric classes by kind."""
    return discover(sys.modules[__name__], Metric)
