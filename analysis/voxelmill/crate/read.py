"""A crate read back: ``ro-crate-metadata.json`` → `Recorded`, from a folder, a file or an address.

Only crates that the step *provenance* has written are read: the identifiers of their entities are
those of `ids`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from voxelmill.crate import ids
from voxelmill.crate.recorded import Recorded, StoredFile
from voxelmill.plugin import BadInput
from voxelmill.store.objects import objects_at
from voxelmill.storeoptions import is_url

Entities = Mapping[str, Mapping[str, Any]]
"""Entities of a crate by their identifier."""


def read_crate(place: str) -> Recorded:
    """Read what a crate says.

    Parameters
    ----------
    place : str
        The crate's folder, its ``ro-crate-metadata.json``, or the http(s):// or s3:// address of
        either.

    Raises
    ------
    BadInput
        It is absent, damaged, or no crate of voxelmill.
    StoreUnavailable, AccessDenied
        A store did not answer, or refused to.
    """
    root = place.rstrip("/").removesuffix(f"/{ids.METADATA}") or "/"
    if root == ids.METADATA:
        root = "."
    content = _content(root)
    if content is None:
        raise BadInput(
            f"{root}: no {ids.METADATA}; allowed: a dataset's folder in the results of a run that "
            "is finished. Check the path"
        )
    try:
        document = json.loads(content)
        entities = {entity["@id"]: entity for entity in document["@graph"]}
        return _recorded(root, entities)
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadInput(
            f"{root}/{ids.METADATA}: damaged, or no crate that voxelmill wrote ({what[:200]}). Run "
            "the workflow again: it writes it anew"
        ) from None


def _content(root: str) -> bytes | None:
    if is_url(root):
        return objects_at(root).get(ids.METADATA)
    try:
        return (Path(root) / ids.METADATA).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"{root}: cannot be read ({error.strerror}). Check the path") from None


def _recorded(root: str, entities: Entities) -> Recorded:
    given = entities[ids.INPUT]
    maps = [id_ for id_ in _examples(entities, ids.parameter("plate_map")) if id_ in entities]
    return Recorded(
        root=root,
        dataset=entities[ids.ROOT]["alternateName"],
        url=given.get("url", ""),
        name=given["name"],
        config=dict(yaml.safe_load(entities[ids.CONFIG]["text"])),
        plate_map=maps[0] if maps else "",
        versions=dict(_versions(entities)),
        lock=entities[ids.LOCK]["value"],
        inputs=dict(_lines(entities, ids.INVENTORIES, 2)),
        labels={(image, name): value for image, name, value in _lines(entities, ids.LABELS, 3)},
        batches=_batches(entities),
        left_out=dict(_lines(entities, ids.LEFT_OUT, 2)),
        files=dict(_files(entities)),
    )


def _versions(entities: Entities) -> Iterator[tuple[str, str]]:
    for one in _several(entities[ids.WORKFLOW]["softwareRequirements"]):
        yield entities[one["@id"]]["name"], entities[one["@id"]]["softwareVersion"]


def _lines(entities: Entities, prefix: str, parts: int) -> Iterator[Any]:
    """Lines of the values of all batches, each cut at its tabs."""
    for id_ in sorted(id_ for id_ in entities if id_.startswith(prefix)):
        for line in entities[id_]["value"].split("\n"):
            found = line.split("\t")
            if len(found) != parts:
                raise ValueError(f"{id_}: '{line[:80]}'")
            yield tuple(found)


def _batches(entities: Entities) -> dict[str, tuple[str, ...]]:
    """Images of each batch: those with an inventory, then others that were left out."""
    found: dict[str, dict[str, None]] = {}
    for prefix in (ids.INVENTORIES, ids.LEFT_OUT):
        for id_ in sorted(id_ for id_ in entities if id_.startswith(prefix)):
            images = found.setdefault(id_.removeprefix(prefix), {})
            images.update(
                (line.split("\t")[0], None) for line in entities[id_]["value"].splitlines()
            )
    return {name: tuple(images) for name, images in sorted(found.items())}


def _files(entities: Entities) -> Iterator[tuple[str, StoredFile]]:
    for id_, entity in entities.items():
        if "sha256" in entity and "File" in _several(entity["@type"]):
            yield ids.path(id_), StoredFile(int(entity["contentSize"]), entity["sha256"])


def _examples(entities: Entities, parameter: str) -> Iterator[str]:
    for id_, entity in entities.items():
        if {"@id": parameter} in _several(entity.get("exampleOfWork", [])):
            yield ids.path(id_)


def _several(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, list) else [value]
