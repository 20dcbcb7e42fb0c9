"""What a report is made of: plain values and arrays, no files.

In: whatever gathered them (a step, a notebook, a test). Out: the argument of
:func:`voxelmill.report.render`. Every text here is untrusted: names come from images and sheets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array
from voxelmill.verdict import Verdict

Status = Literal["ok", "excluded", "quarantined"]
State = Literal["pass", "warn", "fail", "excluded", "quarantined"]
"""What a page marks an image or a well with: its verdict, or why it was left out."""


@dataclass(frozen=True)
class FieldRow:
    """One image: what was found in it and what is wrong with it.

    `counts` is objects by set; `qc` is QC column → value (NaN where undefined); `flags` are faults,
    written ``channel: Fault`` where they belong to one channel. A quarantined image, and one that
    was excluded, has a `reason`.
    """

    image: str
    well: str
    site: str
    status: Status = "ok"
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    qc: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    verdict: Verdict = "pass"

    @property
    def state(self) -> State:
        """Its mark; faults without a verdict are a warning."""
        if self.status != "ok":
            return self.status
        return "warn" if self.flags and self.verdict == "pass" else self.verdict


@dataclass(frozen=True)
class FlatField:
    """Illumination of one channel: `flat` is (y, x), mean 1, as small as a thumbnail; `dark` too.

    `dark` is None where it is taken as 0; `fields` is how many images it was estimated from.
    """

    channel: str
    flat: NDArray[np.float32]
    dark: NDArray[np.float32] | None = None
    fields: int = 0


@dataclass(frozen=True)
class Finding:
    """One line on the plate as a whole: what was looked at, the value, the verdict, in words."""

    name: str
    value: float
    unit: str = ""
    verdict: Verdict = "pass"
    text: str = ""


@dataclass(frozen=True)
class Thumbnail:
    """Small version of one image and its objects.

    `pixels` is (c, y, x) in the image's dtype; `labels` is set → (y, x) int32, 0 = background, in
    the same sampling; `pixel_size_um` is the width of a thumbnail pixel, None where unknown;
    `note` says how a volume was made a picture.
    """

    image: str
    well: str
    site: str
    pixels: Array
    labels: Mapping[str, NDArray[np.int32]]
    channels: tuple[str, ...]
    pixel_size_um: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Histogram:
    """How a feature is spread over objects: `counts` in equal bins from `low` to `high`.

    `below` and `above` count what lies outside; `objects` is how many values there are in all.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    below: int = 0
    above: int = 0

    @property
    def objects(self) -> int:
        """Values in all."""
        return sum(self.counts) + self.below + self.above


@dataclass(frozen=True)
class ReportData:
    """Everything one report shows.

    `rows` and `columns` name the plate's layout and are empty for data that are not a plate.
    `wells` is the well table by column, with ``Metadata_Well``; `units` is column → unit for it and
    for the QC columns; `limits` is QC column → (low, high) beyond which an image is flagged;
    `channels` are the dataset's, default those of the first thumbnail; `command` reproduces the
    run; `links` is text → relative or http(s) address.
    """

    dataset: str
    plate: str = ""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    fields: tuple[FieldRow, ...] = ()
    wells: Mapping[str, Sequence[object] | Array] = field(default_factory=dict)
    thumbnails: tuple[Thumbnail, ...] = ()
    parameters: Mapping[str, object] = field(default_factory=dict)
    fitted: Mapping[str, object] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    command: str = ""
    findings: tuple[Finding, ...] = ()
    flatfields: tuple[FlatField, ...] = ()
    effort: Mapping[str, str] = field(default_factory=dict)
    """Run time, throughput and cost: text → text."""
    citation: str = ""
    approval: Mapping[str, str] = field(default_factory=dict)
    """Who let the run go on, when, why; empty where nobody was asked."""
    verdict: Verdict | None = None
    """Of the plate as a whole, with `reasons`; None where it was not judged."""
    reasons: tuple[str, ...] = ()
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    """Feature → its spread over objects, of which `sampled` tells how they were picked."""
    sampled: str = ""
