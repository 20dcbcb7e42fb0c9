"""Columns of the shape family: which group of work makes each, its unit and its definition."""

from collections.abc import Mapping
from typing import NamedTuple


class Column(NamedTuple):
    """What is known of a column before anything is measured."""

    group: str
    """Columns of a group are measured together."""
    unit: str
    text: str
    """Definition in one line."""


COLUMNS: Mapping[str, Column] = {
    "AreaShape_Area": Column("size", "px", "pixels of the object; planes only"),
    "AreaShape_Volume": Column("size", "px", "voxels of the object; volumes only"),
    "AreaShape_BoundingBoxArea": Column("size", "px", "pixels of the bounding box; planes only"),
    "AreaShape_BoundingBoxVolume": Column("size", "px", "voxels of the bounding box; volumes only"),
    "AreaShape_BoundingBoxMinimum_X": Column("place", "px", "first voxel along x"),
    "AreaShape_BoundingBoxMinimum_Y": Column("place", "px", "first voxel along y"),
    "AreaShape_BoundingBoxMinimum_Z": Column("place", "px", "first voxel along z"),
    "AreaShape_BoundingBoxMaximum_X": Column("place", "px", "one past the last voxel along x"),
    "AreaShape_BoundingBoxMaximum_Y": Column("place", "px", "one past the last voxel along y"),
    "AreaShape_BoundingBoxMaximum_Z": Column("place", "px", "one past the last voxel along z"),
    "AreaShape_Center_X": Column("place", "px", "centroid along x, rounded to 2^-26 px"),
    "AreaShape_Center_Y": Column("place", "px", "centroid along y, rounded to 2^-26 px"),
    "AreaShape_Center_Z": Column("place", "px", "centroid along z, rounded to 2^-26 px"),
    "Location_Center_X": Column("place", "px", "centroid along x, as AreaShape_Center_X"),
    "Location_Center_Y": Column("place", "px", "centroid along y, as AreaShape_Center_Y"),
    "Location_Center_Z": Column("place", "px", "centroid along z, as AreaShape_Center_Z"),
    "AreaShape_EquivalentDiameter": Column(
        "size", "px", "diameter of the disc or ball of the same size"
    ),
    "AreaShape_Extent": Column("size", "1", "share of the bounding box that the object fills"),
    "AreaShape_EulerNumber": Column(
        "outline",
        "1",
        "parts - holes (planes, 8-connected); parts - tunnels + cavities (volumes, 26-connected)",
    ),
    "AreaShape_MajorAxisLength": Column(
        "ellipse", "px", "major axis of the ellipse(oid) of equal second moments"
    ),
    "AreaShape_MinorAxisLength": Column(
        "ellipse", "px", "minor axis of the ellipse(oid) of equal second moments"
    ),
    "AreaShape_Eccentricity": Column(
        "ellipse", "1", "of that ellipse, 0 disc … 1 line; planes only"
    ),
    "AreaShape_Orientation": Column(
        "ellipse",
        "deg",
        "angle of the major axis from the y axis towards x, -90 … 90; planes only",
    ),
    "AreaShape_Perimeter": Column(
        "outline", "px", "length of the outline, 4-connected; planes only"
    ),
    "AreaShape_FormFactor": Column(
        "outline", "1", "4 pi area / perimeter^2; planes only, NaN without a perimeter"
    ),
    "AreaShape_Compactness": Column("outline", "1", "perimeter^2 / (4 pi area); planes only"),
    "AreaShape_ConvexArea": Column(
        "hull", "px", "pixels of the convex hull of the pixels' edges; planes only"
    ),
    "AreaShape_Solidity": Column(
        "hull", "1", "share of the convex hull of the voxels' faces that the object fills"
    ),
    "AreaShape_MaximumRadius": Column(
        "radii", "px", "largest distance of a pixel to the nearest one outside; planes only"
    ),
    "AreaShape_MeanRadius": Column("radii", "px", "mean of these distances; planes only"),
    "AreaShape_MedianRadius": Column("radii", "px", "median of these distances; planes only"),
    "AreaShape_MinFeretDiameter": Column(
        "feret",
        "px",
        "least distance of two parallel lines around the pixels' centres; planes only",
    ),
    "AreaShape_MaxFeretDiameter": Column(
        "feret", "px", "largest distance of two pixels' centres; planes only"
    ),
    "AreaShape_SurfaceArea": Column(
        "surface", "px^2", "marching cubes through the centres of voxels outside; volumes only"
    ),
}
"""In table order."""
