"""Shape family: size, place, outline, ellipse and convex hull of each object.

In: labels only. Out: `AreaShape_*` and `Location_Center_*` under CellProfiler's names. The columns
are the same for planes and volumes, so tables never change their schema; where a definition does
not exist the value is NaN (`AreaShape_Area` in a volume, `AreaShape_Volume` in a plane). An array
with one plane is a plane. All lengths are voxels, whatever the spacing, as in CellProfiler.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from voxelmill.features import Feature
from voxelmill.kernels.measure import Floats, Ints, Objects, index_objects, to_grid
from voxelmill.kernels.measure_hull import hull_pixels
from voxelmill.kernels.measure_moments import centroids, covariance, power_sums
from voxelmill.kernels.measure_outline import outlines
from voxelmill.plugin import Array, Labels, Pixels, Spacing

AXES = ("Z", "Y", "X")

COLUMNS: Mapping[str, tuple[str, str]] = {
    "AreaShape_Area": ("px", "pixels of the object; planes only"),
    "AreaShape_Volume": ("px", "voxels of the object; volumes only"),
    "AreaShape_BoundingBoxArea": ("px", "pixels of the bounding box; planes only"),
    "AreaShape_BoundingBoxVolume": ("px", "voxels of the bounding box; volumes only"),
    "AreaShape_BoundingBoxMinimum_X": ("px", "first voxel along x"),
    "AreaShape_BoundingBoxMinimum_Y": ("px", "first voxel along y"),
    "AreaShape_BoundingBoxMinimum_Z": ("px", "first voxel along z"),
    "AreaShape_BoundingBoxMaximum_X": ("px", "one past the last voxel along x"),
    "AreaShape_BoundingBoxMaximum_Y": ("px", "one past the last voxel along y"),
    "AreaShape_BoundingBoxMaximum_Z": ("px", "one past the last voxel along z"),
    "AreaShape_Center_X": ("px", "centroid along x, rounded to 2^-26 px"),
    "AreaShape_Center_Y": ("px", "centroid along y, rounded to 2^-26 px"),
    "AreaShape_Center_Z": ("px", "centroid along z, rounded to 2^-26 px"),
    "Location_Center_X": ("px", "centroid along x, as AreaShape_Center_X"),
    "Location_Center_Y": ("px", "centroid along y, as AreaShape_Center_Y"),
    "Location_Center_Z": ("px", "centroid along z, as AreaShape_Center_Z"),
    "AreaShape_EquivalentDiameter": ("px", "diameter of the disc or ball of the same size"),
    "AreaShape_Extent": ("1", "share of the bounding box that the object fills"),
    "AreaShape_EulerNumber": (
        "1",
        "parts - holes (planes, 8-connected); parts - tunnels + cavities (volumes, 26-connected)",
    ),
    "AreaShape_MajorAxisLength": ("px", "major axis of the ellipse(oid) of equal second moments"),
    "AreaShape_MinorAxisLength": ("px", "minor axis of the ellipse(oid) of equal second moments"),
    "AreaShape_Eccentricity": ("1", "of that ellipse, 0 disc … 1 line; planes only"),
    "AreaShape_Orientation": (
        "deg",
        "angle of the major axis from the y axis towards x, -90 … 90; planes only",
    ),
    "AreaShape_Perimeter": ("px", "length of the outline, 4-connected; planes only"),
    "AreaShape_FormFactor": ("1", "4 pi area / perimeter^2; planes only, NaN without a perimeter"),
    "AreaShape_Compactness": ("1", "perimeter^2 / (4 pi area); planes only"),
    "AreaShape_ConvexArea": ("px", "pixels of the convex hull of the pixels' edges; planes only"),
    "AreaShape_Solidity": ("1", "area / convex area; planes only"),
}
"""Column → unit, definition."""


class Shape(Feature):
    """Size, place, outline, ellipse and convex hull."""

    voxel_bytes: ClassVar[float] = 4.0
    kind: Literal["shape"] = "shape"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectSizeShape (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); perimeter: Benkrid & Crookes 2000"
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit; the same for every image."""
        return {name: unit for name, (unit, _) in COLUMNS.items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: text for name, (_, text) in COLUMNS.items()}

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
            Every column of ``columns``, in ascending label order.
        """
        objects = index_objects(labels)
        sums = objects.once(power_sums)
        _, weights, euler = objects.once(outlines)
        found = {**_sizes(objects), **_places(objects, sums)}
        found["AreaShape_EulerNumber"] = euler.astype(np.float64)
        if objects.planar:
            found |= _ellipse(covariance(sums, objects.sizes))
            found |= _outline(objects, weights)
        else:
            found |= _ellipsoid(covariance(sums, objects.sizes))
        undefined = np.full(objects.ids.size, np.nan)
        return {name: found.get(name, undefined) for name in COLUMNS}


def _sizes(objects: Objects) -> dict[str, Floats]:
    size = objects.sizes.astype(np.float64)
    box = (objects.high - objects.low).prod(axis=1).astype(np.float64)
    names = ("Area", "BoundingBoxArea") if objects.planar else ("Volume", "BoundingBoxVolume")
    diameter = _disc_diameter if objects.planar else _ball_diameter
    return {
        f"AreaShape_{names[0]}": size,
        f"AreaShape_{names[1]}": box,
        "AreaShape_Extent": size / box,
        "AreaShape_EquivalentDiameter": _each(diameter, size),
    }


def _places(objects: Objects, sums: Ints) -> dict[str, Floats]:
    centre = objects.low + to_grid(centroids(sums, objects.sizes))
    found: dict[str, Floats] = {}
    for i, axis in enumerate(AXES):
        found[f"AreaShape_Center_{axis}"] = found[f"Location_Center_{axis}"] = centre[:, i]
        found[f"AreaShape_BoundingBoxMinimum_{axis}"] = objects.low[:, i].astype(np.float64)
        found[f"AreaShape_BoundingBoxMaximum_{axis}"] = objects.high[:, i].astype(np.float64)
    return found


def _ellipse(covariance: Floats) -> dict[str, Floats]:
    yy, xx, yx = covariance[:, 1, 1], covariance[:, 2, 2], covariance[:, 1, 2]
    middle = (yy + xx) / 2
    half = (xx - yy) / 2
    spread = np.sqrt(half * half + yx * yx)
    major = middle + spread
    minor = np.maximum(middle - spread, 0.0)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    return {
        "AreaShape_MajorAxisLength": 4 * np.sqrt(major),
        "AreaShape_MinorAxisLength": 4 * np.sqrt(minor),
        "AreaShape_Eccentricity": np.sqrt(1 - ratio),
        "AreaShape_Orientation": _each(_orientation, yy, xx, yx),
    }


def _ellipsoid(covariance: Floats) -> dict[str, Floats]:
    spread = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    return {
        "AreaShape_MajorAxisLength": np.sqrt(20 * spread[:, 2]),
        "AreaShape_MinorAxisLength": np.sqrt(20 * spread[:, 0]),
    }


def _outline(objects: Objects, weights: Ints) -> dict[str, Floats]:
    area = objects.sizes.astype(np.float64)
    convex = hull_pixels(objects).astype(np.float64)
    length = weights[:, 0] + weights[:, 1] * math.sqrt(2) + weights[:, 2] * (1 + math.sqrt(2)) / 2
    square = length * length
    form = np.full_like(area, np.nan)
    np.divide(4 * math.pi * area, square, out=form, where=square > 0)
    return {
        "AreaShape_Perimeter": length,
        "AreaShape_FormFactor": form,
        "AreaShape_Compactness": square / (4 * math.pi * area),
        "AreaShape_ConvexArea": convex,
        "AreaShape_Solidity": area / convex,
    }


def _disc_diameter(area: float) -> float:
    return math.sqrt(4 * area / math.pi)


def _ball_diameter(volume: float) -> float:
    return math.cbrt(6 * volume / math.pi)


def _orientation(yy: float, xx: float, yx: float) -> float:
    if yy == xx:
        return 45.0 if yx > 0 else -45.0
    return math.degrees(0.5 * math.atan2(2 * yx, yy - xx))


def _each(function: Callable[..., float], *columns: Floats) -> Floats:
    """Apply a scalar function row by row.

    NumPy's own transcendental functions may differ in the last bit with a row's place in the array.
    """
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return np.fromiter((function(*row) for row in rows), np.float64)
