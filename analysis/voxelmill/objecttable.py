"""The table of one object set and batch: metadata, then features under CellProfiler names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxelmill.batch import Batch, Item, place_columns
from voxelmill.config import Settings, Subtracted
from voxelmill.plugin import Array
from voxelmill.store.read import Image
from voxelmill.tables import write_table

TEXT = ("Metadata_Plate", "Metadata_Well", "Metadata_Site", "Metadata_Image")
KINDS = {"Metadata_Seam": np.bool_}

Index = Mapping[tuple[str, int, str], NDArray[np.int64]]


def prefix(name: str) -> str:
    """Column prefix of an object set: ``small_spots`` → ``SmallSpots``."""
    return "".join(part.capitalize() for part in name.split("_"))


@dataclass(frozen=True)
class ObjectTable:
    """Columns and their units."""

    columns: dict[str, Any]
    units: dict[str, str]

    def write(self, path: Path) -> int:
        """Write as Parquet; return the number of rows."""
        return write_table(path, self.columns, self.units)


def parents(settings: Settings, name: str) -> list[str]:
    """Object sets whose ids the objects of `name` carry."""
    spec = settings.objects[name]
    if isinstance(spec, Subtracted):
        return list(spec.subtract)
    return list(spec.needs) if spec.segmenter.keeps_ids else []


def object_table(
    batch: Batch,
    settings: Settings,
    name: str,
    images: Sequence[tuple[Item, Image]],
    index: Index,
    files: Mapping[tuple[str, int], Sequence[str]],
) -> ObjectTable:
    """Join what the blocks have measured.

    Parameters
    ----------
    batch, settings, name
        Batch, settings and object set.
    images : sequence of (Item, Image)
        Usable images in batch order.
    index : mapping
        Rows of `stages.INDEX_COLUMNS` by image, time point and object set.
    files : mapping
        ``.npz`` files of measured blocks by image and time point.

    Returns
    -------
    ObjectTable
        Rows sorted by image, time point, id. Columns depend on the settings and on the channels
        of the images only, so an empty table has them too.
    """
    units = _units(settings, name, images)
    parts: list[dict[str, Any]] = []
    for item, image in images:
        for t in range(image.shape[0]):
            measured = _load(files.get((item.path, t), ()), name)
            if measured:
                seam = index[item.path, t, name][:, -1].astype(bool)
                parts.append(_rows(batch, settings, name, item, t, measured, seam))
    columns = {column: _join(column, parts) for column in (*_metadata(settings, name), *units)}
    return ObjectTable(columns, units)


def _units(settings: Settings, name: str, images: Sequence[tuple[Item, Image]]) -> dict[str, str]:
    channels = list(dict.fromkeys(c for _, image in images for c in image.channels))
    return {
        f"{prefix(name)}_{column}": unit
        for feature in settings.features
        for column, unit in feature.columns(channels).items()
    }


def _metadata(settings: Settings, name: str) -> list[str]:
    fixed = ["Plate", "Well", "Site", "Image", "Timepoint", "ObjectNumber", "Seam"]
    return [f"Metadata_{c}" for c in fixed] + [
        f"Metadata_Parent_{prefix(p)}" for p in parents(settings, name)
    ]


def _load(files: Sequence[str], name: str) -> dict[str, Array]:
    """Columns of one object set in one frame, ascending id."""
    tables = []
    for file in files:
        with np.load(file) as saved:
            found = {k.split("/", 1)[1]: saved[k] for k in saved if k.startswith(f"{name}/")}
        if found:
            tables.append(found)
    if not tables:
        return {}
    joined = {column: np.concatenate([t[column] for t in tables]) for column in tables[0]}
    order = np.argsort(joined["ObjectNumber"], kind="stable")
    return {column: values[order] for column, values in joined.items()}


def _rows(
    batch: Batch,
    settings: Settings,
    name: str,
    item: Item,
    t: int,
    measured: Mapping[str, Array],
    seam: NDArray[np.bool_],
) -> dict[str, Any]:
    ids = measured["ObjectNumber"]
    n = len(ids)
    rows: dict[str, Any] = {
        **place_columns(batch.dataset, [item] * n),
        "Metadata_Timepoint": np.full(n, t, np.int64),
        "Metadata_ObjectNumber": ids,
        "Metadata_Seam": seam,
    }
    rows |= {f"Metadata_Parent_{prefix(p)}": ids for p in parents(settings, name)}
    return rows | {
        f"{prefix(name)}_{c}": np.asarray(values, np.float64)
        for c, values in measured.items()
        if c != "ObjectNumber"
    }


def _join(column: str, parts: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 - list or array
    """One column of all frames; NaN where a frame has no such channel."""
    if column in TEXT:
        return [v for part in parts for v in part[column]]
    kind = KINDS.get(column, np.int64 if column.startswith("Metadata_") else np.float64)
    missing = ((np.full(len(p["Metadata_Image"]), np.nan), p) for p in parts)
    return np.concatenate([np.zeros(0, kind), *(p.get(column, nan) for nan, p in missing)])
