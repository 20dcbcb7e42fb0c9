"""Append-only list of what a running step has finished: what makes resume exact.

One file a step. Its first line is the digest of everything that the results depend on; a ledger
with another first line is of another run and is started anew. A torn last line (the process was
killed while it wrote) is ignored.
"""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self


def digest(value: object) -> str:
    """SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically: it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


class Ledger:
    """Finished tasks of one step, in the folder that also holds its scratch files.

    Parameters
    ----------
    folder : Path
        Scratch folder of the step; emptied when it belongs to another run.
    identity : object
        JSON value that determines every result: batch, settings, version.
    """

    def __init__(self, folder: Path, identity: object) -> None:
        self.folder = folder
        self.path = folder / "ledger.jsonl"
        self.done: dict[str, Any] = {}
        head = {"identity": digest(identity)}
        lines = self._lines()
        if not lines or lines[0] != head:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            lines = [head]
        self.done = {line["key"]: line["value"] for line in lines[1:]}
        # Rewritten whole: appending after a torn last line would join two lines into one.
        part = self.path.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        part.replace(self.path)
        self._file = self.path.open("a", encoding="utf-8")

    def _lines(self) -> list[Any]:
        if not self.path.exists():
            return []
        lines = []
        for text in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                break
        return lines

    def add(self, key: str, value: object) -> None:
        """Note that `key` is finished; on disk when this returns."""
        self.done[key] = value
        self._file.write(json.dumps({"key": key, "value": value}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Keep the ledger for the next run."""
        self._file.close()

    def discard(self) -> None:
        """Remove ledger and scratch: the step is finished and its record is written."""
        self.close()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
