"""Axes and sizes of what a network of the BioImage Model Zoo takes and gives.

In: descriptions of tensors by bioimageio.spec. Out: axes by one letter, and tiles that fit them.
"""

from pathlib import Path
from typing import Any

from voxelmill.plugin import BadConfig

ORDER = ("b", "c", "y", "x")
TILE = 256
"""Edge of a tile in pixels, as near as the package allows."""
OTHER = "Choose another model"


def axes(tensor: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Axes by one letter; more than b, c, y, x by their names."""
    return tuple(a.type[0] if a.type in ("batch", "channel") else str(a.id) for a in tensor.axes)


def channels(tensor: Any) -> int:  # noqa: ANN401
    return next((len(a.channel_names) for a in tensor.axes if a.type == "channel"), 1)


def tiling(path: Path, seen: Any, said: Any) -> tuple[int, int]:  # noqa: ANN401
    """Edge and margin of the tiles, in pixels, by the descriptions of input and output.

    Raises
    ------
    BadConfig
        They are no planes, or the output is not where the input is.
    """
    for what, tensor in (("input", seen), ("output", said)):
        found = axes(tensor)
        if not {"y", "x"} <= set(found) <= set(ORDER):
            raise BadConfig(
                f"{path}: {what} axes {', '.join(found)}; allowed: b, c, y, x. Choose a 2-D model"
            )
    given = {str(a.id): a for a in seen.axes if a.type == "space"}
    edges = {name: _edge(a.size) for name, a in given.items()}
    if None in edges.values() or len(set(edges.values())) > 1:
        raise BadConfig(f"{path}: input of {edges} px; allowed: squares. {OTHER}")
    tile = edges["y"] or 0
    cuts, halos = set(), {0}
    for axis in (a for a in said.axes if a.type == "space"):
        ends = tile if axis.scale == given[str(axis.id)].scale else 0
        size = axis.size if isinstance(axis.size, int) else ends + getattr(axis.size, "offset", 0)
        cuts.add(tile - size)
        halos.add(getattr(axis, "halo", 0))
    cut, halo = cuts.pop(), max(halos)
    if cuts or cut < 0 or cut % 2 or cut >= tile:
        raise BadConfig(
            f"{path}: output of another size or scale than the input; allowed: the same, or less "
            f"by as much on every side. {OTHER}"
        )
    return tile, cut // 2 + halo if cut or halo else tile // 8


def _edge(size: Any) -> int | None:  # noqa: ANN401
    """The size nearest to TILE that an axis may have."""
    if isinstance(size, int):
        return size
    if not hasattr(size, "step"):
        return None
    return int(size.min + max(0, round((TILE - size.min) / size.step)) * size.step)
