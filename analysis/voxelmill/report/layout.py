"""Where things lie on a plate, and the numbers that a plate map can show.

In: :class:`ReportData`. Out: wells in plate order with their fields, *measures*, one number a well
each, and *groupings*, one text a well each. Wells that the plate's layout does not name are kept,
without a position.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxelmill.natural import natural
from voxelmill.plugin import Array
from voxelmill.report.model import FieldRow, ReportData, State
from voxelmill.verdict import ORDER, Verdict

COUNT = "Metadata_Count_"
QUALITY = "ImageQuality_"
MOST_MEASURE_VALUES = 400_000
"""Numbers over all measures and wells, about 3 MB of page."""


OWN = ("Plate", "Well", "Verdict", "Flags", "Excluded", "Site", "Image")
"""Text columns ``Metadata_…`` that do not tell how a well was treated."""
MOST_GROUPS = 24


@dataclass(frozen=True)
class Well:
    """One well: its name, its place (row, column; None off the layout) and its fields' indices.

    `notes` is what was found of the well as a whole; `excluded` why it was excluded, if it was.
    """

    name: str
    place: tuple[int, int] | None
    fields: tuple[int, ...]
    verdict: Verdict = "pass"
    notes: tuple[str, ...] = ()
    excluded: str = ""

    def state(self, rows: Sequence[FieldRow]) -> State:
        """What the well is marked with; a quarantined image alone does not make it *fail*."""
        own = [rows[i] for i in self.fields]
        judged = self.notes or any(f.state == "fail" for f in own)
        if self.excluded:
            return "excluded"
        if self.verdict == "fail" and judged:
            return "fail"
        return "quarantined" if any(f.state == "quarantined" for f in own) else self.verdict


@dataclass(frozen=True)
class Grouping:
    """A text per well under a name: a treatment of the plate map."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """One number per well under a name; NaN where a well has none."""

    name: str
    label: str
    group: str
    unit: str = ""
    values: tuple[float, ...] = field(default=())


def places(rows: tuple[str, ...], columns: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Place of a well by any of its usual names: ``B3``, ``B03``, ``B/3``, ``B/03``."""
    found: dict[str, tuple[int, int]] = {}
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            for name in (column, column.zfill(2), column.lstrip("0") or column):
                found.setdefault(row + name, (r, c))
                found.setdefault(f"{row}/{name}", (r, c))
    return found


def plate_order(data: ReportData) -> tuple[FieldRow, ...]:
    """Fields by well (plate order), then site, then image."""
    place = places(data.rows, data.columns)
    last = (len(data.rows), 0)
    return tuple(
        sorted(
            data.fields,
            key=lambda f: (
                place.get(f.well, last),
                natural(f.well),
                natural(f.site),
                natural(f.image),
            ),
        )
    )


def wells_of(data: ReportData, fields: tuple[FieldRow, ...]) -> tuple[Well, ...]:
    """All wells named by the fields or the well table, in plate order."""
    members: dict[str, list[int]] = {}
    for name in data.wells.get("Metadata_Well", ()):
        members.setdefault(str(name), [])
    for i, row in enumerate(fields):
        members.setdefault(row.well, []).append(i)
    members.pop("", None)
    place = places(data.rows, data.columns)
    last = (len(data.rows), 0)
    order = sorted(members, key=lambda n: (place.get(n, last), natural(n)))
    told = _told(data.wells)
    return tuple(
        Well(
            n,
            place.get(n),
            tuple(members[n]),
            *_judged(members[n], fields, *told.get(n, ("",) * 3)),
        )
        for n in order
    )


def _told(wells: Mapping[str, Sequence[object] | Array]) -> dict[str, tuple[str, str, str]]:
    """Verdict, notes and exclusion of each well that its table tells."""
    names = [str(n) for n in _texts(wells.get("Metadata_Well"), 0)]
    columns = [_texts(wells.get(f"Metadata_{c}"), len(names)) for c in OWN[2:5]]
    return dict(zip(names, zip(*columns, strict=True), strict=True))


def _texts(column: Iterable[object] | None, count: int) -> list[str]:
    if column is None:
        return [""] * count
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return ["" if v is None else str(v) for v in values]


def _judged(
    members: Sequence[int], fields: Sequence[FieldRow], verdict: str, notes: str, excluded: str
) -> tuple[Verdict, tuple[str, ...], str]:
    """The well's verdict, notes and exclusion; without a verdict the worst of its fields'."""
    states = [fields[i].state for i in members]
    own: Verdict = "fail" if {"fail", "quarantined"} & {*states} else "pass"
    own = "warn" if own == "pass" and "warn" in states else own
    given = next((v for v in ORDER if v == verdict), own)
    return given, tuple(n for n in notes.split("; ") if n), excluded


