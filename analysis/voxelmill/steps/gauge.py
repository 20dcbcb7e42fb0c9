"""One worker of `voxelmill calibrate`: does what jobs do, again and again, and times it.

    python -m voxelmill.steps.gauge FOLDER NUMBER

In: ``FOLDER/gauge.json``, a `Spec`, and the plates that it names. Out: ``FOLDER/<NUMBER>.json``,
`Timings`. As many of them run at once as keep all cores busy, each in a folder of its own.
"""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from voxelmill.batch import Batch, Item
from voxelmill.config import Settings
from voxelmill.execution import Model
from voxelmill.features import features
from voxelmill.layout import BATCH_STEPS, PROVENANCE, Layout
from voxelmill.ledger import write_json
from voxelmill.published import Published
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.gaugeplugins import SETS, made, plugin_calls
from voxelmill.steps.measure import measure
from voxelmill.steps.provenance import provenance
from voxelmill.steps.qc import qc
from voxelmill.steps.report import report
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.tables import read_table, write_table

Calls = dict[str, Callable[[], object]]
FAMILIES = ("shape", "intensity")
COPIES = 50
"""How often the rows of a table are repeated to see what a row costs."""
PLATES = ("large", "small", "tiny")


class Spec(Model):
    """What the workers are to do."""

    seconds: float
    """Start no more rounds after so long."""
    threads: int = 1
    """Threads of each step; more than one: only whole steps are timed."""
    fields: dict[str, int]
    """Fields of each plate ``<plate>.zarr`` in the folder, named ``A/01/<n>``."""
    config: str = ""
    """JSON of the settings whose plugins are timed besides; "": none."""


@dataclass
class Timings:
    """Seconds of processor and of clock."""

    first: dict[str, tuple[float, float]] = field(default_factory=dict)
    """First time, when kernels are loaded."""
    rounds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    """Objects and bytes of what was written."""

    def as_json(self) -> dict[str, object]:
        """JSON value."""
        return {"first": self.first, "rounds": self.rounds, "counts": self.counts}


@dataclass(frozen=True)
class Place:
    """Where one worker works."""

    folder: Path
    root: Path
    spec: Spec

    def layout(self, plate: str) -> Layout:
        """Results of a plate."""
        return Layout(self.root / plate)

    def batch(self, plate: str) -> Path:
        """Batch file with all fields of a plate; written if it is absent."""
        file = self.layout(plate).batch("0000")
        if not file.exists():
            paths = [f"A/01/{n}" for n in range(self.spec.fields[plate])]
            items = tuple(Item(p, plate, "A01", "A", "01", p[-1], None, 1) for p in paths)
            batch = Batch(plate, str(self.folder / f"{plate}.zarr"), "0000", items)
            write_json(file, batch.as_json())
        return file


def settings_of(sets: int = 3, families: tuple[str, ...] = FAMILIES) -> Settings:
    """Settings with the first `sets` of SETS."""
    objects = dict(list(SETS.items())[:sets])
    return Settings.model_validate({"objects": objects, "features": families})


def all_families() -> tuple[str, ...]:
    """Kinds of all families that need no settings."""
    return tuple(str(type(f).model_fields["kind"].default) for f in made(features()))


def main() -> None:
    """Work until the time is over; every call at least twice."""
    folder, number = Path(sys.argv[1]), sys.argv[2]
    spec = Spec.model_validate_json((folder / "gauge.json").read_text(encoding="utf-8"))
    place = Place(folder, folder / f"worker{number}", spec)
    found = Timings()
    began = time.monotonic()
    for plate in PLATES if spec.threads == 1 else PLATES[:1]:
        _whole(place, plate)
    calls = _step_calls(place)
    if spec.threads == 1:
        found.counts = _counts(place)
        calls |= plugin_calls(folder / "large.zarr", spec.config) | _table_calls(place)
        found.first = {name: _timed(call) for name, call in calls.items()}
        found.rounds = {n: [_timed(c), _timed(c)] for n, c in _starts(place).items()}
    while not found.rounds.get("qc large") or time.monotonic() - began < spec.seconds:
        for name, call in calls.items():
            found.rounds.setdefault(name, []).append(_timed(call))
    write_json(folder / f"{number}.json", found.as_json())
    shutil.rmtree(place.root)


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    elapsed, used = time.perf_counter(), _used()
    call()
    return _used() - used, time.perf_counter() - elapsed


def _used() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _whole(place: Place, plate: str) -> None:
    """All steps on one plate: what later calls start from."""
    batch, layout = place.batch(plate), place.layout(plate)
    execution = Execution(workers=place.spec.threads)
    qc(batch, layout.record("qc", "0000"), settings_of(), execution)
    segment(batch, layout.record("segment", "0000"), settings_of(), execution)
    _measure(place, plate)
    aggregate([batch], layout.record("aggregate"), settings_of())
    report([batch], layout.record("report"), settings_of())


