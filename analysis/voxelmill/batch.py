"""Batches: consecutive images of one dataset that one job processes, and what `scan` knows of them.

Pure: no files. A batch file is JSON made by `Batch.as_json`; it changes only if its images do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import repeat
from typing import Any

IMAGES = 48
"""Images of a batch where nothing says more."""
LARGE_VOXELS = 2**26
"""An image of so many voxels a channel is a batch of its own where batches are counted."""


@dataclass(frozen=True)
class Item:
    """One image of a batch: its path in the dataset and its place on the plate."""

    path: str
    plate: str
    well: str
    row: str
    column: str
    site: str
    acquisition: int | None
    voxels: int
    """t·z·y·x of level 0; 0 if the image could not be opened."""


FIELDS = tuple(field.name for field in fields(Item))


@dataclass(frozen=True)
class Batch:
    """Consecutive images of one dataset."""

    dataset: str
    url: str
    name: str
    items: tuple[Item, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON value of the batch file."""
        columns = {name: [getattr(item, name) for item in self.items] for name in FIELDS}
        return columns_as_json(self.dataset, self.url, self.name, columns)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Batch":
        """Batch of a batch file; older ones hold an object for every image.

        Raises
        ------
        ValueError, KeyError, TypeError
            It is not of a batch file.
        """
        given = value["items"]
        items = (Item(**item) for item in given) if isinstance(given, list) else _items(given)
        return cls(value["dataset"], value["url"], value["name"], tuple(items))


def columns_as_json(
    dataset: str, url: str, name: str, columns: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """JSON value of a batch file, from what its images have in each field of `Item`.

    A list for each field; one value where all images have the same (`path` is always a list).
    """
    items = {field: _short(field, list(columns[field])) for field in FIELDS}
    return {"dataset": dataset, "url": url, "name": name, "items": items}


def _short(field: str, values: list[Any]) -> Any:  # noqa: ANN401 - JSON
    alike = field != "path" and values and values.count(values[0]) == len(values)
    return values[0] if alike else values


def _items(columns: Mapping[str, Any]) -> Iterator[Item]:
    if set(columns) != set(FIELDS):
        raise ValueError(f"items: {', '.join(columns)}; allowed: {', '.join(FIELDS)}")
    number = len(columns["path"])
    lists = [
        columns[name] if isinstance(columns[name], list) else repeat(columns[name], number)
        for name in FIELDS
    ]
    return (Item(*values) for values in zip(*lists, strict=True))


def place_columns(dataset: str, items: Sequence[Item]) -> dict[str, list[str]]:
    """Columns that say where a row comes from, one row an item.

    Off a plate the dataset's name stands for the plate's.
    """
    return {
        "Metadata_Plate": [item.plate or dataset for item in items],
        "Metadata_Well": [item.well for item in items],
        "Metadata_Site": [item.site for item in items],
        "Metadata_Image": [item.path for item in items],
    }
