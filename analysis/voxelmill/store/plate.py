"""The groups of an OME-Zarr plate, 0.4 or 0.5: the plate and its wells.

In: wells by row and column, each with its fields. Out: metadata only; the fields' images are
written beside, by ``write.write_image``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from voxelmill.plugin import BadInput
from voxelmill.store.documents import Document, Version, local_folder, write_group


@dataclass(frozen=True)
class Field:
    """One field of a well: its group's name and its acquisition, if the plate has several."""

    path: str
    acquisition: int | None = None


def write_plate(
    root: str,
    name: str,
    wells: Mapping[tuple[str, str], Sequence[Field]],
    *,
    acquisitions: Mapping[int, str] | None = None,
    version: Version = "0.5",
) -> None:
    """Write the groups of a plate and its wells.

    Parameters
    ----------
    root, name : str
        Folder of the plate; its name.
    wells : mapping of (row, column) to sequence of Field
        Wells by names of row and column (``"A", "01"``).
    acquisitions : mapping of int to str, optional
        Names of acquisitions by id; without, the fields must not name any.
    version : {'0.4', '0.5'}
        Version of the specification.

    Raises
    ------
    BadInput
        There is no well, a well without fields, or a field of an unknown acquisition.
    """
    if not wells or not all(wells.values()):
        raise BadInput(f"{root}: a plate needs wells, and a well needs fields. Check the pattern.")
    known = set(acquisitions) if acquisitions else {None}
    for (row, column), fields in wells.items():
        if not {f.acquisition for f in fields} <= known:
            raise BadInput(f"{root}/{row}/{column}: unknown acquisition; {known} are known.")
    folder = local_folder(root)
    write_group(folder, version, {"plate": _plate(name, wells, acquisitions, version)})
    for (row, column), fields in wells.items():
        write_group(folder / row, version)
        images = [
            {"path": f.path, **({} if f.acquisition is None else {"acquisition": f.acquisition})}
            for f in fields
        ]
        well: Document = {"images": images}
        if version == "0.4":
            well["version"] = version
        write_group(folder / row / column, version, {"well": well})


def _plate(
    name: str,
    wells: Mapping[tuple[str, str], Sequence[Field]],
    acquisitions: Mapping[int, str] | None,
    version: Version,
) -> Document:
    rows = sorted({row for row, _ in wells}, key=lambda r: (len(r), r))
    columns = sorted({column for _, column in wells}, key=lambda c: (len(c), c))
    plate: Document = {
        "name": name,
        "rows": [{"name": r} for r in rows],
        "columns": [{"name": c} for c in columns],
        "wells": [
            {"path": f"{r}/{c}", "rowIndex": rows.index(r), "columnIndex": columns.index(c)}
            for r in rows
            for c in columns
            if (r, c) in wells
        ],
        "field_count": max(len(fields) for fields in wells.values()),
    }
    if acquisitions:
        plate["acquisitions"] = [{"id": i, "name": n} for i, n in sorted(acquisitions.items())]
    return {"version": version, **plate}