def groupings(data: ReportData, wells: tuple[Well, ...]) -> tuple[Grouping, ...]:
    """Treatments: text columns that part the wells into a few groups."""
    names = _texts(data.wells.get("Metadata_Well"), 0)
    found = []
    for column, values in data.wells.items():
        name = column.removeprefix("Metadata_")
        if not column.startswith("Metadata_") or name in OWN or _numbers(values) is not None:
            continue
        of = dict(zip(names, _texts(values, len(names)), strict=True))
        if 1 < len({*of.values()}) <= MOST_GROUPS:
            found.append(Grouping(name.replace("_", " "), tuple(of.get(w.name, "") for w in wells)))
    return tuple(found)


def object_sets(data: ReportData) -> tuple[str, ...]:
    """Names of all object sets, in order of first appearance."""
    names = [s for f in data.fields for s in f.counts]
    names += [s for t in data.thumbnails for s in t.labels]
    return tuple(dict.fromkeys(names))


def channels_of(data: ReportData) -> tuple[str, ...]:
    """Channel names of the dataset."""
    return data.channels or (data.thumbnails[0].channels if data.thumbnails else ())


def measures(
    data: ReportData, wells: tuple[Well, ...], fields: tuple[FieldRow, ...]
) -> tuple[Measure, ...]:
    """All numbers that a plate map can show, counts first."""
    names = [str(n) for n in data.wells.get("Metadata_Well", ())]
    row = {n: i for i, n in enumerate(names)}
    found = _counts(data, wells, fields)
    found += _per_well(wells, fields, data.units, set(data.wells))
    have = {m.name.casefold() for m in found}
    for name, column in data.wells.items():
        values = _numbers(column)
        if values is None and name.removeprefix("Metadata_") not in OWN:
            values = _amounts(column)
        if values is None or name.casefold() in have:
            continue
        picked = tuple(values[row[w.name]] if w.name in row else np.nan for w in wells)
        found.append(_measure(name, picked, data.units))
    return tuple(found)


def only_objects(data: ReportData) -> tuple[Measure, ...]:
    """Features of objects as measures without wells, for data that have none."""
    return tuple(_measure(name, (), data.units) for name in data.histograms)


def most_measures(wells: tuple[Well, ...]) -> int:
    """How many measures the page's size limit allows."""
    return max(2, MOST_MEASURE_VALUES // max(1, len(wells)))


def _counts(
    data: ReportData, wells: tuple[Well, ...], fields: tuple[FieldRow, ...]
) -> list[Measure]:
    found = []
    for name in object_sets(data):
        sums = (_sum(fields[i].counts.get(name) for i in w.fields) for w in wells)
        label = f"Number of {name}"
        found.append(Measure(COUNT + name, label, "Counts", "objects per well", tuple(sums)))
    return found


def _sum(counts: Iterable[int | None]) -> float:
    known = [c for c in counts if c is not None]
    return float(sum(known)) if known else np.nan


def _per_well(
    wells: tuple[Well, ...],
    fields: tuple[FieldRow, ...],
    units: Mapping[str, str],
    known: set[str],
) -> list[Measure]:
    """Medians over a well's fields of the QC columns that the well table lacks."""
    keys = dict.fromkeys(k for f in fields for k in f.qc if k not in known)
    found = []
    for key in keys:
        values = []
        for well in wells:
            own = [fields[i].qc.get(key, np.nan) for i in well.fields]
            finite = [v for v in own if np.isfinite(v)]
            values.append(float(np.median(finite)) if finite else np.nan)
        found.append(_measure(key, tuple(values), units))
    return found


def _measure(name: str, values: tuple[float, ...], units: Mapping[str, str]) -> Measure:
    group = "_".join(name.split("_")[:2]) if name.count("_") > 1 else name.split("_")[0]
    label = name
    for prefix, title in ((QUALITY, "Image quality"), ("Metadata_", "Plate layout")):
        if name.startswith(prefix):
            group, label = title, name.removeprefix(prefix).replace("_", " ")
    unit = units.get(name, "")
    return Measure(name, label, group, "" if unit == "1" else unit, values)


def _numbers(column: object) -> list[float] | None:
    """Floats of a numeric column, None for any other."""
    values = np.asarray(column)
    if values.dtype.kind == "O":
        if not all(v is None or isinstance(v, int | float) for v in values.tolist()):
            return None
        values = np.array([np.nan if v is None else v for v in values.tolist()], np.float64)
    if values.dtype.kind not in "iufb" or values.ndim != 1:
        return None
    return [float(v) for v in values.tolist()]


def _amounts(column: Iterable[object]) -> list[float] | None:
    """Floats of texts that all are numbers, as doses in a plate map; None for any other."""
    texts = _texts(column, 0)
    try:
        values = [float(t) if t.strip() else np.nan for t in texts]
    except ValueError:
        return None
    return values if np.isfinite(values).any() else None
