r"""From file names to places on a plate, by a regular expression with named groups. No files.

    IXMtest_A02_s1_w1051DAA7C-….tif
            ╰┬╯  │  │               (?P<well>[A-P]\d\d)_s(?P<site>\d)_w(?P<channel>\d)
            well site channel

The expression is searched in the path below the source folder, with ``/`` between folders.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from voxelmill.natural import natural
from voxelmill.plugin import BadInput

GROUPS = ("well", "row", "col", "site", "channel", "z", "t")
MISSING = "0"
"""What a group that the pattern leaves out counts as."""
WELL = re.compile(r"([A-Za-z]{1,2})[-_ ]?0*(\d{1,2})")


@dataclass(frozen=True)
class Place:
    """Where the content of one file belongs; numbers without leading zeros."""

    row: str
    column: str
    site: str
    channel: str
    t: str
    z: str

    @property
    def image(self) -> str:
        """Path of the field's image in the plate."""
        return f"{self.row}/{self.column}/{self.site}"


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile and check a pattern.

    Raises
    ------
    BadInput
        It is no regular expression, has an unknown group, or does not tell the well.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as e:
        raise BadInput(f"pattern {pattern!r}: {e}; a Python regular expression. Mend it.") from e
    groups = set(compiled.groupindex)
    for unknown in sorted(groups - set(GROUPS)):
        raise BadInput(f"pattern {pattern!r}: group '{unknown}'; {', '.join(GROUPS)}. Rename it.")
    if "well" not in groups and not {"row", "col"} <= groups:
        raise BadInput(f"pattern {pattern!r}: no well; needs 'well', or 'row' and 'col'. Add it.")
    if "well" in groups and groups & {"row", "col"}:
        raise BadInput(f"pattern {pattern!r}: well twice; 'well', or 'row' and 'col'. Drop one.")
    return compiled


def match_names(names: Iterable[str], pattern: str) -> tuple[dict[Place, str], list[str]]:
    """Find the place of each file.

    Parameters
    ----------
    names : iterable of str
        Paths below the source folder.
    pattern : str
        See ``compile_pattern``.

    Returns
    -------
    places : dict of Place to str
        The file of each place, sorted by place.
    others : list of str
        Files that do not match.

    Raises
    ------
    BadInput
        No file matches, two have the same place, or a well has an impossible name.
    """
    compiled = compile_pattern(pattern)
    found: dict[Place, str] = {}
    others: list[str] = []
    for name in names:
        match = compiled.search(name)
        if match is None:
            others.append(name)
            continue
        place = _place(name, {k: v for k, v in match.groupdict().items() if v is not None})
        if place in found:
            raise BadInput(
                f"{name}: same place as {found[place]} (well {place.row}{place.column}, site "
                f"{place.site}, channel {place.channel}, z {place.z}, t {place.t}); one file a "
                "place. Add a group to the pattern, or make it match fewer files."
            )
        found[place] = name
    if not found:
        example = f"'{others[0]}'" if others else "no TIFF file at all"
        raise BadInput(f"pattern {pattern!r}: matches no file; there is {example}. Mend it.")
    ordered = sorted(found, key=lambda p: [natural(v) for v in (p.row, p.column, p.site)])
    return {place: found[place] for place in ordered}, others


def check_complete(places: Iterable[Place]) -> None:
    """Refuse a plate on which a field lacks a channel, plane or time point that others have.

    Raises
    ------
    BadInput
        Names the first missing one.
    """
    have = set(places)
    axes = [distinct(getattr(p, axis) for p in have) for axis in ("channel", "t", "z")]
    fields = {p.image: p for p in sorted(have, key=lambda p: natural(p.image))}
    for field in fields.values():
        for channel, t, z in product(*axes):
            if Place(field.row, field.column, field.site, channel, t, z) not in have:
                raise BadInput(
                    f"well {field.row}{field.column} site {field.site}: no file for channel "
                    f"{channel}, z {z}, t {t}, which other fields have; nothing is filled in. "
                    "Add it, or make the pattern leave the field out."
                )


def distinct(values: Iterable[str]) -> list[str]:
    """Sort the different `values` as people do: 2 before 10."""
    return sorted(set(values), key=natural)


def rename(channels: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Channel labels: `channels`, renamed by pairs ``NAME=LABEL``.

    Raises
    ------
    BadInput
        Not such a pair, a channel that is not there, or two channels with one label.
    """
    table = {name: name for name in channels}
    for pair in labels:
        name, equals, label = pair.partition("=")
        if not (equals and label):
            raise BadInput(f"channel '{pair}': no pair; NAME=LABEL, as in w1=DNA. Mend it.")
        if name not in table:
            raise BadInput(f"channel '{name}': not there; {', '.join(channels)} are. Mend it.")
        table[name] = label
    renamed = [table[c] for c in channels]
    if len(set(renamed)) < len(renamed):
        raise BadInput(f"channels {', '.join(renamed)}: a name twice; one each. Mend it.")
    return renamed


def _place(name: str, found: dict[str, str]) -> Place:
    row, column = found.get("row", ""), found.get("col", "")
    if "well" in found:
        match = WELL.fullmatch(found["well"])
        if match is None:
            raise BadInput(f"{name}: well '{found['well']}'; A01, a1, AA12. Mend the pattern.")
        row, column = match.groups()
    if row.isdigit() and 1 <= int(row) <= 52:
        index = int(row) - 1
        row = chr(65 + index) if index < 26 else "A" + chr(65 + index - 26)
    site = re.sub(r"[^A-Za-z0-9]", "", _plain(found.get("site", MISSING)))
    if not (row.isalpha() and row.isascii() and column.isdigit() and site):
        raise BadInput(
            f"{name}: row '{row}', column '{column}', site '{site}'; letters (or 1-52), a number, "
            "letters or digits. Mend the pattern."
        )
    rest = {k: _plain(found.get(k, MISSING)) for k in ("channel", "t", "z")}
    return Place(row.upper(), f"{int(column):02d}", site, rest["channel"], rest["t"], rest["z"])


def _plain(text: str) -> str:
    return str(int(text)) if text.isdigit() else text
