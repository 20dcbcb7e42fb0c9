"""One dataset → its batch files: written where their content changes, left where it does not.

In: the dataset's rows of the manifest, the rule that cuts, its rows of the table of batches. Out:
batch files and new rows of that table.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from voxelmill.batch import FIELDS, Batch, columns_as_json
from voxelmill.batchtable import Entry, Key, summed
from voxelmill.cuts import names
from voxelmill.layout import Layout
from voxelmill.ledger import sha256_of, write_bytes
from voxelmill.sizing import Kind, Rule, voxels
from voxelmill.tables import Frame


@dataclass(frozen=True)
class Cutter:
    """Cuts datasets of one results folder by one rule."""

    results: Path
    rule: Rule

    def unchanged(self, key: Key, before: Sequence[Entry]) -> bool:
        """Whether the batch files of a dataset are what the last scan has left, byte for byte."""
        layout = Layout(self.results / key[0])
        return (
            bool(before)
            and _present(layout) == {layout.batch(e.batch) for e in before}
            and all(e.cut == self.rule.text for e in before)
            and all(sha256_of(layout.batch(e.batch)) == e.sha256 for e in before)
        )

    def cut(self, key: Key, frame: Frame, before: Sequence[Entry]) -> tuple[Entry, ...]:
        """Cut a dataset as before if it can be, else by the rule; write what has changed."""
        texts = [*zip(*(frame.column(name) for name in Kind._fields), strict=True)]
        made = {text: Kind(*text) for text in set(texts)}
        kinds = [made[text] for text in texts]
        sizes = [e.images for e in before if e.cut == self.rule.text]
        # Another calibration would cut elsewhere, and everything would run again.
        if sum(sizes) != len(frame):
            sizes = self.rule.sizes(kinds)
        known = {kind: voxels(kind) for kind in set(kinds)}
        columns = {n: frame.column("image" if n == "path" else n) for n in FIELDS if n != "voxels"}
        columns["voxels"] = [known[kind] for kind in kinds]
        layout, entries, start = Layout(self.results / key[0]), [], 0
        for name, size in zip(names(len(sizes)), sizes, strict=True):
            here = slice(start, start + size)
            part = {field: values[here] for field, values in columns.items()}
            digest = _keep(layout.batch(name), columns_as_json(*key, name, part))
            facts = summed(kinds[here])
            entries.append(Entry(*key, batch=name, **facts, cut=self.rule.text, sha256=digest))
            start += size
        for path in _present(layout) - {layout.batch(e.batch) for e in entries}:
            path.unlink()
        return tuple(entries)


def _present(layout: Layout) -> set[Path]:
    return set(layout.batch("x").parent.glob("*.json"))


def _keep(path: Path, value: dict[str, object]) -> str:
    """Write a batch file, unless one is there that says the same; return its digest."""
    data = (json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n").encode()
    if path.exists():
        there = path.read_bytes()
        if there == data or _says(there, value):
            return sha256(there).hexdigest()
    write_bytes(path, data)
    return sha256(data).hexdigest()


def _says(data: bytes, value: dict[str, object]) -> bool:
    """Whether a file says the same in other bytes, or as an earlier version has written it."""
    try:
        there = json.loads(data)
        old = isinstance(there["items"], list)
        return bool(there == value or (old and Batch.from_json(there) == Batch.from_json(value)))
    except (ValueError, KeyError, TypeError):
        return False