def _measure(place: Place, plate: str, sets: int = 3, families: tuple[str, ...] = FAMILIES) -> None:
    batch, layout = place.layout(plate).batch("0000"), place.layout(plate)
    execution = Execution(workers=place.spec.threads)
    segmented, out = layout.record("segment", "0000"), layout.record("measure", "0000")
    measure(batch, segmented, out, settings_of(sets, families), execution)


def _step_calls(place: Place) -> Calls:
    """Whole steps over large fields; on one thread also over others, and with fewer sets."""
    execution = Execution(workers=place.spec.threads)
    calls: Calls = {}
    for plate in PLATES if place.spec.threads == 1 else PLATES[:1]:
        batch, record = place.batch(plate), place.layout(plate).record("qc", "0000")
        calls[f"qc {plate}"] = partial(qc, batch, record, settings_of(), execution)
        # Fewest first, so that the last has left everything that is measured.
        for sets in (1, 2, 3) if place.spec.threads == 1 and plate == "large" else (3,):
            out = place.layout(plate).record("segment", "0000")
            settings = settings_of(sets)
            calls[f"segment {plate} {sets}"] = partial(segment, batch, out, settings, execution)
            if sets != 2:
                calls[f"measure {plate} {sets}"] = partial(_measure, place, plate, sets)
    return calls


def _table_calls(place: Place) -> Calls:
    """Steps over whole datasets, and all families together, for what a column costs.

    `many` has the tables of `large` with more rows; `rich` is for tables with more columns.
    """
    many, large = place.layout("many"), place.layout("large")
    shutil.copytree(large.root, many.root)
    shutil.copytree(large.root, place.layout("rich").root)
    for name in SETS:
        file = many.objects(name, "0000")
        table = {c: np.concatenate([np.asarray(v)] * COPIES) for c, v in read_table(file).items()}
        write_table(file, {c: v.tolist() if v.dtype.kind in "OU" else v for c, v in table.items()})
    calls: Calls = {"measure rich 3": partial(_measure, place, "rich", 3, all_families())}
    for plate in ("tiny", "small", "large", "many"):
        layout = place.layout(plate)
        files, out = [layout.batch("0000")], layout.record("aggregate")
        calls[f"aggregate {plate}"] = partial(aggregate, files, out, settings_of())
        if plate in ("tiny", "large"):
            page = layout.record("report")
            calls[f"report {plate}"] = partial(report, files, page, settings_of())
            last, published = layout.record(PROVENANCE), Published.model_validate({"objects": SETS})
            calls[f"provenance {plate}"] = partial(provenance, files, last, published)
    return calls


def _starts(place: Place) -> Calls:
    """Every step as a process of its own on one tiny image, as Snakemake starts it."""
    batch, layout = str(place.batch("tiny")), place.layout("tiny")
    config = settings_of().model_dump_json()
    rest = {
        "qc": [batch],
        "segment": [batch],
        "measure": [batch, "--segmented", str(layout.record("segment", "0000"))],
        "aggregate": [batch],
        "report": [batch],
        PROVENANCE: [batch],
    }
    command = [sys.executable, "-m", "voxelmill"]
    commands = {
        step: [step, *more, "--config", config, "--record",
               str(layout.record(step, "0000" if step in BATCH_STEPS else ""))]
        for step, more in rest.items()
    }  # fmt: skip
    commands["check"] = ["check", str(layout.record("aggregate")), "--record",
                         str(layout.root / "check.json")]  # fmt: skip

    def start(words: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run(  # noqa: S603
            [*command, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    return {f"start {step}": start(words) for step, words in commands.items()}


def _counts(place: Place) -> dict[str, float]:
    """Objects, values and bytes of the large plate."""
    layout = place.layout("large")
    tables = [read_table(layout.objects(name, "0000")) for name in SETS]
    labels = layout.labels / "A/01"
    files = [f for f in labels.rglob("*") if f.is_file() and f.suffix != ".json"]
    records = [layout.record(step, "0000") for step in BATCH_STEPS]
    return {
        "objects": sum(len(t["Metadata_Image"]) for t in tables),
        "values": sum(len(t["Metadata_Image"]) * len(t) for t in tables),
        "labels": sum(f.stat().st_size for f in files),
        "tables": sum(layout.objects(name, "0000").stat().st_size for name in SETS),
        "index": layout.index("0000").stat().st_size,
        "records": sum(file.stat().st_size for file in records),
    }


if __name__ == "__main__":
    main()
