"""Batches: consecutive images of one dataset that one job processes, and what `scan` knows of them.

Pure: no files. A batch file is JSON made by `Batch.as_json`; it changes only if its images do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

IMAGES = 48
"""Images of a batch where nothing says more."""
LARGE_VOXELS = 2**26
"""An image of so many voxels a channel is a batch of its own."""


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


@dataclass(frozen=True)
class Batch:
    """Consecutive images of one dataset."""

    dataset: str
    url: str
    name: str
    items: tuple[Item, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON value of the batch file."""
        # A list: the tuple that asdict leaves is never equal to what a file gives back.
        return {**asdict(self), "items": [asdict(item) for item in self.items]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Batch":
        """Batch of a batch file."""
        items = tuple(Item(**item) for item in value["items"])
        return cls(value["dataset"], value["url"], value["name"], items)


def split(dataset: str, url: str, items: Sequence[Item], most: int) -> list[Batch]:
    """Cut a dataset into batches.

    Parameters
    ----------
    dataset, url : str
    items : sequence of Item
        All images, in plate order.
    most : int
        Most images in one batch. Large images are batches of their own.

    Returns
    -------
    list of Batch
        Named 0000, 0001 … in order; every item is in exactly one.
    """
    groups: list[list[Item]] = []
    for item in items:
        large = item.voxels >= LARGE_VOXELS
        full = not groups or len(groups[-1]) >= most
        if large or full or groups[-1][-1].voxels >= LARGE_VOXELS:
            groups.append([])
        groups[-1].append(item)
    width = max(4, len(str(len(groups))))
    return [Batch(dataset, url, f"{i:0{width}d}", tuple(g)) for i, g in enumerate(groups)]


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
