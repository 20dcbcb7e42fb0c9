"""The page over all datasets of a run: verdict, counts, effort, and the way to each report.

In: :class:`IndexData`. Out: HTML text. Unlike a report it says when things were made and how long
they took, so it is not the same bytes twice. Names are untrusted, as in a report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from voxelmill.pace import left_text
from voxelmill.report.summary import SAID, STATES, TITLES
from voxelmill.report.web import fill

Level = Literal["pass", "warn", "fail", ""]
"""Verdict of a dataset; empty: not finished."""
TILES: tuple[Level, ...] = ("pass", "warn", "fail", "")
UNKNOWN = "\u2013"
LEVELS: dict[Level, str] = {"fail": "fail", "warn": "warn", "": "not finished", "pass": "pass"}


@dataclass(frozen=True)
class Took:
    """Run time, throughput and cost; None where it is not known.

    `run_s` is the time in which a job ran, `core_h` the processor time in hours, `mb_s` megabytes
    of pixels a second of run time, `units` billing units, `ended` seconds since 1970.
    """

    run_s: float | None = None
    core_h: float | None = None
    images_h: float | None = None
    mb_s: float | None = None
    units: float | None = None
    ended: float | None = None


@dataclass(frozen=True)
class Entry:
    """One dataset: `counts` is state → images, `links` is text → relative address."""

    dataset: str
    level: Level = ""
    reasons: tuple[str, ...] = ()
    images: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    took: Took = Took()


@dataclass(frozen=True)
class IndexData:
    """All datasets, in the order of the sheet; `total` is of all of them together."""

    title: str
    entries: Sequence[Entry]
    total: Entry
    version: str = ""


def render_index(data: IndexData) -> str:
    """Write the index of all datasets; it loads nothing from elsewhere."""
    shown = [e for e in data.entries if e.took.units is not None]
    levels = [e.level for e in data.entries]
    return fill(
        "index.html.j2",
        ("index.js",),
        "",
        {
            "data": data,
            "tiles": [(level, LEVELS[level], levels.count(level)) for level in TILES],
            "levels": {level: (text, levels.count(level)) for level, text in LEVELS.items()},
            "order": {level: place for place, level in enumerate(LEVELS)},
            "states": [
                s for s in STATES if s == "pass" or any(e.counts.get(s) for e in data.entries)
            ],
            "titles": TITLES,
            "said": SAID,
            "priced": bool(shown),
            "reasoned": any(e.reasons for e in data.entries),
            "duration": duration,
            "amount": amount,
            "day": day,
        },
    )


def duration(seconds: float | None) -> str:
    """``40 s`` or ``3 h 10 min``; a dash where it is not known."""
    return UNKNOWN if seconds is None else left_text(seconds)


def amount(value: float | None) -> str:
    """Three significant digits, thousands in groups; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def day(seconds: float | None) -> str:
    """Date and time in UTC; a dash where it is not known."""
    if not seconds:
        return UNKNOWN
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
