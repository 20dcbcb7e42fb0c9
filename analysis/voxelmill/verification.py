"""What re-reading results finds: which files there must be, and what is wrong with one, in words.

In: lines as `md5sum` writes them, paths as seen from a dataset's folder, pieces of files. Out: sums
of content, and `Finding`s. Pure: no files.

    checksums.md5   a   b       d      sorted, so that two streams are compared, of any length
    folder          a       c   d      b: missing, c: unexpected
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import md5, sha256
from heapq import merge
from typing import Any, Literal, TypeAlias

from voxelmill.crate.recorded import StoredFile

Kind: TypeAlias = Literal["changed", "missing", "unreadable", "unexpected", "unfinished"]

CRATE, LIST = "ro-crate-metadata.json", "checksums.md5"
UNLISTED = (CRATE, LIST, "records/provenance.json")
"""Files that the list cannot name: they are written after it, or are it."""
APART = ("logs", "scratch")
"""Folders of a dataset whose files are no results."""

_LINE = re.compile(r"(\\?)([0-9a-f]{32}) [ *](.+)", re.DOTALL)
_ESCAPED = {r"\n": "\n", r"\r": "\r", r"\\": "\\"}
_IMAGE = r"labels\.ome\.zarr/(?:(?P<image>.+)/)?labels/(?P<set>[^/]+)"
_PARTS = (
    (rf"{_IMAGE}/(?P<level>[^/]+)/c/(?P<chunk>.+)",
     "labels of {set}{image}, level {level}, chunk {chunk}"),
    (rf"{_IMAGE}/(?P<level>[^/]+)/zarr\.json",
     "labels of {set}{image}, metadata of level {level}"),
    (rf"{_IMAGE}/zarr\.json", "labels of {set}{image}, metadata"),
    (r"labels\.ome\.zarr/.*", "labels"),
    (r"labels/(?P<batch>[^/]+)\.ozx", "zipped labels of batch {batch}"),
    (r"objects/(?P<set>[^/]+)/(?P<batch>[^/]+)\.parquet", "table of {set}, batch {batch}"),
    (r"qc/(?P<batch>[^/]+)\.parquet", "table of QC, batch {batch}"),
    (r"index/(?P<batch>[^/]+)\.parquet", "table of where objects lie, batch {batch}"),
    (r"(?P<of>images|wells)\.parquet", "table of {of}"),
    (r"records/(?P<step>[^/]+)/(?P<batch>[^/]+)\.json", "record of {step}, batch {batch}"),
    (r"records/(?P<step>[^/]+)\.json", "record of {step}"),
    (r"batches/(?P<batch>[^/]+)\.json", "batch {batch}"),
    (r"illumination\.ome\.zarr/.*", "profiles of light"),
    (r"provenance/.*", "what a rerun needs"),
    (r"(report|qc)\.html", "report"),
    (re.escape(LIST), "the list of all files"),
    (re.escape(CRATE), "the crate"),
)  # fmt: skip
"""What a file of the results is, by its path."""


@dataclass(frozen=True)
class Sums:
    """Size in bytes and digests of a file's content; empty: not known."""

    bytes: int | None = None
    md5: str = ""
    sha256: str = ""

    def contradicts(self, other: "Sums") -> bool:
        """Whether something that both know differs."""
        pairs = (
            (self.bytes, other.bytes), (self.md5, other.md5), (self.sha256, other.sha256)
        )  # fmt: skip
        return any(a != b for a, b in pairs if a not in (None, "") and b not in (None, ""))

    def known(self) -> dict[str, int | str]:
        """What is known, by name."""
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}

    def __str__(self) -> str:
        """Size, and the surer of the digests in short."""
        words = [] if self.bytes is None else [f"{self.bytes} bytes"]
        if self.sha256:
            words.append(f"sha256 {self.sha256[:12]}")
        elif self.md5:
            words.append(f"md5 {self.md5[:12]}")
        return ", ".join(words)


