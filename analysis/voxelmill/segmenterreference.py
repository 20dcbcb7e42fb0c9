"""The reference of all segmenters, made from the plugins themselves.

In: the segmenters that discovery finds, and what benchmarks say of their speed. Out: Markdown,
which `docs/segmenters.md` holds between two marks; a test compares the two.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from voxelmill.plugin import Plugin
from voxelmill.segmenters import Segmenter, segmenters

HIDDEN = ("kind", "origin", "extent", "fitted", "sha256")
"""Fields that the engine or a fit sets."""


def segmenter_tables(speeds: Mapping[str, str]) -> str:
    """One section a segmenter: what it is good for, what it promises, its parameters.

    Parameters
    ----------
    speeds : mapping of str to str
        Measured speed by kind.
    """
    return "\n".join(_section(k, c, speeds.get(k, "")) for k, c in segmenters().items())


def claim(cls: type[Segmenter]) -> str:
    """What a segmenter promises when an image is cut into blocks."""
    if cls.keeps_ids:
        return "the same in any blocks; ids are those of the seeds"
    if cls.connected:
        return "the same in any blocks, objects of any size"
    if cls.exact:
        return "the same in any blocks, objects within its halo; pieces of larger ones are flagged"
    return "blocks are stitched by their overlap; what they do not agree on is flagged"


def _section(kind: str, cls: type[Segmenter], speed: str) -> str:
    takes = "planes" if cls.planes else "planes and volumes"
    channels = "one channel" if cls.most_channels == 1 else f"1 to {cls.most_channels} channels"
    lines = [
        f"### `{kind}`",
        "",
        inspect.cleandoc(cls.__doc__ or "").partition("\n")[0],
        "",
        f"- Takes: {takes}, {channels}" + (" and seeds" if cls.keeps_ids else ""),
        f"- Promise: {claim(cls)}",
        f"- Speed: {speed or 'not measured'}",
        f"- Source: {cls.source}",
        "",
        "| parameter | default | meaning |",
        "|---|---|---|",
    ]
    return "\n".join([*lines, *parameters(cls), "", ""])


def parameters(cls: type[Plugin]) -> list[str]:
    """One row of a Markdown table a parameter: name, default, meaning."""
    rows = []
    for name, field in cls.model_fields.items():
        if name not in HIDDEN:
            default: Any = "needed" if field.is_required() else field.get_default()
            shown = "" if default is None else f"`{default}`" if default != "needed" else default
            rows.append(f"| `{name}` | {shown} | {field.description or ''} |")
    return rows
