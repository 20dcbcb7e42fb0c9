"""OME-NGFF metadata as the viewer gets them: what voxelmill understands, said in one way.

In: an image, or a label image, and its group's own metadata. Out: a group document with the same
levels; axes named by letters, lengths in micrometres, and no shift of level 0. So an image and its
labels, which say no shift, lie on each other; and a file with an unusual unit or axis name is
shown as it was processed. Pure: no files.
"""

import json
from collections.abc import Sequence
from typing import Any

from voxelmill.ngff import Group, Image, Level
from voxelmill.ngff.node import Node

KINDS = {"t": "time", "c": "channel"}


def has_units(group: Group) -> bool:
    """Whether all space axes say their unit: without, sizes are in pixels."""
    axes = _first(group).need("axes").each()
    return all(
        axis.get("unit") is not None
        for axis in axes
        if (kind := axis.get("type")) is not None and kind.value == "space"
    )


def group_documents(image: Image, group: Group, *, units: bool) -> dict[str, bytes]:
    """Documents of the image's group by file name, as they are served.

    Parameters
    ----------
    image : Image
    group : Group
        Its own metadata.
    units : bool
        Whether sizes are micrometres, rather than pixels.
    """
    entry: dict[str, Any] = {
        "axes": [_axis(letter, units=units) for letter in image.axes],
        "datasets": [
            {"path": level.path, "coordinateTransformations": _steps(image, level, shift)}
            for level, shift in zip(image.levels, _shifts(image, group), strict=True)
        ],
    }
    if image.version == "0.4":
        attributes = {"multiscales": [{"version": "0.4", **entry}]}
        return {".zattrs": _json(attributes), ".zgroup": _json({"zarr_format": 2})}
    ome = {"version": "0.5", "multiscales": [entry]}
    document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    return {"zarr.json": _json(document)}


def _first(group: Group) -> Node:
    return group.attributes.need("multiscales").each(1)[0]


def _axis(letter: str, *, units: bool) -> dict[str, str]:
    unit = {"unit": "micrometer"} if units and letter in "zyx" else {}
    return {"name": letter, "type": KINDS.get(letter, "space"), **unit}


def _steps(image: Image, level: Level, shift: Sequence[float]) -> list[dict[str, Any]]:
    spacing = dict(zip("zyx", level.spacing_um, strict=True))
    scale = [spacing.get(letter, 1.0) for letter in image.axes]
    found: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(shift):
        found.append({"type": "translation", "translation": list(shift)})
    return found


def _shifts(image: Image, group: Group) -> list[list[float]]:
    """Translation of each level against level 0 along the stored axes: µm, 0 but along space."""
    entries = _first(group).need("datasets").each(1)
    own = [_vectors(entry.need("coordinateTransformations")) for entry in entries]
    spacing = dict(zip("zyx", image.spacing_um, strict=True))
    found = []
    for _, moved in own:
        shift = [0.0] * len(image.axes)
        for axis, letter in enumerate(image.axes):
            if letter in "zyx":
                # All levels share the unit and the scale of the whole, in which level 0 is known.
                unit = spacing[letter] / _at(own[0][0], axis, image.axes, 1.0)
                zero = _at(own[0][1], axis, image.axes, 0.0)
                shift[axis] = (_at(moved, axis, image.axes, 0.0) - zero) * unit
        found.append(shift)
    return found


def _vectors(steps: Node) -> tuple[list[float], list[float]]:
    """Scale and translation of a level; empty where it has none."""
    found: dict[str, list[float]] = {"scale": [], "translation": []}
    for step in steps.each(1):
        kind = step.need("type").one_of(*found)
        found[kind] = [value.number() for value in step.need(kind).each()]
    return found["scale"], found["translation"]


def _at(vector: Sequence[float], axis: int, axes: str, default: float) -> float:
    """Value along an axis of a vector that may leave out the first ones."""
    place = axis - (len(axes) - len(vector))
    return vector[place] if place >= 0 and vector else default


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
