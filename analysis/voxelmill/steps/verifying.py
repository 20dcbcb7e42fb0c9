"""Re-reading one dataset: every file of it, once, against the list and the crate.

In: the address of a folder with a crate. Out: `Checked`.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from voxelmill.cores import usable_cores
from voxelmill.crate.recorded import StoredFile
from voxelmill.plugin import AccessDenied, StoreUnavailable
from voxelmill.steps.sumlist import SumList, read_list
from voxelmill.store.remote import CONNECTIONS
from voxelmill.store.sweep import Tree, damaged_entries, sweep, tree_at
from voxelmill.storeoptions import is_url
from voxelmill.verification import (
    CRATE,
    LIST,
    Finding,
    Sums,
    beside,
    compare,
    is_result,
    part_of,
    sums,
)

ENTRIES = 3
"""Most damaged entries of an archive that are named."""
Files = Mapping[str, StoredFile]


@dataclass
class Checked:
    """What came of a dataset: files and bytes that were read, and what is not as recorded.

    All findings are counted; `most` of them are kept, all where it is None.
    """

    name: str
    most: int | None = None
    files: int = 0
    bytes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock, repr=False)

    def add(self, finding: Finding | None, read: Sums | None = None) -> None:
        """Count a file, if it was read, and keep what was found."""
        with self._lock:
            if read is not None:
                self.files += 1
                self.bytes += read.bytes or 0
            if finding is None:
                return
            self.kinds[finding.kind] += 1
            if self.most is None or len(self.findings) < self.most:
                self.findings.append(finding)


@dataclass
class Reading:
    """One dataset while it is read."""

    address: str
    tree: Tree
    files: Files
    """What the crate names."""
    listed: bool
    """Whether there is a list."""
    trusted: bool
    """Whether it is the one that the crate names."""
    checked: Checked
    unanswered: int = 0
    """Files in a row that a store has not given."""

    def items(self, listing: SumList) -> Iterator[tuple[str, str | None]]:
        """Path and MD5 of all that is listed, then what only the crate names; None: only found."""
        left = dict(self.files)
        for path, digest in beside(listing.entries(), self.tree.paths(is_result)):
            left.pop(path, None)
            yield path, digest
        yield from ((path, "") for path in left)

    def look(self, item: tuple[str, str | None]) -> None:
        """Read one file, and judge it."""
        path, digest = item
        named = self.files.get(path)
        if digest is None and named is None:
            self.checked.add(self._extra(path))
            return
        believed = (digest or "") if self.trusted or named is None else ""
        try:
            found = self.tree.through(path, partial(sums, full=named is not None))
        except (AccessDenied, StoreUnavailable) as error:
            self.checked.add(Finding(path, "unreadable", reason=str(error)))
            self._give_up(error)
            return
        self.unanswered = 0
        self.checked.add(self._explained(compare(path, believed, named, found), named), found)

    def _extra(self, path: str) -> Finding | None:
        if path.endswith("/"):
            return Finding(path, "unreadable", reason="the folder cannot be listed")
        return Finding(path, "unexpected", reason=self._doubt()) if self.listed else None

    def _doubt(self) -> str:
        return "" if self.trusted else f"by {LIST}, which is not as recorded itself"

    def _explained(self, finding: Finding | None, named: StoredFile | None) -> Finding | None:
        """Add what is damaged inside of an archive, and whether the list is to be believed."""
        if finding is None:
            return None
        reason = "" if named else self._doubt()
        if finding.kind == "changed" and finding.path.endswith(".ozx") and not is_url(self.address):
            inside = damaged_entries(Path(self.address, finding.path))
            parts = [part_of(f"labels.ome.zarr/{entry}") or entry for entry in inside[:ENTRIES]]
            more = [f"{len(inside) - ENTRIES} more"] if len(inside) > ENTRIES else []
            reason = "; ".join([reason, *parts, *more]).removeprefix("; ")
        return replace(finding, reason=reason)

    def _give_up(self, error: Exception) -> None:
        """End where a store has answered none of many: each is waited for, for minutes."""
        if is_url(self.address) and isinstance(error, StoreUnavailable):
            self.unanswered += 1
            if self.unanswered > CONNECTIONS:
                raise error


def check(
    checked: Checked, address: str, files: Files | None, stage: Callable[[str, int], Any]
) -> None:
    """Read a dataset.

    Parameters
    ----------
    checked : Checked
        Gets what is found.
    address : str
    files : mapping of str to StoredFile, optional
        What the crate names; None: there is no crate that can be read.
    stage : callable
        Gives a progress bar for so many files.

    Raises
    ------
    StoreUnavailable
        A store does not answer any more.
    """
    tree, known = tree_at(address), files or {}
    with read_list(tree) as listing:
        wrong = _judged(listing, files)
        if wrong:
            checked.add(wrong)
        rest = {path: file for path, file in known.items() if path != LIST}
        trusted = files is not None and wrong is None
        reading = Reading(address, tree, rest, listing.sums is not None, trusted, checked)
        with stage(checked.name, listing.lines) as advance:

            def look(item: tuple[str, str | None]) -> None:
                reading.look(item)
                advance()

            sweep(look, reading.items(listing), threads(address))


def threads(address: str) -> int:
    """Threads that read: more than cores, since shared file systems answer late."""
    return CONNECTIONS if is_url(address) else min(CONNECTIONS, max(8, 2 * usable_cores()))


def _judged(listing: SumList, files: Files | None) -> Finding | None:
    """What is wrong with the list itself."""
    if listing.error:
        return Finding(LIST, "unreadable", reason=listing.error)
    named = (files or {}).get(LIST)
    if files is not None and named is None:
        return Finding(CRATE, "changed", reason=f"it does not name {LIST}")
    found = compare(LIST, "", named, listing.sums)
    if listing.bad:
        why = f"line {listing.bad} is no checksum of a file"
        found = Finding(LIST, "changed", found=listing.sums, reason=why)
    return found
