"""Group and array metadata → Image: where axes, levels and arrays must agree."""

from collections.abc import Sequence
from itertools import pairwise

from voxelmill.ngff.arrayinfo import ArrayInfo
from voxelmill.ngff.group import Group
from voxelmill.ngff.model import Image, Level
from voxelmill.ngff.multiscale import Multiscale, parse_multiscale
from voxelmill.ngff.omero import channel_names, check_label
from voxelmill.plugin import BadInput


def build_image(group: Group, arrays: Sequence[ArrayInfo | None], url: str, path: str) -> Image:
    """Put an image together.

    Parameters
    ----------
    group : Group
        The image group.
    arrays : sequence of ArrayInfo or None
        One for each path of ``parse_multiscale(group)``; None where there is no array.
    url, path : str
        Dataset, and image group in it.

    Raises
    ------
    BadInput
        Levels that are not there, differ in dimensions, or are not ordered by size; bad `omero`
        or `image-label`.
    """
    scale = parse_multiscale(group)
    warnings, notes = list(scale.warnings), list(scale.notes)
    check_label(group, notes)
    place = group.attributes.place
    levels = []
    for name, spacing, array in zip(scale.paths, scale.scales, arrays, strict=True):
        if array is None:
            raise BadInput(f"{place}: no array '{name}'; datasets[].path must name an array.")
        _check_dimensions(f"{place}/{name}", scale, array)
        if group.version == "0.5" and _unnamed(f"{place}/{name}", scale, array):
            warnings.append("dimension_names are missing; axes taken in the order of multiscales")
        levels.append(Level(name, array.shape, spacing, array))
    _check_order(place, levels)
    dtypes = [level.array.dtype for level in levels]
    if len({dtype[1:] for dtype in dtypes}) > 1:
        notes.append(f"levels differ in data type: {', '.join(dtypes)}")
    stored = dict(zip(scale.axes, levels[0].shape, strict=True))
    t, c, z, y, x = (stored.get(letter, 1) for letter in "tczyx")
    return Image(
        url=url,
        path=path,
        version=group.version,
        axes=scale.axes,
        shape=(t, c, z, y, x),
        # Booleans are read as numbers: see `read_box`.
        dtype="|u1" if dtypes[0] == "|b1" else dtypes[0],
        spacing_um=scale.scales[0],
        channels=channel_names(group, c, warnings),
        levels=tuple(levels),
        warnings=tuple(dict.fromkeys(warnings)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _check_dimensions(place: str, scale: Multiscale, array: ArrayInfo) -> None:
    if len(array.shape) != len(scale.axes):
        raise BadInput(
            f"{place}: shape {list(array.shape)} has {len(array.shape)} dimensions; "
            f"must have one for each of the {len(scale.axes)} axes {', '.join(scale.names)}."
        )


def _unnamed(place: str, scale: Multiscale, array: ArrayInfo) -> bool:
    """Tell whether 0.5's dimension names are missing; refuse ones that contradict the axes."""
    names = array.dimension_names
    if names is not None and names != scale.names:
        raise BadInput(
            f"{place}: dimension_names {list(names)}; must equal the axes {list(scale.names)}."
        )
    return names is None


def _check_order(place: str, levels: Sequence[Level]) -> None:
    for finer, coarser in pairwise(levels):
        if any(b > a for a, b in zip(finer.shape, coarser.shape, strict=True)):
            raise BadInput(
                f"{place}: level '{coarser.path}' {list(coarser.shape)} is larger than "
                f"'{finer.path}' {list(finer.shape)} before it; datasets must be ordered from "
                "the highest resolution to the lowest."
            )
