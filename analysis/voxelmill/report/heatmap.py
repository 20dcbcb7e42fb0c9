"""The plate map: geometry, colours and labels of the wells, as drawn before any script runs.

In: wells, measures. Out: a :class:`PlateMap` that the template writes as SVG. Colours are viridis
(van der Walt and Smith 2015), readable with any colour vision; verdicts are marked by shape.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from voxelmill.report.layout import Measure, Well
from voxelmill.report.model import FieldRow, State

MARGIN = 30
EMPTY = "none"
WORDS: dict[State, str] = {
    "warn": "with a warning",
    "fail": "failed",
    "excluded": "excluded",
    "quarantined": "quarantined",
}


@dataclass(frozen=True)
class Cell:
    """One well as drawn: corner, fill, text, mark and what a screen reader says."""

    index: int
    name: str
    x: int
    y: int
    fill: str
    ink: str
    text: str
    mark: str
    label: str


@dataclass(frozen=True)
class PlateMap:
    """One plate map, sizes in SVG units."""

    size: int
    width: int
    height: int
    rows: tuple[tuple[int, str], ...]
    columns: tuple[tuple[int, str], ...]
    blanks: tuple[tuple[int, int], ...]
    cells: tuple[Cell, ...]
    measure: Measure
    ticks: tuple[str, ...]


def viridis() -> tuple[str, ...]:
    """Return the 256 colours of viridis as ``#rrggbb``, dark to bright."""
    ramp = np.arange(256, dtype=np.uint8)[None]
    bgr = cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[0]
    return tuple(f"#{r:02x}{g:02x}{b:02x}" for b, g, r in bgr.tolist())


def number(value: float) -> str:
    """Show up to four significant digits, whole numbers below a million in full."""
    if not np.isfinite(value):
        return "no value"
    if value == round(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{float(f'{value:.4g}'):.10g}"


def short(value: float) -> str:
    """Text that fits a well: at most five characters for usual values."""
    if not np.isfinite(value):
        return ""
    if abs(value) >= 10_000:
        return f"{value / 1000:.3g}k" if abs(value) < 1e6 else f"{value:.0e}".replace("+0", "")
    if value == round(value):
        return str(int(value))
    if abs(value) < 0.001:
        return f"{value:.0e}".replace("-0", "-")
    return f"{float(f'{value:.3g}'):g}" if abs(value) >= 0.1 else f"{value:.2g}"


def mark(well: Well, fields: tuple[FieldRow, ...]) -> str:
    """What the well is marked with; empty where all is well."""
    state = well.state(fields)
    return "" if state == "pass" else state


def verdict_words(well: Well, fields: tuple[FieldRow, ...]) -> str:
    """``warn; 4 fields, 1 with a warning`` in words."""
    own = [fields[i].state for i in well.fields]
    verdict = "excluded" if well.excluded else well.verdict
    words = [f"{verdict}; {len(own)} field{'' if len(own) == 1 else 's'}"]
    words += [f"{own.count(state)} {text}" for state, text in WORDS.items() if state in own]
    return ", ".join(words)


def cell_size(columns: int) -> int:
    """Width of a well in SVG units; wells of at least 40 carry their value as text."""
    sizes = ((6, 72), (12, 48), (24, 26))
    return next((size for most, size in sizes if columns <= most), 20)


def plate_map(
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    wells: tuple[Well, ...],
    fields: tuple[FieldRow, ...],
    measure: Measure,
) -> PlateMap:
    """Lay out the plate and colour it by `measure`."""
    size = cell_size(len(columns))
    values = [v for v in measure.values if np.isfinite(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    placed = {w.place for w in wells}
    blanks = [(r, c) for r in range(len(rows)) for c in range(len(columns))]
    return PlateMap(
        size=size,
        width=MARGIN + size * len(columns) + 2,
        height=MARGIN + size * len(rows) + 2,
        rows=tuple((MARGIN + i * size, name) for i, name in enumerate(rows)),
        columns=tuple((MARGIN + i * size, name) for i, name in enumerate(columns)),
        blanks=tuple(
            (MARGIN + c * size, MARGIN + r * size) for r, c in blanks if (r, c) not in placed
        ),
        cells=_cells(wells, fields, measure, low, high, size),
        measure=measure,
        ticks=(number(low), number((low + high) / 2), number(high)) if values else ("", "", ""),
    )


def _cells(
    wells: tuple[Well, ...],
    fields: tuple[FieldRow, ...],
    measure: Measure,
    low: float,
    high: float,
    size: int,
) -> tuple[Cell, ...]:
    colours = viridis()
    found = []
    for i, (well, value) in enumerate(zip(wells, measure.values, strict=True)):
        if well.place is None:
            continue
        row, column = well.place
        level = shade(value, low, high)
        found.append(
            Cell(
                index=i,
                name=well.name,
                x=MARGIN + column * size,
                y=MARGIN + row * size,
                fill=EMPTY if level is None else colours[level],
                ink="dark" if level is not None and level > 150 else "light",
                text=short(value) if size >= 40 else "",
                mark=mark(well, fields),
                label=f"{well.name}: {number(value)}; {verdict_words(well, fields)}",
            )
        )
    return tuple(found)


def shade(value: float, low: float, high: float) -> int | None:
    """Index 0-255 into the colours, None for no value; all-equal values are mid-scale."""
    if not np.isfinite(value):
        return None
    return 128 if high <= low else int(255 * ((value - low) / (high - low)))
