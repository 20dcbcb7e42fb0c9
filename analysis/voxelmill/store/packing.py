"""One OME-Zarr image as one ZIP file, as archives ask for it.

In: an opened image, wherever it lies. Out: ``<name>.ome.zarr.zip`` with one folder
``<name>.ome.zarr`` in it, its entries as they are stored, without compression (chunks have theirs).
Names are sorted and times fixed: the same image gives the same bytes. Labels no longer say where
their image lies (``image-label.source``): it is not there, seen from an archive.
"""

import json
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from voxelmill.ngff.group import ARRAY_DOCUMENTS, DOCUMENTS
from voxelmill.plugin import StoreUnavailable
from voxelmill.store.inventory import inventory
from voxelmill.store.objects import Objects, join, objects_at
from voxelmill.store.read import Image

SUFFIX = ".ome.zarr"
GROUP = ".zgroup"
"""Of a group in 0.4, beside its attributes."""
NEW_YEAR_1980 = (1980, 1, 1, 0, 0, 0)
READABLE = 0o100644 << 16
AT_ONCE = 8
"""Objects held together, of which each may be a shard."""


def pack_image(image: Image, out: Path, *, sparse: bool = False) -> None:
    """Write an image, all levels of it, without the label images below it.

    Parameters
    ----------
    image : Image
        From `open_image`.
    out : Path
        A new file, ``….ome.zarr.zip``.
    sparse : bool
        Chunks that are not stored are background; otherwise they are an error.

    Raises
    ------
    StoreUnavailable, AccessDenied
        A chunk is absent, or the store did not answer, or refused to.
    """
    if not sparse:
        _refuse_absent(image)
    objects = objects_at(image.url)
    folder = out.name.removesuffix(".zip")
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "x", zipfile.ZIP_STORED) as archive:
        keys = iter(sorted(_keys(image, objects)))
        while some := list(islice(keys, AT_ONCE)):
            contents = objects.get_many([join(image.path, key) for key in some])
            for key, content in zip(some, contents, strict=True):
                if content is None:
                    raise StoreUnavailable(f"{image.place}/{key}: gone while it was read")
                if key == DOCUMENTS[image.version]:
                    content = _alone(content)
                entry = zipfile.ZipInfo(f"{folder}/{key}", NEW_YEAR_1980)
                entry.external_attr = READABLE
                archive.writestr(entry, content)


def _alone(document: bytes) -> bytes:
    """Metadata of a group, without a path that leads out of it; the same where there is none."""
    found = json.loads(document)
    ome = found.get("attributes", {}).get("ome", found)
    source = ome.get("image-label", {}).pop("source", None)
    return document if source is None else json.dumps(found, indent=2).encode() + b"\n"


def _refuse_absent(image: Image) -> None:
    for level in range(len(image.levels)):
        found = inventory(image, level)
        if not found.complete:
            raise StoreUnavailable(
                f"{image.place}: {found.expected - found.stored} of {found.expected} chunks of "
                f"level {level} absent (first: {found.missing[0]}). Restore them, or run the "
                "workflow again"
            )


def _keys(image: Image, objects: Objects) -> Iterator[str]:
    """Objects of an image that are stored, seen from its group."""
    yield DOCUMENTS[image.version]
    if image.version == "0.4" and objects.size(join(image.path, GROUP)):
        yield GROUP
    for level in image.levels:
        yield join(level.path, ARRAY_DOCUMENTS[image.version])
        keys = (level.array.key(index) for index in level.array.indices())
        for key in objects.sizes(join(image.path, level.path), keys):
            yield join(level.path, key)
