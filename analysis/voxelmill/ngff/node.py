"""One value of a JSON document that knows where it is, so that refusing it is one line.

In: parsed JSON and the place it came from. Out: the checked value, or BadInput
`place: member: found; allowed. next step`.
"""

import json
import math
import re
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from voxelmill.plugin import BadInput

_SHOWN = 60


class Node(NamedTuple):
    """A JSON value, the document it lies in, and its member path there."""

    value: Any
    place: str
    path: str = ""

    def bad(self, allowed: str, step: str = "") -> BadInput:
        """Error that shows this value and says what is allowed."""
        where = f"{self.place}: {self.path}" if self.path else self.place
        shown = json.dumps(self.value)
        found = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
        return BadInput(f"{where}: {found}; {allowed}." + (f" {step}" if step else ""))

    def child(self, key: str | int, value: Any) -> "Node":  # noqa: ANN401
        """Wrap member `key` of this value."""
        member = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else key
        return Node(value, self.place, self.path + member)

    def members(self) -> dict[str, Any]:
        """Return the value as a JSON object."""
        if not isinstance(self.value, dict):
            raise self.bad("must be a JSON object")
        return self.value

    def get(self, key: str) -> "Node | None":
        """Return optional member `key`; null counts as absent."""
        value = self.members().get(key)
        return None if value is None else self.child(key, value)

    def need(self, key: str) -> "Node":
        """Return required member `key`."""
        found = self.get(key)
        if found is None:
            shown = ", ".join(map(str, self.members())) or "nothing"
            where = f"{self.place}: {self.path}" if self.path else self.place
            raise BadInput(f"{where}: holds {shown}; '{key}' is required.")
        return found

    def each(self, least: int = 0, most: int | None = None) -> list["Node"]:
        """Return the entries of a list of between `least` and `most`."""
        if not isinstance(self.value, list):
            raise self.bad("must be a list")
        if len(self.value) < least or (most is not None and len(self.value) > most):
            span = f"at least {least}" if most is None else f"{least} to {most}"
            raise self.bad(f"must have {span} entries, has {len(self.value)}")
        return [self.child(i, value) for i, value in enumerate(self.value)]

    def unique(self, keys: "list[Hashable]", what: str) -> None:
        """Refuse this list where `keys`, one an entry, repeat."""
        twice = sorted({str(k) for k in keys if keys.count(k) > 1})
        if twice:
            raise self.bad(f"{what} must be unique, but {', '.join(twice)} repeats")

    def text(self, pattern: str = "") -> str:
        """Return a string that matches `pattern` in full."""
        if not isinstance(self.value, str):
            raise self.bad("must be a string")
        if pattern and not re.fullmatch(pattern, self.value):
            raise self.bad(f"must match {pattern}")
        return self.value

    def one_of(self, *allowed: str) -> str:
        """Return a string that is one of `allowed`."""
        if self.value not in allowed:
            raise self.bad(f"must be {' or '.join(allowed)}")
        return str(self.value)

    def integer(self, least: int | None = None, most: int | None = None) -> int:
        """Return an integer within bounds."""
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.bad("must be an integer")
        if least is not None and value < least:
            raise self.bad(f"must be at least {least}")
        if most is not None and value > most:
            raise self.bad(f"must be at most {most}")
        return value

    def number(self) -> float:
        """Return a finite number."""
        value = self.value
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.bad("must be a number")
        if not math.isfinite(value):
            raise self.bad("must be finite")
        return float(value)

    def boolean(self) -> bool:
        """Return a boolean."""
        if not isinstance(self.value, bool):
            raise self.bad("must be true or false")
        return self.value

    def inner_path(self) -> str:
        """Return a relative path that stays inside the group it is given in."""
        parts = self.text().split("/")
        if "\\" in self.value or "\0" in self.value or any(p in {"", ".", ".."} for p in parts):
            raise self.bad("must be a path that stays inside its group")
        return self.text()


def parse_json(data: bytes, place: str) -> Node:
    """Read a JSON document whose top level is an object.

    Raises
    ------
    BadInput
        Not JSON, or not an object.
    """
    load: Callable[[bytes], Any] = json.loads
    try:
        value = load(data)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:80]
        raise BadInput(f"{place}: {reason}; metadata must be JSON.") from error
    node = Node(value, place)
    node.members()
    return node
