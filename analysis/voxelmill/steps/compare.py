"""`voxelmill compare A B`: how well two sets of objects on the same images agree.

In: two addresses (see ``labelsource``), A the reference. Out: one row an image and time point, and
one for all together. Label images in OME-Zarr are read in boxes, both at once.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxelmill.agreement import Counts, Overlaps, agreement, pool
from voxelmill.blocks import Grid
from voxelmill.labelsource import LabelImage, Opener, Source, label_source
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, BadInput, Index
from voxelmill.progress import Progress
from voxelmill.store.documents import write_bytes
from voxelmill.tables import write_table

PLANE: Index = (1, 2048, 2048)
VOLUME: Index = (32, 512, 512)
NAMED = 5
"""Images without counterpart that are named, of each side."""
ALL = "all"
HEAD = ("image", "A", "B", "matched", "F1@0.5", "AP", "splits", "merges", "count error")


@dataclass(frozen=True)
class Row:
    """How the objects of one image agree, or those of all."""

    image: str
    counts: Counts

    def values(self) -> dict[str, Any]:
        """Give the columns of the written tables."""
        c = self.counts
        return {
            "image": self.image,
            "objects_a": c.truth,
            "objects_b": c.found,
            "matched": c.matched[0],
            "f1": c.f1(),
            "average_precision": c.average_precision(),
            "splits": c.splits,
            "merges": c.merges,
            "count_error": c.count_error(),
        }


def compare(
    a: str, b: str, *, sparse: bool = False, plane: Index = PLANE, volume: Index = VOLUME
) -> list[Row]:
    """Compare all images of two addresses.

    Parameters
    ----------
    a, b : str
        The reference, and what is judged.
    sparse : bool
        Chunks of OME-Zarr that are not stored are background; otherwise they are an error.
    plane, volume : tuple of int
        Largest box to read, of images with one plane and with several. Changes no number.

    Returns
    -------
    list of Row
        One an image and time point, and the last: objects of all images together.

    Raises
    ------
    BadInput
        An image is on one side only, shapes differ, or something is not a label image.
    StoreUnavailable, AccessDenied
        A label image is not whole, or the store did not answer.
    """
    pairs = _paired(label_source(a, sparse=sparse), label_source(b, sparse=sparse))
    whole, boxes = Progress(show=len(pairs) > 1), Progress(show=len(pairs) == 1)
    rows: list[Row] = []
    with whole.stage("compare", len(pairs)) as done:
        for name, *openers in pairs:
            one, other = (opener() for opener in openers)
            rows += _rows(name, one, other, plane if one.shape[1] == 1 else volume, boxes)
            done()
    return [*rows, Row(ALL, pool([row.counts for row in rows]))]


def _paired(a: Source, b: Source) -> list[tuple[str, Opener, Opener]]:
    """Images of both sides by name, in the order of A; single images whatever they are called."""
    if a.lone or b.lone:
        if len(a.images) != len(b.images):
            raise BadInput(
                f"{a.place}: {len(a.images)} images, {b.place}: {len(b.images)}; "
                "as many in both. Give one image of each, or both as sets."
            )
        return [(a.images[0][0], a.images[0][1], b.images[0][1])]
    left, right = _by_name(a), _by_name(b)
    alone = [
        f"only in {side.place}: {_some([n for n in mine if n not in others])}"
        for side, mine, others in ((a, left, right), (b, right, left))
        if mine.keys() - others.keys()
    ]
    if alone:
        raise BadInput(
            f"compare: {', '.join(alone)}; the same images in both. "
            "Rename them, or leave them out of both."
        )
    return [(left[n][0], left[n][1], right[n][1]) for n in left]


def _by_name(source: Source) -> dict[str, tuple[str, Opener]]:
    """Images by name; a file cannot have '/' in its name and is called A_01_0 for A/01/0."""
    found: dict[str, tuple[str, Opener]] = {}
    for name, opener in source.images:
        if found.setdefault(name.replace("/", "_"), (name, opener))[1] is not opener:
            raise BadInput(f"{source.place}: {name} is there twice; once. Remove one of them.")
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _rows(
    name: str, one: LabelImage, other: LabelImage, size: Index, progress: Progress
) -> Iterator[Row]:
    if one.shape != other.shape:
        raise BadInput(
            f"{name}: shape {_extent(one.shape)} in {one.place}, {_extent(other.shape)} in "
            f"{other.place} (t, z, y, x); the same. Compare labels of the same image."
        )
    times, z, y, x = one.shape
    grid = Grid((z, y, x), size)
    with progress.stage("compare", times * len(grid)) as done:
        for t in range(times):
            shared = Overlaps()
            for block in grid:
                shared.add(one.read(t, block.core), other.read(t, block.core))
                done()
            yield Row(f"{name}@{t}" if times > 1 else name, agreement(shared.table()))


def _extent(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def check_out(out: Path) -> None:
    """Refuse, before anything is read, a file that `write` cannot write.

    Raises
    ------
    BadConfig
        Its name has none of the known endings.
    """
    if out.suffix not in (".tsv", ".parquet", ".json"):
        raise BadConfig(f"--out {out}: ends in '{out.suffix}'; .tsv, .parquet or .json.")


def write(out: Path, a: str, b: str, rows: Sequence[Row]) -> None:
    """Write the rows as the ending of `out` says; a file that is there is replaced."""
    table = [row.values() for row in rows]
    if out.suffix == ".json":
        write_json(out, as_json(a, b, rows))
    elif out.suffix == ".parquet":
        write_table(out, {name: [row[name] for row in table] for name in table[0]})
    else:
        lines = ["\t".join(table[0]), *("\t".join(map(str, row.values())) for row in table)]
        write_bytes(out, ("\n".join(lines) + "\n").encode())


def as_json(a: str, b: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Give what was compared and the rows as JSON types."""
    return {"a": a, "b": b, "rows": [row.values() for row in rows]}


def json_text(a: str, b: str, rows: Sequence[Row]) -> str:
    """Give `as_json` as text."""
    return json.dumps(as_json(a, b, rows), indent=1)


def text(rows: Sequence[Row]) -> str:
    """Table for a terminal."""
    lines = [HEAD, *map(_shown, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    shown = (
        [line[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    )
    return "\n".join("  ".join(cells) for cells in shown)


def _shown(row: Row) -> tuple[str, ...]:
    c = row.counts
    name = "".join(char if char.isprintable() else "?" for char in row.image)
    counts = map(str, (c.truth, c.found, c.matched[0]))
    scores = (f"{c.f1():.4f}", f"{c.average_precision():.4f}", str(c.splits), str(c.merges))
    return (name, *counts, *scores, f"{c.count_error():+.1%}")
