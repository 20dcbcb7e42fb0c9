"""`voxelmill verify`: re-reads every file of results and compares it with the crates.

In: the address of results, or of one dataset of them. Out: a `Verified`, and lines or JSON of it.
Nothing is written.

    ro-crate-metadata.json   SHA-256 of tables, pages, records, and of the list
    checksums.md5            the list: MD5 of every file, those of labels too

What a file system or a store tells of a file proves nothing about what it gives: each byte is read.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voxelmill.crate.read import read_crate
from voxelmill.layout import batch_table
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.progress import Progress
from voxelmill.steps.verifying import Checked, Files, check
from voxelmill.store.objects import join, normalise
from voxelmill.store.remote import side_by_side
from voxelmill.store.sweep import Tree, folders_at, tree_at
from voxelmill.storeoptions import is_url
from voxelmill.tables import read_table
from voxelmill.verification import CRATE, LIST, Finding

PLANNED = batch_table(Path()).name
"""Table of what the last scan has found, beside the datasets."""
LINES = 20
"""Most findings that are printed, and most datasets without any."""


@dataclass(frozen=True)
class Verified:
    """What came of all datasets, in so many seconds."""

    address: str
    datasets: tuple[Checked, ...]
    seconds: float

    @property
    def files(self) -> int:
        """Files that were read."""
        return sum(found.files for found in self.datasets)

    @property
    def bytes(self) -> int:
        """Bytes that were read."""
        return sum(found.bytes for found in self.datasets)

    @property
    def kinds(self) -> Counter[str]:
        """Number of findings of each kind."""
        return sum((found.kinds for found in self.datasets), Counter())

    @property
    def exit_code(self) -> int:
        """0: all is as recorded; 1: something is not."""
        return 1 if self.kinds else 0


def verify(address: str, most: int | None = LINES) -> Verified:
    """Read results again and compare them with their crates.

    Parameters
    ----------
    address : str
        Folder, s3:// or http(s):// of the results, or of one dataset of them.
    most : int, optional
        Findings that are kept of each dataset; None: all. The others are counted.

    Raises
    ------
    BadInput
        There are no results with a crate, or none that can be found.
    StoreUnavailable, AccessDenied
        A store did not answer, or refused to.
    """
    address, progress = normalise(address), Progress()
    checked, start = [], time.perf_counter()
    datasets, damage = _datasets(address)
    if damage:
        checked.append(Checked(PLANNED, most))
        checked[0].add(Finding(PLANNED, "changed", reason=damage))
    for name, place in datasets:
        found = Checked(name, most)
        checked.append(found)
        if place is None:
            found.add(Finding("", "unfinished", reason="no crate. Finish its run"))
        else:
            check(found, place, _named(place, found), progress.stage)
    return Verified(address, tuple(checked), time.perf_counter() - start)


def _datasets(address: str) -> tuple[list[tuple[str, str | None]], str]:
    """Name and address of each dataset (none: it has no crate); what is wrong with their table."""
    tree = tree_at(address)
    if _holds_one(tree, ""):
        path = address if is_url(address) else str(Path(address).resolve())
        return [(path.rpartition("/")[2], address)], ""
    planned, damage = _planned(tree)
    names = sorted(set(folders_at(address)) | planned)
    held = side_by_side(lambda name: _holds_one(tree, name), names)
    there = {name for name, found in zip(names, held, strict=True) if found}
    if not there and damage:
        raise BadInput(
            f"{join(address, PLANNED)}: {damage}, and no other dataset was found; allowed: the "
            "address of one dataset. Name it"
        )
    if not there:
        raise BadInput(
            f"{address}: no {CRATE}, nor in its folders; allowed: results of a run that has "
            "finished, or one dataset of them. Check the path, or finish the run"
        )
    found = [(name, join(address, name) if name in there else None)
             for name in names if name in there or name in planned]  # fmt: skip
    return found, damage


def _holds_one(tree: Tree, name: str) -> bool:
    """Whether a folder is a dataset's: its crate is there, or what else it must have beside it."""
    return any(tree.size(join(name, file)) is not None for file in (CRATE, LIST))


def _planned(tree: Tree) -> tuple[set[str], str]:
    """Datasets that the last scan has found, none where its table is not there; its damage."""
    with TemporaryDirectory(prefix="voxelmill-verify-") as folder:
        table = Path(folder, PLANNED)
        with table.open("wb") as file:
            found = tree.through(PLANNED, lambda pieces: sum(map(file.write, pieces)))
        if found is None:
            return set(), ""
        try:
            return set(read_table(table, ["dataset"])["dataset"]), ""
        except (StoreUnavailable, KeyError):
            # Its own words name a copy that is gone by now.
            return set(), "no table of batches; datasets that only it names are not looked at"


def _named(place: str, checked: Checked) -> Files | None:
    """Files that the crate names; None, and a finding: it cannot be read."""
    try:
        return read_crate(place).files
    except BadInput as error:
        absent = tree_at(place).size(CRATE) is None
        checked.add(Finding(CRATE, "missing" if absent else "changed", reason=str(error)))
        return None


def text(found: Verified) -> list[str]:
    """What came of it, for people; the last line says how much was read and how fast."""
    lines, left, whole = [], LINES, [one for one in found.datasets if not one.kinds]
    if len(whole) <= LINES:
        lines += [f"{one.name}: {one.files} files as recorded" for one in whole]
    else:
        lines.append(f"{len(whole)} datasets: all files as recorded")
    for one in (one for one in found.datasets if one.kinds):
        lines.append(f"{one.name}: {_counts(one.kinds)}; {one.files} files read")
        shown = sorted(one.findings, key=lambda finding: finding.path)[:left]
        lines += [f"  {finding}" for finding in shown]
        left -= len(shown)
    if (more := sum(found.kinds.values()) - (LINES - left)) > 0:
        lines.append(f"… and {more} more: --json")
    mb = found.bytes / 1e6
    lines.append(
        f"{found.files} files, {mb:.1f} MB in {found.seconds:.1f} s "
        f"({mb / max(found.seconds, 1e-9):.0f} MB/s): "
        + (_counts(found.kinds) if found.kinds else "all as recorded")
    )
    return lines


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))


def as_json(found: Verified) -> str:
    """What came of it, for programs; digests in full."""
    document: dict[str, Any] = {
        "results": found.address,
        "as_recorded": not found.kinds,
        "files": found.files,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
        "datasets": {
            one.name: {
                "files": one.files,
                "bytes": one.bytes,
                "findings": [each.as_json() for each in sorted(one.findings, key=_path)],
            }
            for one in found.datasets
        },
    }
    return json.dumps(document, indent=1)


def _path(finding: Finding) -> str:
    return finding.path
