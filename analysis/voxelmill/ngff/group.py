"""A Zarr group's metadata → OME-Zarr version, kind and attributes.

0.4 keeps its metadata in a Zarr v2 group's `.zattrs`, 0.5 under `attributes.ome` of a Zarr v3
group's `zarr.json`.
"""

from dataclasses import dataclass

from voxelmill.ngff.model import Version
from voxelmill.ngff.node import Node, parse_json
from voxelmill.plugin import BadInput

DOCUMENTS = {"0.4": ".zattrs", "0.5": "zarr.json"}
"""File of a group that holds the metadata, by version."""
ARRAY_DOCUMENTS = {"0.4": ".zarray", "0.5": "zarr.json"}
"""File of an array that holds its metadata, by version."""


@dataclass(frozen=True)
class Group:
    """A group with OME-Zarr metadata."""

    version: Version
    kind: str
    attributes: Node


def parse_group(document: bytes, version: str, place: str) -> Group:
    """Read a group's metadata document.

    Parameters
    ----------
    document : bytes
        Content of ``.zattrs`` (0.4) or ``zarr.json`` (0.5).
    version : str
        '0.4' or '0.5': which of the two files it is.
    place : str
        Name of the group in messages.

    Raises
    ------
    BadInput
        Not JSON, an array, no OME-Zarr metadata, or a version that is not read.
    """
    node = parse_json(document, place)
    if version == "0.4":
        if "ome" in node.members():
            raise node.child("ome", node.value["ome"]).bad("0.5 metadata must lie in a zarr.json")
        return Group("0.4", _kind(node), node)
    node.need("zarr_format").integer(3, 3)
    if node.need("node_type").one_of("group", "array") == "array":
        raise BadInput(f"{place}: is a Zarr array; must be a group with OME-Zarr metadata.")
    attributes = node.get("attributes")
    ome = attributes.get("ome") if attributes else None
    if ome is None:
        raise BadInput(
            f"{place}: no 'attributes.ome' in zarr.json; OME-Zarr 0.5 keeps its metadata there."
        )
    ome.need("version").one_of("0.5")
    return Group("0.5", _kind(ome), ome)


def check_version(holder: Node, notes: list[str]) -> None:
    """Check the 'version' that 0.4 repeats in each part; its absence is only noted."""
    version = holder.get("version")
    if version is None:
        notes.append(f"{holder.path}: no version; 0.4 assumed")
    else:
        version.one_of("0.4")


def _kind(attributes: Node) -> str:
    members = attributes.members()
    if "plate" in members:
        return "plate"
    if "bioformats2raw.layout" in members:
        attributes.child("bioformats2raw.layout", members["bioformats2raw.layout"]).integer(3, 3)
        return "collection"
    if "multiscales" in members:
        return "image"
    for other in ("image-label", "well", "labels", "series"):
        if other in members:
            return other
    raise BadInput(
        f"{attributes.place}: no multiscales, plate or bioformats2raw.layout in its metadata; "
        "an OME-Zarr 0.4 or 0.5 group must have one of them."
    )
