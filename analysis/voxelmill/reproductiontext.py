"""What `voxelmill reproduce` prints: findings as lines for people.

In: findings of all parts. Out: one line for what is identical, by object set and family of columns,
and one for each column or image that is not.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from voxelmill.reproduction import IDENTICAL, NOT_COMPARED, Finding, family

NAMED = 20
"""Images, or columns of one table, that are listed of those that differ."""
WIDTH = 34
BY_IMAGE = ("labels", "left out")
"""What has a finding an image, not a column."""


def lines(findings: Sequence[Finding], *, everything: bool = False) -> Iterator[str]:
    """Lines of all that was compared; of each column and image if `everything` is wanted."""
    for thing, group in groupby(findings, lambda f: f.thing):
        shown = _images if thing.startswith(BY_IMAGE) else _table
        yield from shown(thing, list(group), everything=everything)


def _images(thing: str, found: Sequence[Finding], *, everything: bool) -> Iterator[str]:
    if found[0].verdict == NOT_COMPARED:
        yield _line(thing, _said(found[0]))
        return
    same = [f for f in found if f.verdict == IDENTICAL]
    yield _line(thing, f"{len(same)} of {len(found)} images identical")
    shown = [f for f in found if everything or f.verdict != IDENTICAL or f.note]
    yield from _listed(shown, everything=everything)


def _table(thing: str, found: Sequence[Finding], *, everything: bool) -> Iterator[str]:
    rows = [f for f in found if f.part == "rows"]
    yield from (_line(thing, f"{f.rows} rows" + (f": {f.note}" if f.note else "")) for f in rows)
    rest = [f for f in found if f.part and f.part != "rows"]
    same = [] if everything else [f for f in rest if f.verdict == IDENTICAL]
    for name in dict.fromkeys(family(f.part) for f in same):
        parts = [f.part for f in same if family(f.part) == name]
        if len(parts) > 1:
            yield _line(f"  {name}", f"{len(parts)} columns identical")
        else:
            yield _line(f"  {parts[0]}", IDENTICAL)
    yield from (_line(thing, _said(f)) for f in found if not f.part)
    blind = [f for f in rest if f.verdict == NOT_COMPARED]
    yield from _listed([f for f in rest if f not in same + blind], everything=everything)
    yield from (_line("  not compared", f"{f.part} ({f.note})") for f in blind)


def _listed(found: Sequence[Finding], *, everything: bool) -> Iterator[str]:
    shown = found if everything else found[:NAMED]
    yield from (_line(f"  {f.part or 'the image'}", _said(f)) for f in shown)
    if len(shown) < len(found):
        yield f"  and {len(found) - len(shown)} more (--all)"


def _said(finding: Finding) -> str:
    return finding.verdict + (f": {finding.note}" if finding.note else "")


def _line(name: str, text: str) -> str:
    found = f"{name:<{WIDTH}} {text}"
    # Names come from data: none may move the cursor.
    return "".join(c if c.isprintable() else "?" for c in found)


def rests_on(findings: Sequence[Finding]) -> str:
    """What a verdict rests on, in words."""
    compared = [f for f in findings if f.verdict != NOT_COMPARED]
    labels = [f for f in compared if f.thing.startswith("labels")]
    columns = [f for f in compared if f.rows and f.part != "rows"]
    tables = dict.fromkeys(f.thing for f in columns)
    blind = dict.fromkeys(f.thing for f in findings if f.verdict == NOT_COMPARED and not f.part)
    parts = [f"{len(labels)} label images"] if labels else []
    if columns:
        parts.append(f"{len(columns)} columns of {len(tables)} tables")
    if blind:
        parts.append(f"not compared: {', '.join(blind)}")
    return "; ".join(parts)
