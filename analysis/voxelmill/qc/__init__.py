"""QC contracts: pixels, objects or wells in; a few numbers, and which of them are suspect, out.

Three levels, one base: `Metric` judges images by their pixels, `ObjectMetric` by the objects found
in them, `PlateMetric` a plate by its wells. One file here = one metric of any level.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.plugin import Array, Pixels, Plugin, Spacing, discover
from voxelmill.qc._plate import Bools, Finding, Floats, Ints, Judgement, Plate

__all__ = ["Finding", "Judgement", "Plate"]


class Check(Plugin):
    """Base of the metrics of all levels; see `docs/add-an-algorithm.md`."""

    level: ClassVar[Literal["image", "object", "plate"]]
    fails: ClassVar[frozenset[str]] = frozenset()
    """Faults with which an image, or a well, is useless (verdict fail); others only warn."""


class Metric(Check):
    """Base of the metrics of images; see `docs/add-an-algorithm.md`."""

    level: ClassVar[Literal["image", "object", "plate"]] = "image"
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


class ObjectMetric(Check):
    """Base of the metrics of objects; see `docs/add-an-algorithm.md`."""

    level: ClassVar[Literal["image", "object", "plate"]] = "object"
    needs: ClassVar[str] = ""
    """Columns without which there is nothing to judge, in words."""
    everywhere: ClassVar[bool] = False
    """Without `sets`, all sets are judged, those made of others too."""
    sets: tuple[str, ...] = Field(
        default=(),
        description="Object sets that are judged; none named: those found in pixels, so neither "
        "grown from seeds nor subtracted.",
    )

    def columns(self) -> dict[str, str]:
        """Columns made per image and object set → unit, e.g. ``ObjectQuality_PercentSeam``."""
        raise NotImplementedError

    def reads(self, there: Collection[str], channels: Sequence[str]) -> tuple[str, ...]:
        """Columns to read, of those that the table of objects has.

        Parameters
        ----------
        there : collection of str
            Columns of the table, those of features without the object set: ``AreaShape_Area``.
        channels : sequence of str
            Channels that the set was found in; empty where it was made of others.

        Returns
        -------
        tuple of str
            None: the set cannot be judged. ``counts`` alone are given in any case.
        """
        raise NotImplementedError

    def __call__(
        self, objects: Mapping[str, Array], image: Ints, counts: Floats
    ) -> dict[str, Floats]:
        """Value of each image from the objects of a dataset.

        Parameters
        ----------
        objects : mapping of str to (n_objects,) array
            The columns of ``reads``, all objects of one set, in any order.
        image : (n_objects,) int64 array
            Which image each lies in.
        counts : (n_images,) float64 array
            Objects of each image; NaN where it was not segmented.

        Returns
        -------
        dict of str to (n_images,) float64 array
            Every column of ``columns``; NaN where undefined.
        """
        raise NotImplementedError

    def flags(self, values: Mapping[str, Floats], counts: Floats) -> dict[str, Bools]:
        """Judge the images of a dataset, one object set at a time.

        Parameters
        ----------
        values : mapping of str to (n_images,) float64 array
            What the call has made.
        counts : (n_images,) float64 array
            Objects of each image; NaN where it was not segmented.

        Returns
        -------
        dict of str to (n_images,) bool array
            Name of the fault (``Merged``) → which images have it.
        """
        return {}


class PlateMetric(Check):
    """Base of the metrics of plates; see `docs/add-an-algorithm.md`."""

    level: ClassVar[Literal["image", "object", "plate"]] = "plate"

    def __call__(self, plate: Plate) -> Judgement:
        """Judge one plate.

        Parameters
        ----------
        plate : Plate
            Values of wells and images; not to be written to.

        Returns
        -------
        Judgement
            Findings, faults of wells, and what could not be judged.
        """
        raise NotImplementedError


def metrics() -> dict[str, type[Metric]]:
    """All classes of metrics of images by kind."""
    return discover(sys.modules[__name__], Metric)


def checks() -> dict[str, type[Check]]:
    """All QC metric classes, of every level, by kind."""
    return discover(sys.modules[__name__], Check)
