"""Where labels lie: while *segment* makes them, when it is done, and for who reads them.

``labels: folder``: in ``labels.ome.zarr``, written in place. ``labels: zip``: staged among the
scratch files and packed once all are whole, into one archive a batch with the same tree. What the
other way has left of the batch is removed when the new one is complete.
"""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from voxelmill.layout import Layout
from voxelmill.ledger import sha256_of
from voxelmill.plugin import StoreUnavailable
from voxelmill.steps.work import Work
from voxelmill.store.archive import DOCUMENT, pack
from voxelmill.store.documents import write_group
from voxelmill.store.label_facts import label_facts
from voxelmill.store.place import facts, listing, place_at
from voxelmill.store.remote import side_by_side

STAGED = "labels.ome.zarr"
"""No object set can be called so: their scratch files lie beside it."""


def labels_root(work: Work) -> str:
    """Root of the labels while *segment* makes them."""
    zipped = work.settings.labels == "zip"
    return str(work.ledger.scratch / STAGED) if zipped else work.layout.labels_address


def written(work: Work, path: str) -> dict[str, Any]:
    """What a record says of the files of an image's labels; all must be there.

    Raises
    ------
    StoreUnavailable
        One is not, though its writer was told that it is.
    """
    try:
        return label_facts(labels_root(work), path, list(work.settings.objects)).as_json()
    except StoreUnavailable:
        # What the ledger holds cannot be believed.
        work.ledger.discard()
        raise


def _stored(root: str, path: str) -> dict[str, Any]:
    return facts(listing(place_at(root) / path / "labels")).as_json()


def publish(work: Work) -> dict[str, Any]:
    """Leave the labels of a batch as the settings say, and only so.

    Returns
    -------
    dict
        What the record says of the archive; empty if there is none.
    """
    layout, archive = work.layout, work.layout.archive(work.batch.name)
    if work.settings.labels == "folder":
        archive.unlink(missing_ok=True)
        with suppress(OSError):
            layout.archives.rmdir()
        return {}
    staged = Path(labels_root(work))
    write_group(staged, "0.5")
    packed = pack(staged, archive)
    remove_labels(layout.labels, [item.path for item in work.batch.items])
    file = archive.relative_to(layout.root).as_posix()
    return {"labels": {"file": file, "bytes": packed.bytes, "sha256": packed.sha256}}


def remove_labels(root: Path, paths: Iterable[str]) -> None:
    """Remove the labels of some images from a folder, and groups that hold nothing any more."""
    for path in paths:
        shutil.rmtree(root / path / "labels", ignore_errors=True)
        place = root / path
        # Other batches may be at the same: whoever comes last finds a group empty.
        with suppress(OSError):
            while {entry.name for entry in place.iterdir()} <= {DOCUMENT}:
                (place / DOCUMENT).unlink(missing_ok=True)
                place.rmdir()
                if place == root:
                    break
                place = place.parent


def labels_made(layout: Layout, batch: str, segmented: Mapping[str, Any]) -> str:
    """Root of the labels that a record of *segment* speaks of.

    Raises
    ------
    StoreUnavailable
        The archive, or what is on the store, is not what was written then.
    """
    said = segmented.get("labels")
    if said is None:
        if layout.store:
            check_labels(layout.labels_address, segmented["images"])
        return layout.labels_address
    archive = layout.archive(batch)
    try:
        found = sha256_of(archive)
    except OSError as error:
        found = str(error.strerror)
    if found != said["sha256"]:
        raise StoreUnavailable(
            f"{archive}: absent, damaged or cut short ({found}); must be the {said['bytes']} bytes "
            f"that segment wrote (sha256 {said['sha256']}). Delete "
            f"{layout.record('segment', batch)} and run again: that makes it anew"
        )
    return str(archive)


def check_labels(root: str, images: Mapping[str, Any]) -> None:
    """Compare labels on a store with their record.

    Raises
    ------
    StoreUnavailable
        Objects are absent, or others than were written.
    """
    said = {path: image["stored"] for path, image in images.items() if "stored" in image}
    found = side_by_side(partial(_stored, root), list(said))
    for (path, one), other in zip(said.items(), found, strict=True):
        if one != other:
            raise StoreUnavailable(
                f"{root}/{path}/labels: {other['objects']} objects, {other['bytes']} bytes (digest "
                f"{other['sha256'][:12]}); segment left {one['objects']}, {one['bytes']} "
                f"({one['sha256'][:12]}). Delete its record and run again: that makes them anew"
            )
