"""Append-only list of what a running step has finished: what makes resume exact.

One file a step. Its first line is the digest of everything that the results depend on; a ledger
with another first line is of another run and is started anew. What a killed process or a full disk
left after the last whole line is cut off. One process at a time holds the folder.

Scratch files may lie elsewhere, on a disk of this node. Then the first line also has a mark that
lies beside them: a ledger whose files are not here, on another node or cleared away, is void. Or
they lie on an object store, for workers that share no disk: there the ledger is copied every few
seconds, since the machine that writes it may be gone for good (`Copy`).
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from voxelmill.disk import full, is_full, room
from voxelmill.lockfile import Held, LockFile
from voxelmill.plugin import OutputExists
from voxelmill.store.place import Place, StorePath, remove

SYNC_S = 0.05
"""Longest time between two fsyncs while lines come in: so much may be lost when power fails."""
PATIENCE_S = 10.0
"""How long to wait for the process of a run that was killed a moment ago."""
COPY_S = 10.0
"""Time between two copies of a ledger to a store."""
MARK = ".mark"
"""File beside scratch files that lie apart from their ledger."""


def digest(value: object) -> str:
    """SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically: it is there whole, or not at all."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically: it is there whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Ledger:
    """Finished tasks of one step, in the folder that also holds its scratch files.

    Parameters
    ----------
    folder : Path
        Folder of the step; emptied when it belongs to another run.
    identity : object
        JSON value that determines every result: batch, settings, version.
    kept : bool
        Whether the folder outlives this process, so that another run can resume.
    patience_s : float
        How long to wait for another process that holds the folder, in seconds.
    scratch : callable, optional
        Gives another folder for scratch files, or None; asked when the folder is held. The other
        one goes away with the step, even if that fails.

    Raises
    ------
    OutputExists
        Another process works in the folder.
    """

    def __init__(
        self,
        folder: Path,
        identity: object,
        *,
        kept: bool = True,
        patience_s: float = PATIENCE_S,
        scratch: Callable[[], Place | None] = lambda: None,
    ) -> None:
        self.folder = folder
        self.path = folder / "ledger.jsonl"
        self.done: dict[str, Any] = {}
        with room(folder):
            try:
                self._lock = LockFile(folder / "lock", patience_s=patience_s)
            except Held as holder:
                raise OutputExists(
                    f"{folder}: {holder} works on this batch. Let it finish or end it, "
                    "then run again"
                ) from None
            self.scratch: Place = scratch() or folder
            self._copy = None if isinstance(self.scratch, Path) else Copy(self.scratch, self.path)
            self._disk = self.scratch if isinstance(self.scratch, Path) else folder
            self._apart = self._disk != folder
            self.kept = kept and not self._apart
            if self._copy:
                self._copy.fetch()
            self._open({"identity": digest(identity)})

    def _open(self, head: dict[str, Any]) -> None:
        lines, self._size = read_lines(self.path)
        mark = self._mark() if self._apart else None
        head = head if mark is None else {**head, "scratch": mark}
        if not lines or lines[0] != head or mark == "":
            self._empty()
            lines, self._size = [], 0
            if self._apart:
                head["scratch"] = self._new_mark()
        self.done = {line["key"]: line["value"] for line in lines[1:]}
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._synced = time.monotonic()
        os.ftruncate(self._file, self._size)
        if not lines:
            self._append(head)

    def _mark(self) -> str:
        path = self._disk / MARK
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _new_mark(self) -> str:
        self._disk.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = uuid.uuid4().hex
        (self._disk / MARK).write_text(mark, encoding="utf-8")
        return mark

    def _empty(self) -> None:
        if self._copy:
            remove(self._copy.place)
        for path in {self.folder, self._disk}:
            for entry in path.iterdir() if path.exists() else ():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry != self._lock.path:
                    entry.unlink()

    def _append(self, line: object) -> None:
        data = (json.dumps(line) + "\n").encode()
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._size + written)
        except OSError:
            # The next line must not be glued to half of this one.
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def add(self, key: str, value: object) -> None:
        """Note that `key` is finished; survives a kill at once, a power failure after `sync`."""
        self._append({"key": key, "value": value})
        self.done[key] = value
        if time.monotonic() - self._synced >= SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Wait until all that was added is on the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()
        if self._copy:
            self._copy.put()

    def close(self) -> None:
        """Keep the ledger for the next run."""
        if self._file >= 0:
            if self._copy and self.done:
                self._copy.put(now=True)
            os.close(self._file)
            self._file = -1
            self._lock.release()

    def discard(self) -> None:
        """Remove ledger and scratch: the step is finished and its record is written."""
        self._empty()
        if self._apart:
            shutil.rmtree(self._disk, ignore_errors=True)
        self.done = {}
        self.close()
        # It is not empty where another process, which has waited, holds it by now.
        with suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._apart:
            shutil.rmtree(self._disk, ignore_errors=True)
        self.close()
        if error is not None and is_full(error) and isinstance(error, OSError):
            raise full(error.filename or self.folder, error, kept=self.kept) from error


class Copy:
    """Copy of a ledger on the store that has its scratch files.

    Parameters
    ----------
    place : StorePath
        Folder of the scratch files.
    path : Path
        The ledger.
    """

    def __init__(self, place: StorePath, path: Path) -> None:
        self.place = place
        self._object, self._path = place / path.name, path
        self._time = 0.0

    def fetch(self) -> None:
        """Write the ledger as the copy says, unless there is one."""
        if not self._path.exists():
            content = self._object.objects.get(self._object.key)
            write_bytes(self._path, content or b"")

    def put(self, *, now: bool = False) -> None:
        """Renew the copy, where it is old or has to be true `now`."""
        if now or time.monotonic() - self._time >= COPY_S:
            self._object.objects.put(self._object.key, self._path.read_bytes())
            self._time = time.monotonic()


def read_lines(path: Path) -> tuple[list[Any], int]:
    """Read whole lines of JSON objects up to the first that is none, and where they end."""
    lines: list[Any] = []
    size = 0
    if not path.exists():
        return lines, size
    with path.open("rb") as file:
        for text in file:
            if not text.endswith(b"\n"):
                break
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not isinstance(line, dict) or (lines and line.keys() != {"key", "value"}):
                break
            lines.append(line)
            size += len(text)
    return lines, size
