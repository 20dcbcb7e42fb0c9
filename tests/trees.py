"""Trees of files for tests: small OME-Zarr, written as JSON and by zarr; digests of results."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.codecs


def put(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def put_group(folder: Path, attributes: dict[str, Any], version: str) -> None:
    """Write a group whose metadata are `attributes` (0.5: with the 'ome' key)."""
    if version == "0.4":
        put(folder / ".zgroup", {"zarr_format": 2})
        put(folder / ".zattrs", attributes)
    else:
        put(
            folder / "zarr.json",
            {"zarr_format": 3, "node_type": "group", "attributes": attributes},
        )


def put_array(folder: Path, shape: Sequence[int], version: str, names: Sequence[str] = ()) -> None:
    """Write the metadata of an array of uint16 without chunks."""
    if version == "0.4":
        document: dict[str, Any] = {
            "zarr_format": 2,
            "shape": list(shape),
            "chunks": list(shape),
            "dtype": "<u2",
            "compressor": None,
            "filters": None,
            "fill_value": 0,
            "order": "C",
            "dimension_separator": "/",
        }
        put(folder / ".zarray", document)
        return
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "uint16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shape)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "fill_value": 0,
        "attributes": {},
    }
    if names:
        document["dimension_names"] = list(names)
    put(folder / "zarr.json", document)


def axes_of(letters: str, unit: str | None = "micrometer") -> list[dict[str, str]]:
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": a, "type": kinds.get(a, "space")} for a in letters]
    if unit:
        for axis in axes:
            if axis["type"] == "space":
                axis["unit"] = unit
    return axes


def image_attributes(
    letters: str,
    version: str,
    paths: Sequence[str] = ("0",),
    scale: Sequence[float] = (),
    unit: str | None = "micrometer",
    **more: object,
) -> dict[str, Any]:
    """Return attributes of an image group; `scale` is that of level 0, halved in y, x by level."""
    base = list(scale) or [0.5] * len(letters)
    datasets = []
    for level, path in enumerate(paths):
        factors = [s * 2**level if a in "yx" else s for a, s in zip(letters, base, strict=True)]
        datasets.append(
            {"path": path, "coordinateTransformations": [{"type": "scale", "scale": factors}]}
        )
    entry: dict[str, Any] = {"axes": axes_of(letters, unit), "datasets": datasets, "name": "n"}
    if version == "0.4":
        entry["version"] = "0.4"
        return {"multiscales": [entry], **more}
    return {"ome": {"version": "0.5", "multiscales": [entry], **more}}


def write_image(
    folder: Path,
    pixels: np.ndarray,
    letters: str,
    version: str,
    chunks: Sequence[int] | None = None,
    shards: Sequence[int] | dict[str, Any] | None = None,
    paths: Sequence[str] = ("0",),
    array_options: dict[str, Any] | None = None,
    empty: bool = True,
    **more: object,
) -> None:
    """Write an image with zarr: every level holds `pixels` thinned along y and x."""
    put_group(folder, image_attributes(letters, version, paths, **more), version)  # type: ignore[arg-type]
    for level, path in enumerate(paths):
        step = tuple(slice(None, None, 2**level if a in "yx" else None) for a in letters)
        part = pixels[step]
        own = tuple(min(c, n) for c, n in zip(chunks or part.shape, part.shape, strict=True))
        options: dict[str, Any] = dict(array_options or {})
        if version == "0.5":
            options["dimension_names"] = list(letters)
            if pixels.dtype.byteorder == ">":
                options["serializer"] = zarr.codecs.BytesCodec(endian="big")
        else:
            options.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
        array = zarr.create_array(
            folder / path,
            shape=part.shape,
            dtype=pixels.dtype,
            chunks=own,
            shards=tuple(shards) if isinstance(shards, (tuple, list)) else shards,
            zarr_format=2 if version == "0.4" else 3,
            config={"write_empty_chunks": empty},
            **options,
        )
        array[...] = part


def put_plate(root: Path, version: str, wells: dict[str, Sequence[str]], **more: object) -> None:
    """Write a plate's and its wells' metadata; `wells` maps 'B/3' to its fields."""
    rows = sorted({path.split("/")[0] for path in wells})
    columns = sorted({path.split("/")[1] for path in wells})
    plate = {
        "name": "screen",
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "wells": [
            {
                "path": path,
                "rowIndex": rows.index(path.split("/")[0]),
                "columnIndex": columns.index(path.split("/")[1]),
            }
            for path in wells
        ],
        **more,
    }
    put_group(root, _versioned("plate", plate, version), version)
    for path, fields in wells.items():
        well = {"images": [{"path": field, "acquisition": 0} for field in fields]}
        put_group(root / path, _versioned("well", well, version), version)


def _versioned(key: str, value: dict[str, Any], version: str) -> dict[str, Any]:
    if version == "0.4":
        return {key: {**value, "version": "0.4"}}
    return {"ome": {"version": "0.5", key: value}}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its path, but logs, the index and crates: they tell times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.name not in ("index.html", "ro-crate-metadata.json")
        and "logs" not in path.parts
        and path.suffix != ".log"
    }


def record_of_pixels(path: Path) -> str:
    """What a record of *segment* says, but for the files of labels: they name their image."""
    record = json.loads(path.read_text())
    for image in record["images"].values():
        image.pop("stored", None)
    return json.dumps(record)
