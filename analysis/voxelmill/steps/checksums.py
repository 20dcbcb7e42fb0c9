"""Every file of a dataset's results with its MD5: ``checksums.md5``, as ``md5sum -c`` checks it.

In: results in a folder, or on an object store, which tells MD5s without reading. Out: what is
there, by path. What `segment` has recorded of labels must be what is there still.
"""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, NamedTuple

from voxelmill.layout import Layout
from voxelmill.plugin import StoreUnavailable
from voxelmill.store.place import Facts, Place, StorePath, facts, listing, place_at
from voxelmill.store.remote import side_by_side
from voxelmill.store.s3 import Stored
from voxelmill.verification import APART, is_result

PIECE = 1 << 20
LABELS = "labels.ome.zarr"


class File(NamedTuple):
    """A file of the results."""

    stored: Stored
    sha256: str
    """Empty of parts of labels, and where nothing was read."""


ABSENT = File(Stored(0, ""), "nothing")


def look(layout: Layout) -> dict[str, File]:
    """All files of a dataset's results with their MD5, by path; the SHA-256 of what is read.

    Not among them: logs, scratch, hidden files, and what is written after them (the crate, the
    list itself, its record).

    Raises
    ------
    StoreUnavailable, AccessDenied
        The store does not answer, or refuses to; a file cannot be read.
    """
    found = _on_store(layout) if layout.store else _in_folder(layout)
    return dict(sorted(found.items()))


def checksums_text(found: Mapping[str, Stored]) -> str:
    """The list as ``md5sum`` writes it, by path."""
    return "".join(f"{stored.etag}  {path}\n" for path, stored in sorted(found.items()))


def check_written(
    layout: Layout, found: Mapping[str, File], segmented: Mapping[str, Mapping[str, Any]]
) -> None:
    """Compare labels with the records of *segment*, by batch.

    Raises
    ------
    StoreUnavailable
        They are not what was written then.
    """
    trees = _trees(found)
    for batch, record in segmented.items():
        again = f"Delete records/segment/{batch}.json and run again: that makes them anew"
        if said := record.get("labels"):
            now, then = found.get(said["file"], ABSENT).sha256, said["sha256"]
            if now != then:
                raise StoreUnavailable(
                    f"{layout.root.name}/{said['file']}: absent, or not what segment wrote "
                    f"({now[:12]}, not {then[:12]}). {again}"
                )
        for image, entry in record["images"].items():
            if "stored" in entry:
                place = f"{layout.root.name}/{LABELS}/{image}"
                _same(place, facts(trees.get(image, {})), entry["stored"], again)


def _same(place: str, now: Facts, then: Mapping[str, Any], again: str) -> None:
    if now.as_json() != then:
        raise StoreUnavailable(
            f"{place}: {now.objects} files of labels, {now.bytes} bytes ({now.sha256[:12]}); "
            f"segment left {then['objects']}, {then['bytes']} ({then['sha256'][:12]}). {again}"
        )


def _trees(found: Mapping[str, File]) -> dict[str, dict[str, Stored]]:
    """Files of the labels by image."""
    trees: dict[str, dict[str, Stored]] = {}
    for path, file in found.items():
        top, _, rest = path.partition("/")
        image, mark, key = f"/{rest}".partition("/labels/")
        if top == LABELS and mark:
            trees.setdefault(image[1:], {})[key] = file.stored
    return trees


def _in_folder(layout: Layout) -> dict[str, File]:
    paths = [path for path in _walk(layout.root) if is_result(path)]
    files = side_by_side(partial(_read, layout.root), paths)
    return dict(zip(paths, files, strict=True))


def _walk(root: Path, prefix: str = "") -> Iterator[str]:
    with os.scandir(root / prefix) as entries:
        found = list(entries)
    for entry in found:
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            # Folders of logs and scratch may hold very much, and change.
            if prefix or entry.name not in APART:
                yield from _walk(root, f"{path}/")
        else:
            yield path


def _read(root: Path, path: str) -> File:
    try:
        with (root / path).open("rb") as file:
            first = file.read(PIECE)
            sums = [md5(first, usedforsecurity=False)]
            if not path.startswith(f"{LABELS}/"):
                sums.append(sha256(first))
            size = len(first)
            while len(first) == PIECE and (more := file.read(PIECE)):
                size += len(more)
                for one in sums:
                    one.update(more)
    except OSError as error:
        raise StoreUnavailable(f"{root / path}: cannot be read ({error.strerror})") from None
    found = [one.hexdigest() for one in sums]
    return File(Stored(size, found[0]), found[1] if len(found) > 1 else "")


def _on_store(layout: Layout) -> dict[str, File]:
    place = place_at(layout.store)
    there = {path: stored for path, stored in listing(place).items() if is_result(path)}
    # An ETag with a dash is that of parts.
    names = [path for path, stored in there.items() if "-" in stored.etag]
    whole = dict(zip(names, side_by_side(partial(_md5, place), names), strict=True))
    return {path: File(whole.get(path, stored), "") for path, stored in there.items()}


def _md5(place: Place, path: str) -> Stored:
    content = place.objects.get((place / path).key) if isinstance(place, StorePath) else None
    if content is None:
        raise StoreUnavailable(f"{place}/{path}: gone while it was read. Run it again")
    return Stored(len(content), md5(content, usedforsecurity=False).hexdigest())
