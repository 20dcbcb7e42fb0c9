"""Plates, wells and bioformats2raw collections → where their images lie.

Sources: OME-NGFF 0.4 and 0.5, sections "plate", "well" and "bioformats2raw.layout".
"""

from collections.abc import Hashable
from dataclasses import dataclass

from voxelmill.ngff.group import Group, check_version
from voxelmill.ngff.model import ImageRef
from voxelmill.ngff.node import Node

_NAME = "[A-Za-z0-9]+"


@dataclass(frozen=True)
class WellPlace:
    """A well's group and the names of its row and column."""

    path: str
    row: str
    column: str

    @property
    def name(self) -> str:
        """Row, then column padded to two digits: 'B03'."""
        column = self.column.zfill(2) if self.column.isdecimal() else self.column
        return f"{self.row}{column}"


@dataclass(frozen=True)
class Plate:
    """Layout of a plate."""

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    wells: tuple[WellPlace, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def parse_plate(group: Group) -> Plate:
    """Read a plate's layout.

    Raises
    ------
    BadInput
        Names the member, what it holds and the rule.
    """
    warnings: list[str] = []
    notes: list[str] = []
    plate = group.attributes.need("plate")
    if group.version == "0.4":
        check_version(plate, notes)
    name = plate.get("name")
    if name is None:
        notes.append("plate: no name; recommended")
    acquisitions = plate.get("acquisitions")
    if acquisitions is not None:
        _check_acquisitions(acquisitions, notes)
    count = plate.get("field_count")
    if count is not None:
        count.integer(1)
    rows, columns = _names(plate.need("rows")), _names(plate.need("columns"))
    nodes = plate.need("wells")
    wells = [_well_place(n, rows, columns, group.version, warnings) for n in nodes.each(1)]
    nodes.unique([well.path for well in wells], "well paths")
    title = "" if name is None else name.text()
    return Plate(title, rows, columns, tuple(wells), tuple(warnings), tuple(notes))


def parse_well(group: Group, well: WellPlace, plate: str) -> tuple[ImageRef, ...]:
    """Read a well's fields.

    Raises
    ------
    BadInput
        Names the member, what it holds and the rule.
    """
    node = group.attributes.need("well")
    if group.version == "0.4":
        check_version(node, [])
    images = node.need("images")
    found = []
    for entry in images.each(1):
        site = entry.need("path").text(_NAME)
        acquisition = entry.get("acquisition")
        found.append(
            ImageRef(
                path=f"{well.path}/{site}",
                plate=plate,
                well=well.name,
                row=well.row,
                column=well.column,
                site=site,
                acquisition=None if acquisition is None else acquisition.integer(),
            )
        )
    images.unique([ref.site for ref in found], "image paths")
    return tuple(found)


def parse_series(group: Group) -> tuple[ImageRef, ...]:
    """Read the images that the ``OME`` group of a collection lists.

    Raises
    ------
    BadInput
        Names the member, what it holds and the rule.
    """
    series = group.attributes.need("series")
    paths = [entry.inner_path() for entry in series.each(1)]
    series.unique(list(paths), "series")
    return tuple(ImageRef(path=path, series=path) for path in paths)


def _names(node: Node) -> tuple[str, ...]:
    names: list[Hashable] = [entry.need("name").text(_NAME) for entry in node.each(1)]
    node.unique(names, "names")
    return tuple(map(str, names))


def _well_place(
    node: Node,
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    version: str,
    warnings: list[str],
) -> WellPlace:
    path = node.need("path")
    first, second = path.text(f"{_NAME}/{_NAME}").split("/")
    row = rows[node.need("rowIndex").integer(0, len(rows) - 1)]
    column = columns[node.need("columnIndex").integer(0, len(columns) - 1)]
    if (first, second) == (row, column):
        return WellPlace(path.value, row, column)
    if version != "0.4":
        raise path.bad(f"must be the row's and column's names, {row}/{column}")
    # 0.4 asks for the same, but its conformance suite and example plates break it.
    if first in rows and second in columns:
        row, column = first, second
    warnings.append(f"well '{path.value}' contradicts its indices; read as {row}, {column}")
    return WellPlace(path.value, row, column)


def _check_acquisitions(acquisitions: Node, notes: list[str]) -> None:
    ids: list[Hashable] = []
    for entry in acquisitions.each():
        ids.append(entry.need("id").integer(0))
        for key, least in (("maximumfieldcount", 1), ("starttime", 0), ("endtime", 0)):
            value = entry.get(key)
            if value is not None:
                value.integer(least)
        for key in ("name", "description"):
            text = entry.get(key)
            if text is not None:
                text.text()
        missing = [k for k in ("name", "maximumfieldcount") if k not in entry.members()]
        if missing:
            notes.append(f"{entry.path}: no {', '.join(missing)}; recommended")
    acquisitions.unique(ids, "ids")
