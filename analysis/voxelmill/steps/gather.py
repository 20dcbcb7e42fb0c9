"""What *aggregate*, *report* and *check* read: the finished batches of one dataset."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voxelmill.aggregation import normal_well
from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.layout import Layout
from voxelmill.ledger import digest
from voxelmill.plugin import BadInput
from voxelmill.qc import Metric
from voxelmill.steps.work import read_batch


@dataclass(frozen=True)
class Gathered:
    """One dataset: its batches, and which images are quarantined or excluded for what reason."""

    layout: Layout
    batches: tuple[Batch, ...]
    quarantined: Mapping[str, str]
    excluded: Mapping[str, str] = field(default_factory=dict)
    """None of these counts as quarantined: whoever left it out has seen that it is damaged."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why images cannot be used, whether they are left out or not."""

    @property
    def items(self) -> list[Item]:
        """All images in plate order."""
        return [item for batch in self.batches for item in batch.items]

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.batches[0].dataset


def gather(batch_files: Sequence[Path]) -> Gathered:
    """Read batches and the records of their steps.

    Raises
    ------
    BadInput
        A batch file or record is absent.
    """
    if not batch_files:
        raise BadInput("no batch files given; allowed: results/<dataset>/batches/*.json")
    layout = Layout.of_batch(batch_files[0])
    batches = tuple(read_batch(file) for file in sorted(batch_files))
    reasons: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for batch in batches:
        for step in ("measure", "segment", "qc"):
            told = read_record(layout.record(step, batch.name))
            excluded |= excluded_by(told)
            for image, found in told["images"].items():
                if found["status"] == "quarantined":
                    reasons.setdefault(image, found["reason"])
    lost = {image: reason for image, reason in reasons.items() if image not in excluded}
    return Gathered(layout, batches, lost, excluded, reasons)


def excluded_by(record: Mapping[str, Any]) -> dict[str, str]:
    """Images that a step has left out, as its record says → reason."""
    found = record["images"].items()
    return {image: told["reason"] for image, told in found if told["status"] == "excluded"}


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a step.

    Raises
    ------
    BadInput
        It is absent or damaged.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: no record ({error}). Run the workflow again") from None
    return found


def labels_told(segmented: Mapping[str, Any]) -> str:
    """Digest of what a record of *segment* says of the labels themselves, wherever they lie."""
    settings = {k: v for k, v in segmented.get("settings", {}).items() if k != "labels"}
    images = {
        path: {k: v for k, v in image.items() if k != "stored"}
        for path, image in segmented.get("images", {}).items()
    }
    return digest({**segmented, "settings": settings, "images": images, "labels": None})


def read_plate_map(path: Path) -> dict[str, dict[str, str]]:
    """Read treatments by well.

    Parameters
    ----------
    path : Path
        CSV or TSV with a column ``well`` (or ``Metadata_Well``); all others are kept, as
        ``Metadata_<column>``.

    Raises
    ------
    BadInput
        No such column, a well twice, a line that is too long, or no UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}). Check the path") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8; allowed: CSV or TSV in UTF-8. Save it so") from None
    if not lines:
        raise BadInput(f"{path}: is empty; allowed: a header with 'well' and a line a well")
    delimiter = "\t" if "\t" in lines[0] else ","
    found: dict[str, dict[str, str]] = {}
    table = csv.DictReader(lines, delimiter=delimiter)
    columns = table.fieldnames or ()
    key = next((c for c in columns if c.lower() in ("well", "metadata_well")), None)
    if key is None:
        raise BadInput(f"{path}: columns {', '.join(columns)}; allowed: one is called 'well'")
    for row in table:
        well = normal_well(row[key] or "")
        if None in row:
            raise BadInput(f"{path}: well {well}: more values than columns; allowed: as many")
        if well in found:
            raise BadInput(f"{path}: well {well} twice; allowed: one line a well")
        found[well] = {_named(c): v or "" for c, v in row.items() if c != key}
    return found


def _named(column: str) -> str:
    return column if column.startswith("Metadata_") else f"Metadata_{column.strip()}"


def channels_of(columns: Iterable[str], names: Iterable[str]) -> list[str]:
    """Channels that QC columns ``<name>_<channel>`` speak of, in order."""
    found = [c.removeprefix(f"{n}_") for c in columns for n in names if c.startswith(f"{n}_")]
    return list(dict.fromkeys(found))


def qc_channels(settings: Settings, columns: Iterable[str]) -> list[str]:
    """Channels that the QC columns of a table of images speak of, in order."""
    names = (c for metric in settings.qc.of(Metric) for c in metric.columns())
    return channels_of(columns, list(names))
