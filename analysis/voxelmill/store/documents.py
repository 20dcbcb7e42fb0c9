"""The JSON documents that OME-Zarr 0.4 and 0.5 want, as dictionaries, and writing them safely.

Only what voxelmill writes. Every document is a pure function of its arguments, so that processes
which create the same group at once put identical bytes there.
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

from voxelmill.plugin import BadConfig, BadInput, OutputExists
from voxelmill.store.place import Place

Version: TypeAlias = Literal["0.4", "0.5"]
Document: TypeAlias = dict[str, Any]


def local_folder(root: str) -> Path:
    """Folder `root`.

    Raises
    ------
    BadConfig
        It is a URL.
    """
    if "://" in root:
        raise BadConfig(f"{root}: a URL; images are written to folders only. Give a local path.")
    return Path(root)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a path beside `out` that becomes `out` if all goes well and vanishes if not.

    What is written there may be a folder, or a file.

    Raises
    ------
    OutputExists
        `out` is there, before or after.
    """
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        _refuse_existing(out)
        yield beside
        _refuse_existing(out)
        beside.rename(out)
    finally:
        if beside.is_file():
            beside.unlink()
        shutil.rmtree(beside, ignore_errors=True)


def write_document(path: Place, document: Mapping[str, Any]) -> None:
    """Put `document` at `path` as JSON; see ``write_bytes``."""
    write_bytes(path, json.dumps(document, indent=2, ensure_ascii=True).encode() + b"\n")


def write_bytes(path: Place, content: bytes) -> None:
    """Put `content` at `path` in one step; a file that says so already is left alone."""
    if not isinstance(path, Path):
        path.objects.put(path.key, content)
        return
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def write_group(path: Place, version: Version, content: Mapping[str, Any] | None = None) -> None:
    """Write a Zarr group whose OME metadata are `content` (none: a plain group).

    An existing plain request never overwrites a group that is there.
    """
    if version == "0.4":
        if content is not None or not _there(path / ".zgroup"):
            write_document(path / ".zgroup", {"zarr_format": 2})
        if content is not None:
            write_document(path / ".zattrs", content)
        return
    if content is None and _there(path / "zarr.json"):
        return
    attributes = {} if content is None else {"ome": {"version": version, **content}}
    document = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    write_document(path / "zarr.json", document)


def multiscales(
    axes: str,
    spacing_um: Sequence[float | None] | None,
    factors: Sequence[tuple[int, int, int]],
    version: Version,
    *,
    name: str,
    method: str,
) -> list[Document]:
    """Document ``multiscales``: levels "0", "1", … with their voxel size.

    Parameters
    ----------
    axes : str
        Letters of ``tczyx``, in that order.
    spacing_um : sequence of float or None, or None
        Voxel size of level 0 along z, y, x; None: unknown, scale 1 without a unit.
    factors : sequence of tuple of int
        Stride of each level along z, y, x.
    version : {'0.4', '0.5'}
        Version of the specification.
    name, method : str
        Name of the image; how its levels were made.
    """
    known = dict(zip("zyx", spacing_um or (None, None, None), strict=True))
    axis_list: list[Document] = []
    for axis in axes:
        kind = {"t": "time", "c": "channel"}.get(axis, "space")
        unit = {"unit": "micrometer"} if known.get(axis) is not None else {}
        axis_list.append({"name": axis, "type": kind, **unit})
    datasets = []
    for level, factor in enumerate(factors):
        steps = {a: (known[a] or 1.0) * f for a, f in zip("zyx", factor, strict=True)}
        scale = [float(steps.get(a, 1.0)) for a in axes]
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    entry: Document = {"name": name, "axes": axis_list, "datasets": datasets, "type": method}
    return [{"version": version, **entry} if version == "0.4" else entry]


def check_axes(axes: str, shape: Sequence[int], place: str) -> None:
    """Refuse `axes` that OME-Zarr or a (t, c, z, y, x) `shape` does not allow.

    Raises
    ------
    BadInput
        Not letters of ``tczyx`` in order with y and x, or a missing axis that is longer than 1.
    """
    if axes not in {a for a in _subsets() if a.endswith("yx")}:
        raise BadInput(f"{place}: axes '{axes}'; letters of 'tczyx' in that order, ending in 'yx'.")
    for axis, length in zip("tczyx", shape, strict=True):
        if axis not in axes and length != 1:
            raise BadInput(f"{place}: {length} along '{axis}'; axes are '{axes}'. Add the axis.")


def _there(path: Place) -> bool:
    return path.is_file() if isinstance(path, Path) else path.objects.get(path.key) is not None


def _refuse_existing(out: Path) -> None:
    if out.exists():
        raise OutputExists(f"{out}: is there already. Remove it, or name another output.")


def _subsets() -> list[str]:
    found = [""]
    for axis in "tczyx":
        found += [s + axis for s in found]
    return found
