"""Which label images an address names, and boxes of them.

Addresses: an OME-Zarr image or label image, or a plate of such, also zipped (``.ozx``); an object
set of a run (``results/<dataset>:<set>``); a TIFF or PNG file, or a folder of such files.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from voxelmill.blocks import Box
from voxelmill.labelfiles import SUFFIXES, is_label_file, read_label_file
from voxelmill.layout import Layout
from voxelmill.natural import natural
from voxelmill.plugin import Array, BadInput
from voxelmill.store.objects import join
from voxelmill.store.open import open_dataset
from voxelmill.store.read import Image, open_image, read_box
from voxelmill.store.zipped import SUFFIX, open_archive
from voxelmill.storeoptions import is_url

LARGEST_ID = np.iinfo(np.int64).max


class LabelImage(Protocol):
    """A label image that can be read in boxes."""

    @property
    def place(self) -> str:
        """Name in messages."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along t, z, y, x."""

    def read(self, t: int, box: Box) -> Array:
        """Labels (z, y, x) of a box, of any integer type, none below 0."""


@dataclass(frozen=True)
class Stored:
    """A label image in OME-Zarr; `sparse`: chunks that are not stored are background."""

    image: Image
    sparse: bool

    @property
    def place(self) -> str:
        """Name in messages."""
        return self.image.place

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along t, z, y, x."""
        t, _, z, y, x = self.image.shape
        return t, z, y, x

    def read(self, t: int, box: Box) -> Array:
        """Read the labels of a box.

        Raises
        ------
        BadInput
            An id is below 0, which is what voxelmill's labels hold where a chunk is lost.
        StoreUnavailable, AccessDenied
            A chunk is absent or damaged, or the store did not answer.
        """
        return _checked(self.place, read_box(self.image, t, [0], box, sparse=self.sparse)[0])


@dataclass(frozen=True)
class InMemory:
    """A label image that was read as a whole, (t, z, y, x)."""

    place: str
    labels: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along t, z, y, x."""
        return self.labels.shape

    def read(self, t: int, box: Box) -> Array:
        """Labels of a box; BadInput where an id is below 0."""
        return _checked(self.place, self.labels[t][box.slices])


Opener = Callable[[], LabelImage]


@dataclass(frozen=True)
class Source:
    """The label images of an address by name, in natural order.

    `lone`: the address is that of one image, whose name need not be that of its counterpart.
    """

    place: str
    images: tuple[tuple[str, Opener], ...]
    lone: bool


def label_source(address: str, *, sparse: bool = False) -> Source:
    """Find the label images that an address names.

    Parameters
    ----------
    address : str
        See the module; http(s) for OME-Zarr.
    sparse : bool
        Chunks of OME-Zarr that are not stored are background; otherwise they are an error.

    Raises
    ------
    BadInput
        Nothing is there, or no label image.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    path = Path(address)
    if _is_zarr(address):
        return _zarr(address, sparse)
    if path.is_file():
        return Source(address, ((path.stem, partial(_file, path)),), lone=True)
    if path.is_dir():
        return _folder(path)
    root, colon, name = address.rpartition(":")
    if colon and Path(root).is_dir():
        return _object_set(Layout(Path(root)), name, sparse)
    raise BadInput(
        f"{address}: not there; a label image (OME-Zarr, TIFF, PNG), a folder of TIFFs or PNGs, "
        "or results/<dataset>:<object set>."
    )


def _is_zarr(address: str) -> bool:
    path = Path(address)
    named = any(part.endswith((".zarr", SUFFIX)) for part in path.parts)
    return is_url(address) or named or any((path / n).is_file() for n in ("zarr.json", ".zattrs"))


def _zarr(address: str, sparse: bool) -> Source:
    if within := re.fullmatch(r"(.*\.(?:zarr|ozx))/(.+)", address.rstrip("/")):
        root, path = within.groups()
        return Source(address, ((path, partial(stored_labels, root, path, sparse)),), lone=True)
    found = open_dataset(address)
    for _, problem in found.problems:
        raise BadInput(problem)
    names = [ref.path for ref in found.images]
    images = [(n or found.name, partial(stored_labels, address, n, sparse)) for n in names]
    return Source(address, tuple(images), lone=found.kind == "image")


def _folder(folder: Path) -> Source:
    files = sorted(filter(is_label_file, folder.iterdir()), key=lambda f: natural(f.stem))
    if not files:
        raise BadInput(
            f"{folder}: no label images; files named {', '.join(sorted(SUFFIXES))}. "
            "For a run's, name their object set: results/<dataset>:<object set>."
        )
    return Source(str(folder), tuple((f.stem, partial(_file, f)) for f in files), lone=False)


def _object_set(layout: Layout, name: str, sparse: bool) -> Source:
    found = labelled_images(layout)
    paths = sorted((path for path, (_, sets) in found.items() if name in sets), key=natural)
    if not paths:
        known = ", ".join(sorted(set().union(*(sets for _, sets in found.values())))) or "none"
        raise BadInput(f"{layout.root}: object set '{name}'; it has {known}.")
    images = [
        (
            path or layout.root.name,
            partial(stored_labels, str(found[path][0]), join(path, "labels", name), sparse),
        )
        for path in paths
    ]
    return Source(f"{layout.root}:{name}", tuple(images), lone=False)


def labelled_images(layout: Layout) -> dict[str, tuple[Path, set[str]]]:
    """Images of a run by path: root of their labels (a folder or an archive), and object sets.

    Raises
    ------
    StoreUnavailable
        An archive is damaged or cut short.
    """
    found = {path: (layout.labels, sets) for path, sets in _images(layout.labels)}
    for file in sorted(layout.archives.glob(f"*{SUFFIX}")):
        archive = open_archive(file)
        packed: dict[str, set[str]] = {}
        for name in archive.entries if archive else ():
            image, _, label = f"/{name}".partition("/labels/")
            if label.endswith("/zarr.json") and label.count("/") == 1:
                packed.setdefault(image[1:], set()).add(label.partition("/")[0])
        found |= {path: (file, sets) for path, sets in packed.items()}
    return found


def _images(root: Path, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Paths of images under the root of a run's labels, with the names of their label images."""
    sets = {file.parent.name for file in (root / path / "labels").glob("*/zarr.json")}
    if sets:
        yield path, sets
    below = (root / path).iterdir() if (root / path).is_dir() else ()
    for folder in below:
        if folder.is_dir() and folder.name != "labels":
            yield from _images(root, join(path, folder.name))


def _file(file: Path) -> LabelImage:
    return InMemory(str(file), read_label_file(file))


def stored_labels(url: str, path: str, sparse: bool = False) -> LabelImage:
    """One label image in OME-Zarr; `sparse`: chunks that are not stored are background.

    Raises
    ------
    BadInput
        Nothing is there, or no label image.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    image = open_image(url, path)
    stored = image.levels[0].array.dtype
    if np.dtype(stored).kind not in "iu":
        raise BadInput(f"{image.place}: {stored}; integers. Give a label image.")
    if image.shape[1] != 1:
        raise BadInput(f"{image.place}: {image.shape[1]} channels; one. Give a label image.")
    return Stored(image, sparse)


def _checked(place: str, labels: Array) -> Array:
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if low < 0 or high > LARGEST_ID:
        found = low if low < 0 else high
        raise BadInput(
            f"{place}: id {found}; 1 to 2^63 - 1, 0 is background. "
            "Below 0 a chunk may be lost: run the segment step again."
        )
    return labels
