"""What is known of a dataset without reading a pixel: frozen, picklable, small.

`Dataset` lists `ImageRef`s; an `Image` has `Level`s; a `Level` is one Zarr array, `ArrayInfo`.
"""

from dataclasses import dataclass
from typing import Literal

from voxelmill.ngff.arrayinfo import ArrayInfo
from voxelmill.plugin import Spacing

Version = Literal["0.4", "0.5"]
Kind = Literal["image", "plate", "collection"]


def place_of(url: str, path: str = "") -> str:
    """Name of an image in messages: last part of the dataset's address, then its path."""
    name = url.rstrip("/").rsplit("/", 1)[-1]
    return f"{name}/{path}" if path else name


@dataclass(frozen=True)
class Level:
    """One resolution of an image; `shape` in stored axis order, spacing along z, y, x in µm."""

    path: str
    shape: tuple[int, ...]
    spacing_um: Spacing
    array: ArrayInfo


@dataclass(frozen=True)
class Image:
    """One multiscale image.

    Attributes
    ----------
    url, path : str
        Dataset, and image group in it ('' = the root itself).
    axes : str
        Letters of tczyx in the order they are stored. An axis of a custom type is read as c.
    shape : tuple of 5 int
        Level 0 along (t, c, z, y, x); 1 where an axis is absent.
    dtype : str
        Numpy type string of level 0 with byte order as stored; booleans are read as ``|u1``.
    spacing_um : tuple of 3 float
        Voxel size of level 0 along z, y, x.
    channels : tuple of str
        One distinct name a channel.
    warnings : tuple of str
        What was assumed in order to read the pixels.
    notes : tuple of str
        Recommendations (SHOULD) of the specification that the metadata do not follow.
    """

    url: str
    path: str
    version: Version
    axes: str
    shape: tuple[int, int, int, int, int]
    dtype: str
    spacing_um: Spacing
    channels: tuple[str, ...]
    levels: tuple[Level, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Name in messages."""
        return place_of(self.url, self.path)

    def shape_at(self, level: int) -> tuple[int, int, int, int, int]:
        """Extent of `level` along (t, c, z, y, x); 1 where an axis is absent."""
        stored = dict(zip(self.axes, self.levels[level].shape, strict=True))
        t, c, z, y, x = (stored.get(letter, 1) for letter in "tczyx")
        return t, c, z, y, x


@dataclass(frozen=True)
class ImageRef:
    """Where one image lies in its dataset.

    Attributes
    ----------
    path : str
        Image group, '' = the root itself.
    plate, well, row, column, site : str
        Place on a plate: well like 'B03', site the image's path in the well; '' off a plate.
    acquisition : int, optional
        Acquisition the field belongs to.
    series : str
        Series of a bioformats2raw collection, else ''.
    """

    path: str
    plate: str = ""
    well: str = ""
    row: str = ""
    column: str = ""
    site: str = ""
    acquisition: int | None = None
    series: str = ""


@dataclass(frozen=True)
class Dataset:
    """One OME-Zarr root.

    Attributes
    ----------
    rows, columns : tuple of str
        Names of a plate's rows and columns, else ().
    problems : tuple of (str, str)
        Wells whose metadata cannot be read: (path, reason).
    warnings : tuple of str
        Contradictions that were resolved, and how.
    """

    url: str
    kind: Kind
    version: Version
    images: tuple[ImageRef, ...]
    name: str
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
