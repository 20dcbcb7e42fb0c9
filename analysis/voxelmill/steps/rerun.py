"""The steps of a recorded run, once more, in this process and in a folder of our own.

In: what to run (`Rerun`). Out: results as the workflow leaves them, of some images or of all. A
step whose record is there is not run again, so an interrupted rerun goes on. No Snakemake: a sample
of wells is small, and a reviewer's machine is one machine.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from voxelmill.approval import is_exclusion
from voxelmill.batch import IMAGES, Batch, Item
from voxelmill.config import Settings
from voxelmill.cuts import by_count, names
from voxelmill.execution import Blocks, Compute
from voxelmill.fieldsample import choose
from voxelmill.layout import ILLUMINATION, RESULTS, Layout
from voxelmill.ledger import write_json
from voxelmill.machine import limit
from voxelmill.plan import Load, fit_blocks, fit_fewer
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.illuminate import illuminate
from voxelmill.steps.measure import measure
from voxelmill.steps.memory import largest
from voxelmill.steps.qc import qc
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution

WHOLE = "whole"
"""Folder of the batches of all images, which light is estimated on."""


@dataclass(frozen=True)
class Rerun:
    """What is to be run."""

    layout: Layout
    settings: Settings
    batches: tuple[Batch, ...]
    """The chosen images."""
    whole: tuple[Batch, ...]
    """All images of the dataset, where light is to be corrected."""
    left_out: Mapping[str, str]
    """Of the recorded run: quarantined and excluded images, and why."""
    plate_map: Path | None
    cores: int

    @property
    def files(self) -> list[Path]:
        """Batch files."""
        return [self.layout.batch(batch.name) for batch in self.batches]


def cut(
    dataset: str, url: str, items: Sequence[Item], recorded: Mapping[str, Sequence[str]]
) -> tuple[Batch, ...]:
    """Batches of some images: cut as the `recorded` ones, so that even files come out the same.

    Where these are not known, as a configuration without ``batches`` cuts them.
    """
    batch_of = {path: name for name, paths in recorded.items() for path in paths}
    if all(item.path in batch_of for item in items):
        mine: dict[str, list[Item]] = {}
        for item in items:
            mine.setdefault(batch_of[item.path], []).append(item)
        return tuple(Batch(dataset, url, name, tuple(some)) for name, some in mine.items())
    sizes = by_count([item.voxels for item in items], IMAGES)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(
        Batch(dataset, url, name, tuple(items[start : start + size]))
        for name, start, size in zip(names(len(sizes)), starts, sizes, strict=True)
    )


def lit_by(items: Sequence[Item], settings: Settings) -> list[str]:
    """Images that light is estimated on."""
    if settings.illumination is None:
        return []
    found = choose(items, settings.illumination.fields).values()
    return [item.path for chosen in found for item, _ in chosen]


def rerun(what: Rerun, say: Callable[[str], None]) -> int:
    """Run all steps whose record is not there; return how many were run.

    Raises
    ------
    VoxelmillError
        As the steps do.
    """
    # Jobs of a run that writes to a store are told so by the environment; this is none.
    os.environ.pop(RESULTS, None)
    for batch in what.batches:
        write_json(what.layout.batch(batch.name), batch.as_json())
    _exclude(what)
    how = fitting(what)
    steps = [(record, step) for record, step in _steps(what, how) if not record.exists()]
    for number, (record, step) in enumerate(steps, 1):
        name = record.relative_to(what.layout.root / "records").with_suffix("")
        say(f"rerun: {name}, {number} of {len(steps)}")
        step(record)
    return len(steps)


def _steps(what: Rerun, how: Execution) -> list[tuple[Path, Callable[[Path], None]]]:
    """Records in the order of the workflow, and what writes each."""
    layout, settings = what.layout, what.settings
    found: list[tuple[Path, Callable[[Path], None]]] = []
    if settings.illumination is not None:
        found.append((layout.record(ILLUMINATION), partial(_light, what)))
    for batch in what.batches:
        file, name = layout.batch(batch.name), batch.name
        segmented = layout.record("segment", name)
        found += [
            (layout.record("qc", name), partial(qc, file, settings=settings, execution=how)),
            (
                segmented,
                partial(segment, file, settings=settings, execution=how, gate=layout.gate(name)),
            ),
            (
                layout.record("measure", name),
                partial(measure, file, segmented, settings=settings, execution=how),
            ),
        ]
    last = partial(aggregate, what.files, settings=settings, plate_map=what.plate_map)
    return [*found, (layout.record("aggregate"), last)]


def _light(what: Rerun, record: Path) -> None:
    files = []
    for batch in what.whole:
        # In a folder beside that of the batches: the profiles belong to the same results.
        files.append(what.layout.root / WHOLE / f"{batch.name}.json")
        write_json(files[-1], batch.as_json())
    illuminate(files, record, what.settings, what.cores)


def _exclude(what: Rerun) -> None:
    """Leave out what a rule or a person has left out then."""
    excluded = {path: why for path, why in what.left_out.items() if is_exclusion(why)}
    for batch in what.batches:
        mine = {i.path: excluded[i.path] for i in batch.items if i.path in excluded}
        if mine:
            write_json(what.layout.gate(batch.name), {"excluded": mine})


def fitting(what: Rerun) -> Execution:
    """Blocks and workers that this machine has memory for; they change no result."""
    extents = {name: e for batch in what.batches for name, e in largest(batch).items()}
    load, most = Load(what.settings, Blocks(), Compute(), what.cores), limit()
    if extents and most is not None and load.total(extents) > most.size:
        if (blocks := fit_blocks(extents, load, most)) is not None:
            return Execution(blocks=blocks, workers=what.cores)
        if (fewer := fit_fewer(extents, load, most)) is not None:
            return Execution(workers=fewer.workers)
    return Execution(workers=what.cores)