@dataclass(frozen=True)
class Finding:
    """Something that is not as recorded.

    Attributes
    ----------
    path : str
        As seen from the dataset's folder; empty: the dataset itself.
    kind : str
    recorded, found : Sums, optional
        Where there is something to compare.
    reason : str
        What else is to be said.
    """

    path: str
    kind: Kind
    recorded: Sums | None = None
    found: Sums | None = None
    reason: str = ""

    def __str__(self) -> str:
        """One line for people."""
        words = [part_of(self.path), str(self.found or "")]
        words += [f"recorded {self.recorded}"] if self.recorded and self.found else []
        said = "; ".join(word for word in (*words, self.reason) if word)
        return f"{self.kind} {self.path}".rstrip() + (f": {said}" if said else "")

    def as_json(self) -> dict[str, Any]:
        """JSON value, digests in full."""
        both = {"recorded": self.recorded, "found": self.found}
        compared = {name: found.known() for name, found in both.items() if found}
        said = {"path": self.path, "kind": self.kind, "part": part_of(self.path)}
        return {**said, **compared, "reason": self.reason}


def part_of(path: str) -> str:
    """What a file of the results is; empty where its path says all."""
    for pattern, words in _PARTS:
        if found := re.fullmatch(pattern, path):
            named = found.groupdict()
            image = f" in {named['image']}" if named.get("image") else ""
            return words.format(**{**named, "image": image})
    return ""


def is_result(path: str) -> bool:
    """Whether a file, or the files of a folder, must be in the list."""
    hidden = path.startswith(".") or "/." in path
    return not hidden and path not in UNLISTED and path.partition("/")[0] not in APART


def parse_line(line: str) -> tuple[str, str] | None:
    """Path and MD5 of a line of ``md5sum``; None: it is none, or leads out of the folder."""
    found = _LINE.fullmatch(line.removesuffix("\n"))
    if found is None:
        return None
    escaped, digest, path = found.groups()
    if escaped:
        path = re.sub(r"\\.", lambda part: _ESCAPED.get(part[0], part[0]), path)
    return None if path.startswith("/") or ".." in path.split("/") else (path, digest)


def beside(
    listed: Iterable[tuple[str, str]], found: Iterable[str]
) -> Iterator[tuple[str, str | None]]:
    """Go through a list and a folder, both sorted: path and MD5, None where it is not listed.

    Both are read as they are needed.
    """
    last = None
    both = merge(((path, 0, sum_) for path, sum_ in listed), ((path, 1, "") for path in found))
    for path, only_found, digest in both:
        if not only_found:
            last = path
            yield path, digest
        elif path != last:
            yield path, None


def sums(pieces: Iterable[bytes], *, full: bool) -> Sums:
    """Sums of content that comes in pieces; `full`: its SHA-256, too."""
    size, fast, sure = 0, md5(usedforsecurity=False), sha256()
    add: Callable[[bytes], None] = sure.update if full else _nothing
    for piece in pieces:
        size += len(piece)
        fast.update(piece)
        add(piece)
    return Sums(size, fast.hexdigest(), sure.hexdigest() if full else "")


def _nothing(piece: bytes) -> None:
    """Leave out a digest that nothing is compared with."""


def compare(path: str, listed: str, named: StoredFile | None, found: Sums | None) -> Finding | None:
    """Judge a file by the list and the crate.

    Parameters
    ----------
    path : str
    listed : str
        Its MD5 in the list; empty: the list is not to be believed, or lacks it.
    named : StoredFile, optional
        What the crate says of it.
    found : Sums, optional
        None: there is no such file.
    """
    recorded = Sums(named.bytes, listed, named.sha256) if named else Sums(md5=listed)
    if found is None:
        return Finding(path, "missing", recorded)
    return Finding(path, "changed", recorded, found) if recorded.contradicts(found) else None
