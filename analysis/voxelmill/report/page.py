"""Put the page together.

In: :class:`ReportData`. Out: HTML text.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from voxelmill.report.flats import flats
from voxelmill.report.gallery import BUDGET_BYTES, Gallery, css, gallery
from voxelmill.report.heatmap import PlateMap, plate_map, viridis
from voxelmill.report.layout import (
    Measure,
    Well,
    groupings,
    measures,
    most_measures,
    object_sets,
    only_objects,
    plate_order,
    wells_of,
)
from voxelmill.report.model import FieldRow, ReportData, Thumbnail
from voxelmill.report.overlay import SET_COLOURS
from voxelmill.report.payload import payload
from voxelmill.report.ranking import ranked, typical
from voxelmill.report.summary import TITLES, summary
from voxelmill.report.web import fill, harmless

SCRIPTS = ("common.js", "tables.js", "plate.js", "spread.js", "fields.js", "gallery.js")
MANY_MEASURES = 12
"""More than so many measures get a search box."""
FOCUS = ("sharpness", "focus", "powerloglogslope")
"""Parts of the names of QC columns that tell how sharp an image is."""
MOST_BYTES = 14_700_000
"""Of a page, if only its pictures can be fewer."""
CARD_BYTES = 1_700
"""Of a card besides its picture and outlines."""
LEAST_BYTES = 1_000_000
"""For pictures, however long the rest is."""


def render(data: ReportData) -> str:
    """Write the report of one dataset.

    Parameters
    ----------
    data : ReportData
        What to show; texts may hold anything.

    Returns
    -------
    str
        A complete HTML page that loads nothing from elsewhere.
    """
    fields = plate_order(data)
    wells = wells_of(data, fields)
    offered = measures(data, wells, fields) if wells else only_objects(data)
    shown = offered[: most_measures(wells)]
    groups = groupings(data, wells)
    numbers = payload(data, fields, wells, shown, groups)
    content = _content(data, fields, wells, shown) | {
        "groupings": groups,
        "measures_left_out": len(offered) - len(shown),
    }
    bare = fill("page.html.j2", SCRIPTS, numbers, content | _pictures(data, fields, wells, 0))
    room = MOST_BYTES - len(bare.encode()) - CARD_BYTES * len(data.thumbnails)
    budget = max(LEAST_BYTES, min(BUDGET_BYTES, room))
    return fill("page.html.j2", SCRIPTS, numbers, content | _pictures(data, fields, wells, budget))


def _content(
    data: ReportData,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    shown: tuple[Measure, ...],
) -> dict[str, Any]:
    sets = object_sets(data)
    colours = [css(SET_COLOURS[i % len(SET_COLOURS)]) for i in range(len(sets))]
    return {
        "data": data,
        "fields": fields,
        "wells": wells,
        "summary": summary(data),
        "titles": TITLES,
        "totals": {s: sum(f.counts.get(s, 0) for f in fields) for s in sets},
        "sets": dict(zip(sets, colours, strict=True)),
        "maps": _maps(data, fields, wells, shown) if data.rows and data.columns else [],
        "groups": _groups(shown),
        "first": next((i for i, m in enumerate(shown) if m.name in data.histograms), 0),
        "search": len(shown) > MANY_MEASURES,
        "ramp": viridis()[::16] + viridis()[-1:],
        "unplaced": [w.name for w in wells if w.place is None] if data.rows else [],
        "noted": [w for w in wells if w.notes or w.excluded],
        "flats": flats(data.flatfields),
        "left": [f for f in fields if f.status != "ok"],
        "has_qc": any(f.qc for f in fields),
        "parameters": to_yaml(data.parameters),
        "fitted": to_yaml(data.fitted) if data.fitted else "",
        "links": {t: a for t, a in data.links.items() if harmless(a)},
    }


def _pictures(
    data: ReportData, fields: tuple[FieldRow, ...], wells: tuple[Well, ...], budget: int
) -> dict[str, Any]:
    rank = ranked(fields)
    thumbs = _in_order(data.thumbnails, fields) if budget else ()
    pictures = gallery(thumbs, rank, budget)
    return {"gallery": pictures, "cards": _cards(pictures, fields, wells, rank)}


def _maps(
    data: ReportData,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    shown: tuple[Measure, ...],
) -> list[tuple[int, PlateMap]]:
    """Up to two maps with the measure's index: the first count, and focus or what comes next."""
    focus = [i for i, m in enumerate(shown) if any(f in m.name.lower() for f in FOCUS)]
    chosen = list(dict.fromkeys([0, *focus[:1], 1]))[:2]
    return [
        (i, plate_map(data.rows, data.columns, wells, fields, shown[i]))
        for i in chosen
        if i < len(shown)
    ]


def _groups(shown: tuple[Measure, ...]) -> dict[str, list[tuple[int, Measure]]]:
    groups: dict[str, list[tuple[int, Measure]]] = {}
    for i, measure in enumerate(shown):
        groups.setdefault(measure.group, []).append((i, measure))
    return groups


def _in_order(thumbs: tuple[Thumbnail, ...], fields: tuple[FieldRow, ...]) -> tuple[Thumbnail, ...]:
    order = {f.image: i for i, f in enumerate(fields)}
    return tuple(sorted(thumbs, key=lambda t: order.get(t.image, len(fields))))


def _cards(
    pictures: Gallery,
    fields: tuple[FieldRow, ...],
    wells: tuple[Well, ...],
    rank: Mapping[str, int],
) -> list[dict[str, Any]]:
    """Cards by rank, each with its field and the indices of its field and well."""
    order = {f.image: i for i, f in enumerate(fields)}
    index = {w.name: i for i, w in enumerate(wells)}
    usual = typical(fields)
    return [
        {
            "card": c,
            "well": index.get(c.thumb.well, -1),
            "index": order.get(c.thumb.image, -1),
            "rank": rank.get(c.thumb.image, len(fields)),
            "typical": c.thumb.image in usual,
            "field": fields[order[c.thumb.image]] if c.thumb.image in order else None,
        }
        for c in pictures.cards
    ]


def to_yaml(value: Mapping[str, object]) -> str:
    """YAML of nested settings; values YAML has no type for are written as text."""
    return yaml.safe_dump(_plain(value), sort_keys=False, allow_unicode=True, width=88)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _plain(v)
            for v in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)
        ]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
