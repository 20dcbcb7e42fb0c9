"""`multiscales`: axes, levels and scales of an image group, checked before any array is looked at.

Sources: OME-NGFF 0.4 and 0.5, sections "coordinateTransformations" and "multiscales".
"""

from dataclasses import dataclass

from voxelmill.ngff.axes import axis_letters, unit_factors, warn_of_units
from voxelmill.ngff.group import Group, check_version
from voxelmill.ngff.node import Node


@dataclass(frozen=True)
class Multiscale:
    """Axes and levels of an image, as its group says.

    Attributes
    ----------
    names : tuple of str
        Axis names as stored.
    axes : str
        The same axes as letters of tczyx.
    paths : tuple of str
        Level arrays, highest resolution first.
    scales : tuple of tuple of 3 float
        Voxel size of each level along z, y, x in µm.
    """

    names: tuple[str, ...]
    axes: str
    paths: tuple[str, ...]
    scales: tuple[tuple[float, float, float], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def parse_multiscale(group: Group) -> Multiscale:
    """Read the first entry of `multiscales`.

    Raises
    ------
    BadInput
        Names the member, what it holds and the rule.
    """
    warnings: list[str] = []
    notes: list[str] = []
    entries = group.attributes.need("multiscales").each(1)
    if len(entries) > 1:
        warnings.append(f"multiscales has {len(entries)} entries; the first is read")
    entry = entries[0]
    if group.version == "0.4":
        check_version(entry, notes)
    _note_missing(entry, notes)
    nodes = entry.need("axes").each(2, 5)
    letters = axis_letters(entry.child("axes", entry.value["axes"]), nodes, warnings)
    whole = _scale(entry.get("coordinateTransformations"), letters, warnings)
    levels = entry.need("datasets").each(1)
    paths = tuple(level.need("path").inner_path() for level in levels)
    entry.child("datasets", entry.value["datasets"]).unique(list(paths), "paths")
    factors = unit_factors(nodes, letters, notes, warnings)
    scales = []
    for level in levels:
        own = _scale(level.need("coordinateTransformations"), letters, warnings)
        by_axis = {a: w * s * factors[a] for a, w, s in zip(letters, whole, own, strict=True)}
        scales.append((by_axis.get("z", 1.0), by_axis["y"], by_axis["x"]))
    warn_of_units(nodes, letters, scales[0], warnings)
    names = tuple(str(node.value["name"]) for node in nodes)
    return Multiscale(names, letters, paths, tuple(scales), _once(warnings), _once(notes))


def _scale(holder: Node | None, letters: str, warnings: list[str]) -> list[float]:
    """Factors, one an axis, of a list of one scale and perhaps a translation."""
    if holder is None:
        return [1.0] * len(letters)
    steps = holder.each(1)
    kinds = [step.need("type").one_of("scale", "translation") for step in steps]
    if kinds.count("scale") != 1:
        raise holder.bad("must hold exactly one scale transformation")
    if kinds.count("translation") > 1:
        raise holder.bad("must hold at most one translation")
    if kinds == ["translation", "scale"]:
        raise holder.bad("scale must come before translation")
    values: list[float] = []
    for step, kind in zip(steps, kinds, strict=True):
        vector = step.need(kind)
        numbers = [entry.number() for entry in vector.each(2)]
        if kind == "scale":
            values = _aligned(vector, numbers, letters, warnings)
    return values


def _aligned(vector: Node, values: list[float], letters: str, warnings: list[str]) -> list[float]:
    spatial = sum(letter in "zyx" for letter in letters)
    if len(values) == spatial < len(letters):
        # The 0.4 conformance suite holds such an image to be valid.
        warnings.append(f"scale has {spatial} values for axes {letters}; read as the space axes'")
        values = [1.0] * (len(letters) - spatial) + values
    if len(values) != len(letters):
        raise vector.bad(f"must have one value for each of the {len(letters)} axes")
    if any(v <= 0 for v, letter in zip(values, letters, strict=True) if letter in "zyx"):
        raise vector.bad("must be above 0 along space axes")
    return values


def _note_missing(entry: Node, notes: list[str]) -> None:
    missing = [key for key in ("name", "type", "metadata") if key not in entry.members()]
    if missing:
        notes.append(f"{entry.path}: no {', '.join(missing)}; recommended")


def _once(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
