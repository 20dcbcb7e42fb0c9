"""What plate metrics see, and what they say: plain values of one plate, no files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
Verdict: TypeAlias = Literal["pass", "warn", "fail"]

SHOWN = 4
"""Wells that a finding names."""
FORMATS = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48), (64, 96))
"""Rows and columns of plates of 6, 12, 24, 48, 96, 384, 1536 and 6144 wells (ANSI/SLAS 4-2004)."""


@dataclass(frozen=True)
class Finding:
    """One line on the plate as a whole: what was looked at, the value, the verdict, in words."""

    name: str
    value: float
    unit: str = "1"
    verdict: Verdict = "pass"
    text: str = ""


@dataclass(frozen=True)
class Judgement:
    """What one metric says of one plate."""

    findings: tuple[Finding, ...] = ()
    faults: Mapping[str, Bools] = field(default_factory=dict)
    """Fault of wells (``Nuclei: OutlierCount``) → (n_wells,) which have it."""
    unjudged: tuple[str, ...] = ()
    """What could not be judged, and why, a line each."""


@dataclass(frozen=True)
class Plate:
    """One plate: its wells, and the images that they are made of.

    `row` and `column` count from 0 and are -1 off a plate. `values` are the numbers of the well
    table, NaN where unknown or where the well is excluded; `labels` its texts, those of the plate
    map among them; `verdicts` follow from the images alone. `technical` names the columns that
    treatments should hardly change: counts of objects and background of channels.
    `images` has the same columns for each image, `well` is its well, `order` ranks the images by
    when they were taken: acquisition, row, column, site.
    """

    wells: tuple[str, ...]
    row: Ints
    column: Ints
    values: Mapping[str, Floats]
    labels: Mapping[str, Sequence[str]]
    verdicts: tuple[str, ...]
    technical: tuple[str, ...]
    images: Mapping[str, Floats]
    well: Ints
    acquisition: Ints
    order: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the smallest usual plate that holds all wells."""
        rows, columns = int(self.row.max(initial=-1)) + 1, int(self.column.max(initial=-1)) + 1
        fits = [f for f in FORMATS if f[0] >= rows and f[1] >= columns]
        return fits[0] if fits else (rows, columns)

    @property
    def placed(self) -> bool:
        """Whether rows and columns of all wells are known."""
        known = np.minimum(self.row, self.column) >= 0
        return bool(known.size and known.all())

    def grid(self, values: Floats) -> Floats:
        """(rows, columns) array of one value a well; NaN where there is no well."""
        found = np.full((int(self.row.max()) + 1, int(self.column.max()) + 1), np.nan)
        found[self.row, self.column] = values
        return found


def place_of(row: str, column: str) -> tuple[int, int]:
    """Row and column from 0 of ``B`` and ``03``; -1 where the names say none.

    Rows go on after Z with AA, as on plates of 1536 wells.
    """
    text = row.strip().upper()
    letters = text.isascii() and text.isalpha()
    number = 0
    for letter in text if letters else "":
        number = number * 26 + ord(letter) - ord("A") + 1
    if text.isascii() and text.isdigit():
        number = int(text)
    digits = column.strip()
    return number - 1, int(digits) - 1 if digits.isascii() and digits.isdigit() else -1


def line_name(lines: str, number: int) -> str:
    """``row C`` or ``column 3`` for `lines` ``rows`` or ``columns`` and a number from 0."""
    if lines == "columns":
        return f"column {number + 1}"
    more, last = divmod(number, 26)
    return f"row {chr(ord('A') + more - 1) if more else ''}{chr(ord('A') + last)}"


def named(column: str) -> tuple[str, str]:
    """What a column is of, and which fault it may have: ``Nuclei``, ``Count``."""
    for start, fault in (
        ("Metadata_Count_", "Count"),
        ("ImageQuality_Background_", "Background"),
        ("ImageQuality_MeanIntensity_", "Intensity"),
    ):
        if column.startswith(start):
            return column.removeprefix(start), fault
    return column, "Value"


def spoken(column: str) -> str:
    """Say a column in words: ``count of Nuclei``."""
    what, fault = named(column)
    return what if fault == "Value" else f"{fault.lower()} of {what}"


def listed(wells: Sequence[str]) -> str:
    """Names of the first wells, and how many more there are."""
    more = f" and {len(wells) - SHOWN} more" if len(wells) > SHOWN else ""
    return f"{', '.join(wells[:SHOWN])}{more}"


def rounded(value: Any) -> float:  # noqa: ANN401 - numpy or Python number
    """Six significant digits: the last bits of a sum may differ between processors."""
    return float(f"{float(value):.6g}")
