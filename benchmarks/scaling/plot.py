"""Curves as one small SVG: wall-clock and efficiency against nodes, for both kinds of work.

In: `Panel` lists. Out: text of an SVG without scripts, fonts or links; colours hold on white and
on dark pages, since the picture brings its own background.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT = 960, 1130
LEFT, TOP, ACROSS, DOWN, GAP_X, GAP_Y = 78, 64, 385, 270, 88, 96
INK, GRID, PALE = "#1f2933", "#e3e8ee", "#7b8794"
COLOURS = ("#1767b0", "#d1580f", "#2b8a3e", "#8a3ea8")
DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Line:
    """One curve: (x, y) points and its name in the legend."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One pair of axes; y is logarithmic where `ticks` are not shares."""

    title: str
    y_label: str
    lines: Sequence[Line]
    y: tuple[float, float]
    ticks: Sequence[tuple[float, str]]
    log: bool = True
    marks: Sequence[tuple[float, str]] = ()
    """Horizontal lines with a name."""
    ideal: Sequence[tuple[float, float]] = ()
    x: tuple[float, float] = (1, 2000)
    legend: bool = True


@dataclass(frozen=True)
class Dots:
    """Numbered dots about the diagonal, on two logarithmic axes, with a list of their names."""

    title: str
    points: Sequence[tuple[float, float]]
    names: Sequence[str]
    within: float = 1.15


def picture(title: str, panels: Sequence[Panel], dots: Dots) -> str:
    """Two columns of panels, and below them the dots."""
    size = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    letters = f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{INK}"'
    parts = [
        f'<svg {size} {letters} role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for i, panel in enumerate(panels):
        x = LEFT + (i % 2) * (ACROSS + GAP_X)
        y = TOP + (i // 2) * (DOWN + GAP_Y)
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel), "</g>"]
    y = TOP + -(-len(panels) // 2) * (DOWN + GAP_Y)
    parts += [f'<g transform="translate({LEFT} {y})">', *_dots(dots), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _dots(dots: Dots) -> Iterable[str]:
    values = [v for point in dots.points for v in point]
    low, high = min(values) / 1.4, max(values) * 1.4
    ticks = [(t, f"{t:g} s") for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low < t < high]
    panel = Panel("", "", (), (low, high), ticks, x=(low, high))
    yield _text(0, -24, dots.title, size=15, weight="bold")
    band = [(low, low * dots.within), (high, high * dots.within), (high, high / dots.within)]
    band += [(low, low / dots.within)]
    corners = " ".join(f"{_x(panel, x):.1f},{_y(panel, y):.1f}" for x, y in band)
    yield '<clipPath id="inside">' + f'<rect width="{ACROSS}" height="{DOWN}"/></clipPath>'
    yield f'<polygon points="{corners}" fill="{GRID}" clip-path="url(#inside)"/>'
    yield _path(panel, [(low, low), (high, high)], PALE, "", 1)
    for value, name in ticks:
        yield _text(-8, _y(panel, value) + 4, name, anchor="end")
        yield _text(_x(panel, value), DOWN + 18, name, anchor="middle")
    yield f'<path d="M0 0V{DOWN}H{ACROSS}" fill="none" stroke="{INK}"/>'
    yield _text(ACROSS / 2, DOWN + 37, "measured", anchor="middle", colour=PALE)
    yield _text(0, -8, "simulated; grey: within 15 %", colour=PALE, size=12)
    for i, ((x, y), name) in enumerate(zip(dots.points, dots.names, strict=True), 1):
        at = _x(panel, x), _y(panel, y)
        yield f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="4" fill="{COLOURS[0]}"/>'
        yield _text(at[0] + 7, at[1] + 12, str(i), size=12, colour=COLOURS[0])
        yield _text(ACROSS + GAP_X, 14 + 19 * (i - 1), f"{i}  {name}", size=12)


def _panel(panel: Panel) -> Iterable[str]:
    yield _text(0, -24, panel.title, size=15, weight="bold")
    yield from _axes(panel)
    if panel.ideal:
        yield _path(panel, panel.ideal, PALE, "4 4", 1)
    for value, name in panel.marks:
        y = _y(panel, value)
        yield f'<path d="M0 {y:.1f}H{ACROSS}" stroke="#c92a2a" stroke-dasharray="6 3"/>'
        left, anchor = (6, "start") if panel.log else (ACROSS - 4, "end")
        yield _text(left, y - 5, name, anchor=anchor, colour="#c92a2a", size=12)
    for i, line in enumerate(panel.lines):
        yield _path(panel, line.points, COLOURS[i], DASHES[i], 2.2)
        for x, value in line.points:
            at = f'cx="{_x(panel, x):.1f}" cy="{_y(panel, value):.1f}"'
            yield f'<circle {at} r="2.6" fill="{COLOURS[i]}"/>'
    if panel.legend:
        yield from _legend(panel)


def _axes(panel: Panel) -> Iterable[str]:
    for value, name in panel.ticks:
        y = _y(panel, value)
        yield f'<path d="M0 {y:.1f}H{ACROSS}" stroke="{GRID}"/>'
        yield _text(-8, y + 4, name, anchor="end")
    for nodes in (1, 10, 100, 1000):
        x = _x(panel, nodes)
        yield f'<path d="M{x:.1f} 0V{DOWN}" stroke="{GRID}"/>'
        yield _text(x, DOWN + 18, f"{nodes:,}".replace(",", " "), anchor="middle")
    yield f'<path d="M0 0V{DOWN}H{ACROSS}" fill="none" stroke="{INK}"/>'
    yield _text(ACROSS / 2, DOWN + 37, "nodes of 384 cores", anchor="middle", colour=PALE)
    yield _text(0, -8, panel.y_label, colour=PALE, size=12)


def _legend(panel: Panel) -> Iterable[str]:
    names = [(line.name, COLOURS[i], DASHES[i]) for i, line in enumerate(panel.lines)]
    names += [("n nodes, n times faster", PALE, "4 4")] if panel.ideal else []
    width = 44 + 6.4 * max(len(name) for name, *_ in names)
    left, height = ACROSS - width - 4, 19 * len(names) + 6
    box = f'x="{left:.1f}" y="4" width="{width:.1f}" height="{height}"'
    yield f'<rect {box} fill="white" stroke="{GRID}"/>'
    for i, (name, colour, dash) in enumerate(names):
        y = 20 + 19 * i
        stroke = f'stroke="{colour}" stroke-width="2.2" stroke-dasharray="{dash}"'
        yield f'<path d="M{left + 6:.1f} {y - 4}h24" {stroke}/>'
        yield _text(left + 36, y, name, size=12)


def _path(
    panel: Panel, points: Sequence[tuple[float, float]], colour: str, dash: str, width: float
) -> str:
    inside = [(x, y) for x, y in points if panel.y[0] <= y <= panel.y[1] * 1.001]
    steps = " ".join(f"{_x(panel, x):.1f},{_y(panel, y):.1f}" for x, y in inside)
    return (f'<polyline points="{steps}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-dasharray="{dash}" stroke-linejoin="round"/>')  # fmt: skip


def _x(panel: Panel, value: float) -> float:
    low, high = panel.x
    return ACROSS * log10(value / low) / log10(high / low)


def _y(panel: Panel, value: float) -> float:
    low, high = panel.y
    share = log10(value / low) / log10(high / low) if panel.log else (value - low) / (high - low)
    return DOWN * (1 - share)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK, size: int = 13,
    weight: str = "normal",
) -> str:  # fmt: skip
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}" font-weight="{weight}">{escape(text)}</text>')  # fmt: skip
