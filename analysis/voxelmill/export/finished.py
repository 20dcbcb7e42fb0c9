"""What all exports are made of: one finished dataset, as its records and tables have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from voxelmill.batch import Batch, Item
from voxelmill.layout import Layout
from voxelmill.overframe import prefix
from voxelmill.plugin import Spacing
from voxelmill.store.objects import join
from voxelmill.store.read import Image, open_image
from voxelmill.study import Study


@dataclass(frozen=True)
class Provenance:
    """Where results come from, and whose they are.

    Attributes
    ----------
    voxelmill : str
        Version that made them.
    study : Study
    versions : mapping of str to str
        Packages, where a crate says them.
    crate : str
        SHA-256 of the crate's metadata file; empty where there is none.
    """

    voxelmill: str
    study: Study
    versions: Mapping[str, str] = field(default_factory=dict)
    crate: str = ""


@dataclass(frozen=True)
class Labelled:
    """An image with labels: where the root of these is, and objects by time point of each set."""

    item: Item
    root: str
    counts: Mapping[str, tuple[int, ...]]

    @property
    def times(self) -> int:
        """Number of time points."""
        return max(map(len, self.counts.values()), default=0)

    def labels(self, name: str) -> Image:
        """Open the labels of one object set, (t, 1, z, y, x).

        Raises
        ------
        BadInput, StoreUnavailable, AccessDenied
            They are not there, or not whole.
        """
        return open_image(self.root, join(self.item.path, "labels", name))


@dataclass(frozen=True)
class Finished:
    """One finished dataset.

    Attributes
    ----------
    layout : Layout
    batches : tuple of Batch
    images : tuple of Labelled
        In the order of the tables.
    left_out : mapping of str to str
        Images without labels, and why.
    settings : mapping
        What the records of *measure* and *segment* say of the configuration.
    rows : mapping of (batch, object set) to int
        Objects in each table.
    sets : tuple of str
        Object sets to export.
    channels : mapping of str to tuple of str
        Channels of each image, where the manifest is at hand.
    provenance : Provenance
    """

    layout: Layout
    batches: tuple[Batch, ...]
    images: tuple[Labelled, ...]
    left_out: Mapping[str, str]
    settings: Mapping[str, Any]
    rows: Mapping[tuple[str, str], int]
    sets: tuple[str, ...]
    channels: Mapping[str, tuple[str, ...]]
    provenance: Provenance

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.batches[0].dataset

    @property
    def input(self) -> str:
        """Last part of the input's address, such as ``plate.zarr``."""
        return self.batches[0].url.rstrip("/").rsplit("/", 1)[-1]

    @property
    def items(self) -> Iterator[Item]:
        """All images, labelled or not."""
        return (item for batch in self.batches for item in batch.items)

    @cached_property
    def spacing_um(self) -> Mapping[str, Spacing]:
        """Voxel size of each labelled image along z, y, x, as its labels say it."""
        name = next(iter(self.sets))
        return {i.item.path: i.labels(name).spacing_um for i in self.images}

    @property
    def every_channel(self) -> tuple[str, ...]:
        """Channels of all images, each once."""
        return tuple(dict.fromkeys(c for found in self.channels.values() for c in found))

    def tables(self, name: str) -> list[Path]:
        """Files of the table of an object set, one a batch."""
        return [self.layout.objects(name, batch.name) for batch in self.batches]

    def objects(self, name: str) -> int:
        """Objects of a set in all images."""
        return sum(self.rows[batch.name, name] for batch in self.batches)

    def column(self, name: str, feature: str) -> str:
        """Column of a feature in the table of an object set."""
        return f"{prefix(name)}_{feature}"
