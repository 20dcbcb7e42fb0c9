"""`omero` → channel names that are distinct; `image-label` → checked.

Sources: OME-NGFF 0.4 and 0.5, sections "omero" and "image-label".
"""

from collections.abc import Hashable

from voxelmill.ngff.group import Group, check_version
from voxelmill.ngff.node import Node


def channel_names(group: Group, count: int, warnings: list[str]) -> tuple[str, ...]:
    """Return one distinct name for each of `count` channels: the label, or the index as text.

    Raises
    ------
    BadInput
        A member has the wrong type.
    """
    omero = group.attributes.get("omero")
    labels = _labels(omero) if omero else []
    if labels and len(labels) != count:
        warnings.append(f"omero names {len(labels)} channels, the image has {count}")
    names = [labels[i] if i < len(labels) and labels[i] else str(i) for i in range(count)]
    repeated = {name for name in names if names.count(name) > 1}
    if not repeated:
        return tuple(names)
    taken = set(names)
    for i, name in enumerate(names):
        if name in repeated:
            names[i] = _free(f"{name}_{i}", taken)
    warnings.append(f"channel names repeat; read as {', '.join(names)}")
    return tuple(names)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _labels(omero: Node) -> list[str]:
    labels = []
    for channel in omero.need("channels").each():
        for key in ("color", "family"):
            text = channel.get(key)
            if text is not None:
                text.text()
        active = channel.get("active")
        if active is not None:
            active.boolean()
        window = channel.get("window")
        if window is not None:
            for key in ("start", "min", "end", "max"):
                window.need(key).number()
        label = channel.get("label")
        labels.append("" if label is None else label.text())
    return labels


def check_label(group: Group, notes: list[str]) -> None:
    """Check `image-label`, where the group has it.

    Raises
    ------
    BadInput
        Names the member, what it holds and the rule.
    """
    label = group.attributes.get("image-label")
    if label is None:
        return
    if group.version == "0.4":
        check_version(label, notes)
    colors, properties = label.get("colors"), label.get("properties")
    if colors is None:
        notes.append("image-label: no colors; recommended")
    else:
        _check_colors(colors)
    if properties is not None:
        values: list[Hashable] = [e.need("label-value").integer() for e in properties.each(1)]
        properties.unique(values, "label-values")
    source = label.get("source")
    image = source.get("image") if source else None
    if image is not None:
        image.text()


def _check_colors(colors: Node) -> None:
    values: list[Hashable] = []
    for entry in colors.each(1):
        values.append(entry.need("label-value").number())
        rgba = entry.get("rgba")
        if rgba is not None:
            for part in rgba.each(4, 4):
                part.integer(0, 255)
    colors.unique(values, "label-values")
