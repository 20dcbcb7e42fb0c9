"""Results on an object store: what *scan* reads and writes there, by way of a folder.

In: a configuration whose results are ``s3://…``. Before a scan, tables and batch files of an
earlier one are fetched, and records, so that whoever goes on elsewhere knows what is done; after
it, what has changed is put. Pixels, and what jobs make, never pass here.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from voxelmill.config import Config
from voxelmill.layout import APPROVAL, GATES, batch_table, manifest
from voxelmill.ledger import write_bytes
from voxelmill.plugin import StoreUnavailable
from voxelmill.store.objects import objects_at
from voxelmill.store.place import etag
from voxelmill.store.remote import side_by_side
from voxelmill.store.s3 import S3Objects, Stored

OURS = ("batches", GATES)
"""Folders of a dataset that are written here, and only here."""
FOLDERS = (*OURS, "records")
"""What of a dataset is fetched, and its approval."""


def pull(config: Config) -> None:
    """Fetch what an earlier scan has left on the store, where it differs from the copy here.

    Raises
    ------
    StoreUnavailable, AccessDenied
        No such bucket, the store does not answer, or refuses to.
    """
    objects, folder = _objects(config), config.folder
    there = objects.listing()
    wanted = {key: stored for key, stored in there.items() if _small(key)}
    for path in (p for p in _copies(folder) if p.relative_to(folder).as_posix() not in wanted):
        path.unlink()
    side_by_side(partial(_fetch, objects, folder), list(wanted.items()))


def pull_table(config: Config) -> None:
    """Fetch the table of batches, which is all of a scan that a job in a pod needs.

    Raises
    ------
    StoreUnavailable, AccessDenied
        It is not there; the store does not answer, or refuses to.
    """
    path = batch_table(config.folder)
    content = _objects(config).get(path.name)
    if content is None:
        raise StoreUnavailable(f"{config.store}/{path.name}: absent. Run `voxelmill run` anew")
    write_bytes(path, content)


def push(config: Config) -> None:
    """Put what the scan has changed; the table of batches, which names the others, comes last."""
    objects, folder = _objects(config), config.folder
    there = objects.listing()
    ours = [path for part in OURS for path in sorted(folder.glob(f"*/{part}/*.json"))]
    for path in (*ours, manifest(folder), batch_table(folder)):
        key = path.relative_to(folder).as_posix()
        content = path.read_bytes()
        if key not in there or there[key].etag != etag(content):
            objects.put(key, content)
    kept = {path.relative_to(folder).as_posix() for path in ours}
    for key in there:
        if key.count("/") == 2 and key.split("/")[1] in OURS and key not in kept:
            objects.delete(key)


def stored(config: Config, key: str) -> bool:
    """Whether there is such an object on the store.

    Raises
    ------
    StoreUnavailable, AccessDenied
        The store does not answer, or refuses to.
    """
    return _objects(config).get(key) is not None


def forget(config: Config, path: Path) -> None:
    """Remove a file of the results, here and on the store."""
    path.unlink(missing_ok=True)
    if config.store:
        _objects(config).delete(path.relative_to(config.folder).as_posix())


def publish(config: Config, path: Path) -> None:
    """Put a file of the results on the store, if they go to one."""
    if config.store:
        key = path.relative_to(config.folder).as_posix()
        _objects(config).put(key, path.read_bytes())


def _objects(config: Config) -> S3Objects:
    found = objects_at(config.store)
    if not isinstance(found, S3Objects):
        raise StoreUnavailable(f"{config.store}: results go to a folder or s3://bucket/prefix")
    return found


def _small(key: str) -> bool:
    top, *rest = key.split("/")
    if not rest:
        return top.endswith(".parquet") or top == "check.json"
    return rest[0] in FOLDERS or rest == [APPROVAL]


def _copies(folder: Path) -> Iterator[Path]:
    for part in FOLDERS:
        yield from (p for p in folder.glob(f"*/{part}/**/*.json") if p.is_file())
    yield from folder.glob(f"*/{APPROVAL}")


def _fetch(objects: S3Objects, folder: Path, item: tuple[str, Stored]) -> None:
    key, stored = item
    path = folder / key
    if path.is_file() and etag(path.read_bytes()) == stored.etag:
        return
    content = objects.get(key)
    if content is None:
        raise StoreUnavailable(f"{key}: gone while it was fetched. Run it again")
    write_bytes(path, content)
