"""What images a run has, from the manifest: kinds of them by dataset, and what is in each batch.

The manifest is grouped by columns, never row by row: a week of two million images is seconds. Of
each kind of image one is opened, for the size of its chunks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from voxelmill import sizing
from voxelmill.estimate import Group
from voxelmill.extent import Extent
from voxelmill.layout import manifest
from voxelmill.plugin import AccessDenied, BadInput, StoreUnavailable
from voxelmill.steps.prepare import Prepared
from voxelmill.store.read import open_image
from voxelmill.storeoptions import is_url
from voxelmill.tables.counts import counted

FACTS = ("dataset", "url", "batch", "shape", "dtype", "spacing_um")
TRIES = 3
"""Images of one kind that are opened, until one can be."""


@dataclass(frozen=True)
class Kind:
    """Images of one dataset that are alike, with the name of the first."""

    name: str
    extent: Extent
    images: int


@dataclass(frozen=True)
class Part:
    """Images of one batch that are alike."""

    dataset: str
    url: str
    batch: str
    first: str
    extent: Extent
    images: int


@dataclass(frozen=True)
class Survey:
    """Images by dataset: their kinds, and the content of its batches."""

    kinds: dict[str, list[Kind]]
    batches: dict[str, list[Group]]

    @property
    def images(self) -> int:
        """Images that can be opened."""
        return sum(k.images for kinds in self.kinds.values() for k in kinds)

    def extents(self) -> dict[str, Extent]:
        """Every extent once, by the name of the first image that has it."""
        found: dict[Extent, str] = {}
        for kinds in self.kinds.values():
            for kind in kinds:
                found.setdefault(kind.extent, kind.name)
        return {name: extent for extent, name in found.items()}


def survey(prepared: Prepared) -> Survey:
    """Look through the manifest that `prepare` has left."""
    parts = [p for p in _with_chunks(_parts(prepared)) if p.dataset in prepared.batches]
    batches: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        batches.setdefault((part.dataset, part.batch), []).append(part)
    kinds: dict[tuple[str, Extent], Kind] = {}
    groups: dict[str, list[Group]] = {dataset: [] for dataset in prepared.datasets}
    for (dataset, _), mine in batches.items():
        whole = sum(part.images for part in mine)
        group = []
        for part in mine:
            key = dataset, part.extent
            extent = replace(part.extent, batch=whole)
            group.append((extent, part.images))
            name = f"{dataset}/{part.first}".rstrip("/")
            kind = kinds.setdefault(key, Kind(name, extent, 0))
            most = max(kind.extent.batch, whole)
            kinds[key] = Kind(kind.name, replace(extent, batch=most), kind.images + part.images)
        groups[dataset].append(tuple(group))
    by_dataset: dict[str, list[Kind]] = {dataset: [] for dataset in prepared.datasets}
    for (dataset, _), kind in kinds.items():
        by_dataset[dataset].append(kind)
    return Survey(by_dataset, groups)


def _parts(prepared: Prepared) -> Iterator[Part]:
    table = counted(manifest(prepared.config.folder), FACTS, "image")
    columns = [table[c] for c in (*FACTS, "image", "count")]
    for dataset, url, batch, shape, dtype, spacing, first, count in zip(*columns, strict=True):
        extent = sizing.Kind(shape, dtype, spacing).extent
        # None: it could not be opened.
        if extent is not None:
            yield Part(dataset, url, batch, first, replace(extent, afar=is_url(url)), count)


def _with_chunks(parts: Iterable[Part]) -> Iterator[Part]:
    """Parts with the chunks of their images, as one image of each kind has them."""
    known: dict[Extent, int] = {}
    tried: dict[Extent, int] = {}
    found = list(parts)
    for part in found:
        if known.get(part.extent) or tried.get(part.extent, 0) >= TRIES:
            continue
        tried[part.extent] = tried.get(part.extent, 0) + 1
        known[part.extent] = _chunk(part.url, part.first)
    for part in found:
        yield replace(part, extent=replace(part.extent, chunk=known.get(part.extent, 0)))


def _chunk(url: str, path: str) -> int:
    try:
        return Extent.of(open_image(url, path)).chunk
    except (BadInput, StoreUnavailable, AccessDenied):
        # Whoever reads it says so, and goes on with the others.
        return 0
