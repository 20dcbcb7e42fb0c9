"""Shape family: size, place, outline, ellipse, convex hull, radii and surface of each object.

In: labels only. Out: `AreaShape_*` and `Location_Center_*` under CellProfiler's names. The columns
are the same for planes and volumes, so tables never change their schema; where a definition does
not exist the value is NaN (`AreaShape_Area` in a volume, `AreaShape_Volume` in a plane). An array
with one plane is a plane. All lengths are voxels, whatever the spacing, as in CellProfiler.
Columns are measured in groups; a group that no column is chosen of costs nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from voxelmill.features import Feature
from voxelmill.features._shape_columns import COLUMNS
from voxelmill.kernels.measure import Floats, Objects, index_objects, to_grid
from voxelmill.kernels.measure_feret import feret_diameters
from voxelmill.kernels.measure_hull import hull_pixels
from voxelmill.kernels.measure_hull3d import hull_voxels
from voxelmill.kernels.measure_moments import centroids, covariance, power_sums
from voxelmill.kernels.measure_outline import outlines
from voxelmill.kernels.measure_radii import radii
from voxelmill.kernels.measure_surface import surface_areas
from voxelmill.plugin import Array, Labels, Pixels, Spacing

AXES = ("Z", "Y", "X")


class Shape(Feature):
    """Size, place, outline, ellipse, convex hull, radii and surface."""

    voxel_bytes: ClassVar[float] = 5.0
    kind: Literal["shape"] = "shape"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectSizeShape (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); perimeter: Benkrid & Crookes 2000; surface: Lewiner et "
        "al. 2003"
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit; the same for every image."""
        return {name: column.unit for name, column in COLUMNS.items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: column.text for name, column in COLUMNS.items()}

    def positions(self, channels: Sequence[str]) -> dict[str, int]:
        """Columns that are positions → axis (0 = z, 1 = y, 2 = x)."""
        places = ("Center_", "BoundingBoxMinimum_", "BoundingBoxMaximum_")
        return {
            name: AXES.index(name[-1]) for name in COLUMNS if any(place in name for place in places)
        }

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every object; `image` and `spacing_um` are not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids above 0, not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Ignored.
        spacing_um : tuple of float
            Ignored: lengths are voxels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            Every column of ``chosen``, in ascending label order.
        """
        objects = index_objects(labels)
        wanted = self.chosen(list(image))
        found: dict[str, Floats] = {}
        for group in dict.fromkeys(COLUMNS[name].group for name in wanted):
            found |= MEASURES[group](objects)
        undefined = np.full(objects.ids.size, np.nan)
        return {name: found.get(name, undefined) for name in wanted}


def _sizes(objects: Objects) -> dict[str, Floats]:
    size = objects.sizes.astype(np.float64)
    box = (objects.high - objects.low).prod(axis=1).astype(np.float64)
    planar = objects.planar
    return {
        "AreaShape_Area" if planar else "AreaShape_Volume": size,
        "AreaShape_BoundingBoxArea" if planar else "AreaShape_BoundingBoxVolume": box,
        "AreaShape_Extent": size / box,
        "AreaShape_EquivalentDiameter": np.sqrt(4 * size / math.pi)
        if planar
        else _each(math.cbrt, 6 * size / math.pi),
    }


def _places(objects: Objects) -> dict[str, Floats]:
    centre = objects.low + to_grid(centroids(objects.once(power_sums), objects.sizes))
    found: dict[str, Floats] = {}
    for i, axis in enumerate(AXES):
        found[f"AreaShape_Center_{axis}"] = found[f"Location_Center_{axis}"] = centre[:, i]
        found[f"AreaShape_BoundingBoxMinimum_{axis}"] = objects.low[:, i].astype(np.float64)
        found[f"AreaShape_BoundingBoxMaximum_{axis}"] = objects.high[:, i].astype(np.float64)
    return found


def _ellipses(objects: Objects) -> dict[str, Floats]:
    moments = covariance(objects.once(power_sums), objects.sizes)
    if not objects.planar:
        spreads = np.maximum(np.linalg.eigvalsh(moments), 0.0)
        return {
            "AreaShape_MajorAxisLength": np.sqrt(20 * spreads[:, 2]),
            "AreaShape_MinorAxisLength": np.sqrt(20 * spreads[:, 0]),
        }
    yy, xx, yx = moments[:, 1, 1], moments[:, 2, 2], moments[:, 1, 2]
    middle = (yy + xx) / 2
    half = (xx - yy) / 2
    spread = np.sqrt(half * half + yx * yx)
    major = middle + spread
    minor = np.maximum(middle - spread, 0.0)
    angle = _each(math.atan2, 2 * yx, yy - xx) * (90 / math.pi)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    return {
        "AreaShape_MajorAxisLength": 4 * np.sqrt(major),
        "AreaShape_MinorAxisLength": 4 * np.sqrt(minor),
        "AreaShape_Eccentricity": np.sqrt(1 - ratio),
        "AreaShape_Orientation": np.where(half == 0, np.where(yx > 0, 45.0, -45.0), angle),
    }


def _outlines(objects: Objects) -> dict[str, Floats]:
    _, weights, euler = objects.once(outlines)
    found = {"AreaShape_EulerNumber": euler.astype(np.float64)}
    if not objects.planar:
        return found
    area = objects.sizes.astype(np.float64)
    length = weights[:, 0] + weights[:, 1] * math.sqrt(2) + weights[:, 2] * (1 + math.sqrt(2)) / 2
    square = length * length
    form = np.full_like(area, np.nan)
    np.divide(4 * math.pi * area, square, out=form, where=square > 0)
    return found | {
        "AreaShape_Perimeter": length,
        "AreaShape_FormFactor": form,
        "AreaShape_Compactness": square / (4 * math.pi * area),
    }


def _hulls(objects: Objects) -> dict[str, Floats]:
    if not objects.planar:
        return {"AreaShape_Solidity": objects.sizes / hull_voxels(objects)}
    convex = hull_pixels(objects).astype(np.float64)
    return {"AreaShape_ConvexArea": convex, "AreaShape_Solidity": objects.sizes / convex}


def _radii(objects: Objects) -> dict[str, Floats]:
    names = ("MaximumRadius", "MeanRadius", "MedianRadius")
    return _named(names, radii(objects)) if objects.planar else {}


def _diameters(objects: Objects) -> dict[str, Floats]:
    names = ("MinFeretDiameter", "MaxFeretDiameter")
    return _named(names, feret_diameters(objects)) if objects.planar else {}


def _surfaces(objects: Objects) -> dict[str, Floats]:
    return {} if objects.planar else {"AreaShape_SurfaceArea": surface_areas(objects)}


MEASURES: Mapping[str, Callable[[Objects], dict[str, Floats]]] = {
    "size": _sizes,
    "place": _places,
    "outline": _outlines,
    "ellipse": _ellipses,
    "hull": _hulls,
    "radii": _radii,
    "feret": _diameters,
    "surface": _surfaces,
}
"""Group of columns → what measures it; a column that it does not return is undefined."""


def _named(names: Sequence[str], values: Floats) -> dict[str, Floats]:
    return {f"AreaShape_{name}": values[:, i] for i, name in enumerate(names)}


def _each(function: Callable[..., float], *columns: Floats) -> Floats:
    """Apply a scalar function row by row.

    NumPy's own transcendental functions may differ in the last bit with a row's place in the array.
    """
    return np.fromiter(map(function, *(column.tolist() for column in columns)), np.float64)
