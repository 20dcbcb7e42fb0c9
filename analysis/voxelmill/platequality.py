"""QC of plates: what the wells of each plate of a dataset say of it.

In: the tables of images and wells, by column, and where the wells lie. Out: findings, faults of
wells, the verdict of the plate with its reasons. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voxelmill.batch import Item
from voxelmill.natural import natural
from voxelmill.qc import Finding, Plate, PlateMetric
from voxelmill.qc._plate import place_of
from voxelmill.tables import numeric
from voxelmill.verdict import ORDER, Verdict, worst


@dataclass
class PlateQuality:
    """Of all plates of a dataset."""

    findings: list[Finding] = field(default_factory=list)
    faults: list[list[str]] = field(default_factory=list)
    """Of each well."""
    unjudged: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings'."""
        return worst(finding.verdict for finding in self.findings)

    def reasons(self) -> list[str]:
        """Findings that are no pass, in words, the worst first."""
        bad = [f for f in self.findings if f.verdict != "pass"]
        bad.sort(key=lambda f: -ORDER.index(f.verdict))
        return [f"{f.name}: {f.text}" for f in bad]

    def as_json(self) -> dict[str, Any]:
        """What the record says of it."""
        return {
            "verdict": {"plate": self.verdict, "reasons": self.reasons()},
            "findings": [
                {**vars(f), "value": None if math.isnan(f.value) else f.value}
                for f in self.findings
            ],
        }


def plate_quality(
    metrics: Sequence[PlateMetric],
    items: Sequence[Item],
    images: Mapping[str, Any],
    wells: Mapping[str, Any],
    technical: Sequence[str],
) -> PlateQuality:
    """Judge every plate of a dataset.

    Parameters
    ----------
    metrics : sequence of PlateMetric
    items : sequence of Item
        The image of each row of `images`.
    images, wells : mapping of str to sequence
        Columns of the two tables.
    technical : sequence of str
        Columns that treatments should hardly change.
    """
    found = PlateQuality(faults=[[] for _ in wells["Metadata_Well"]])
    names = list(dict.fromkeys(wells["Metadata_Plate"]))
    for name in names:
        rows = np.asarray([i for i, p in enumerate(wells["Metadata_Plate"]) if p == name])
        plate = plate_of(name, rows, items, images, wells, technical)
        start = f"{name}: " if len(names) > 1 else ""
        for metric in metrics:
            judged = metric(plate)
            found.findings += [
                Finding(f.name, f.value, f.unit, f.verdict, start + f.text) for f in judged.findings
            ]
            found.unjudged += [start + text for text in judged.unjudged]
            for fault, hit in judged.faults.items():
                for i in np.flatnonzero(hit):
                    found.faults[rows[i]].append(fault)
    return found


def plate_of(
    name: str,
    rows: Any,  # noqa: ANN401 - rows of an array
    items: Sequence[Item],
    images: Mapping[str, Any],
    wells: Mapping[str, Any],
    technical: Sequence[str],
) -> Plate:
    """One plate; `rows` are those of its wells, whose values count where they are not excluded."""
    where = [i for i, p in enumerate(images["Metadata_Plate"]) if p == name]
    mine = [items[i] for i in where]
    names = [wells["Metadata_Well"][i] for i in rows]
    number = {well: i for i, well in enumerate(names)}
    places = {item.well: place_of(item.row, item.column) for item in mine}
    place = np.asarray([places[well] for well in names], np.int64).reshape(-1, 2)
    kept = np.asarray([not wells["Metadata_Excluded"][i] for i in rows], np.bool_)
    taken = [_taken(item, places) for item in mine]
    rank = {key: i for i, key in enumerate(sorted(set(taken)))}
    texts = {c: v for c, v in wells.items() if isinstance(v, list)}
    return Plate(
        wells=tuple(names),
        row=place[:, 0],
        column=place[:, 1],
        values={c: np.where(kept, v[rows], np.nan) for c, v in numeric(wells).items()},
        labels={c: [v[i] or "" for i in rows] for c, v in texts.items()},
        # What is excluded has been dealt with: it is no finding.
        verdicts=tuple(
            wells["Metadata_Verdict"][i] if k else "pass" for i, k in zip(rows, kept, strict=True)
        ),
        technical=tuple(c for c in technical if c in wells),
        images={c: v[where] for c, v in numeric(images).items()},
        well=np.asarray([number[item.well] for item in mine], np.int64),
        acquisition=np.asarray([item.acquisition or 0 for item in mine], np.int64),
        order=np.asarray([rank[key] for key in taken], np.int64),
    )


def _taken(item: Item, places: Mapping[str, tuple[int, int]]) -> tuple[Any, ...]:
    """Sort key: by acquisition, then row by row, then site by site."""
    return (item.acquisition or 0, *places[item.well], natural(item.site))
