"""Axes of an image → letters of tczyx, and µm per unit along each.

Source: OME-NGFF 0.4 and 0.5, section "axes".
"""

from voxelmill.ngff.node import Node
from voxelmill.ngff.units import is_standard, micrometres

_KINDS = ("time", "channel", "custom", "space")


def axis_letters(axes: Node, nodes: list[Node], warnings: list[str]) -> str:
    """Return one letter an axis, as stored; a custom or untyped axis is c.

    Raises
    ------
    BadInput
        Names that repeat, or types that are too few, too many or out of order.
    """
    names = [node.need("name").text() for node in nodes]
    axes.unique(list(names), "axis names")
    kinds = [_kind(node) for node in nodes]
    if kinds.count("space") not in (2, 3):
        raise axes.bad(f"must have 2 or 3 axes of type space, has {kinds.count('space')}")
    if kinds.count("time") > 1:
        raise axes.bad("must have at most one axis of type time")
    if kinds.count("channel") + kinds.count("custom") > 1:
        raise axes.bad("must have at most one axis that is channel or of a custom type")
    if kinds != sorted(kinds, key=_KINDS.index):
        raise axes.bad(f"must be ordered time, channel, space, not {', '.join(kinds)}")
    if "custom" in kinds:
        warnings.append(f"axis '{names[kinds.index('custom')]}' is read as channels")
    head = "".join({"time": "t", "channel": "c", "custom": "c"}.get(kind, "") for kind in kinds)
    spatial = [name.lower() for name, kind in zip(names, kinds, strict=True) if kind == "space"]
    usual = "zyx"[-len(spatial) :]
    named = "".join(spatial) if set(spatial) == set(usual) else usual
    if named != usual:
        warnings.append(f"space axes are stored as {named}; turned to {usual} on reading")
    elif spatial != list(usual):
        warnings.append(f"space axes {', '.join(spatial)} are read as {', '.join(usual)}")
    return head + named


def _kind(axis: Node) -> str:
    given = axis.get("type")
    kind = "custom" if given is None else given.text()
    return kind if kind in ("time", "channel", "space") else "custom"


def unit_factors(
    nodes: list[Node], letters: str, notes: list[str], warnings: list[str]
) -> dict[str, float]:
    """Return how many µm one unit is along each axis; 1 where no length unit is given."""
    factors = dict.fromkeys(letters, 1.0)
    for node, letter in zip(nodes, letters, strict=True):
        unit = node.get("unit")
        if unit is None or letter not in "zyx":
            continue
        factor = micrometres(unit.text())
        if factor is None:
            warnings.append(
                f"axis {letter}: unknown unit '{unit.value}'; read as micrometres. "
                "Where that is wrong, give sizes in px (diameter_px)"
            )
        elif not is_standard(unit.value):
            notes.append(f"axis {letter}: unit '{unit.value}' is not one of the specification's")
        factors[letter] = 1.0 if factor is None else factor
    return factors


def warn_of_units(
    nodes: list[Node], letters: str, spacing: tuple[float, float, float], warnings: list[str]
) -> None:
    """Say what was assumed where a space axis has no unit."""
    pairs = zip(nodes, letters, strict=True)
    bare = [letter for node, letter in pairs if letter in "zyx" and node.get("unit") is None]
    if not bare:
        return
    sizes = [spacing["zyx".index(letter)] for letter in bare]
    if all(size == 1 for size in sizes):
        warnings.append(
            f"no pixel size along {', '.join(bare)}: 1 µm assumed. "
            "Give sizes in px (diameter_px) instead of µm"
        )
    else:
        shown = ", ".join(f"{size:g}" for size in sizes)
        warnings.append(
            f"no unit along {', '.join(bare)}: {shown} read as micrometres. "
            "Where that is wrong, give sizes in px (diameter_px)"
        )
