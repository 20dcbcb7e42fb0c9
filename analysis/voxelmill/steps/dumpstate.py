"""What `voxelmill dump` remembers from one look to the next: ``results/dump.json``.

    {"coming": {"<place>": {"digest": "…", "since": "2026-11-20T02:00:00+00:00"}},
     "taken": {"<dataset>": "<digest of its first level when it was taken>"}}

On a store it lies there, so that whoever goes on elsewhere knows it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from voxelmill.joblog import seconds_of
from voxelmill.layout import DUMP
from voxelmill.plugin import BadInput
from voxelmill.settling import Earlier
from voxelmill.store.documents import write_document
from voxelmill.store.place import content, place_at


@dataclass(frozen=True)
class Memory:
    """What earlier looks have seen."""

    coming: Mapping[str, Earlier] = field(default_factory=dict)
    """Datasets that are not in the sheet, by place."""
    taken: Mapping[str, str] = field(default_factory=dict)
    """Of those in the sheet, by name: the digest of the first level."""


def read_memory(results: str) -> Memory:
    """Read it; empty where nobody has looked yet.

    Raises
    ------
    BadInput
        It is damaged.
    StoreUnavailable, AccessDenied
        The store did not answer, or refused to.
    """
    place = place_at(results) / DUMP
    found = content(place)
    if found is None:
        return Memory()
    try:
        told = json.loads(found)
        coming = {
            name: Earlier(each["digest"], seconds_of(each["since"]))
            for name, each in told["coming"].items()
        }
        return Memory(coming, dict(told["taken"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{place}: damaged ({error}). Delete it and run again") from None


def write_memory(results: str, memory: Memory) -> None:
    """Write it; it is there whole, or as it was."""
    coming = {
        name: {"digest": each.digest, "since": iso(each.since)}
        for name, each in sorted(memory.coming.items())
    }
    taken = dict(sorted(memory.taken.items()))
    write_document(place_at(results) / DUMP, {"coming": coming, "taken": taken})


def iso(seconds: float) -> str:
    """Time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
