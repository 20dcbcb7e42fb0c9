"""Entities of flattened JSON-LD as RO-Crate wants them: no empty values, no list of one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

Entity: TypeAlias = dict[str, Any]


def ref(identifier: str) -> Entity:
    """Reference to an entity."""
    return {"@id": identifier}


def refs(identifiers: Iterable[str]) -> list[Entity]:
    """References, each once and in order."""
    return [ref(identifier) for identifier in dict.fromkeys(identifiers)]


def entity(identifier: str, kind: str | list[str], /, **properties: object) -> Entity:
    """Make an entity; what is None, empty or zero is left out, a list of one is its item."""
    found: Entity = {"@id": identifier, "@type": kind}
    for name, value in properties.items():
        if value is None or value in ("", [], 0):
            continue
        found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return found


def when(seconds: float) -> str | None:
    """Time in UTC to the second, as ISO 8601; None where it is not known."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None
