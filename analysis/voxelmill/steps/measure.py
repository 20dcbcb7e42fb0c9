"""Step *measure*: label images and pixels of a batch → one table an object set.

In: batch file, record and index of *segment*, settings ``features``. Out:
``objects/<set>/<batch>.parquet`` (rows by image, time point, id) and the record.
"""

import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.ends import StoreTarget
from voxelmill.features import check_features
from voxelmill.ledger import write_json
from voxelmill.measurement import MeasureTask, measure_block
from voxelmill.objectindex import Place, read_index
from voxelmill.objecttable import Measured, ObjectTable, related, write_objects
from voxelmill.ownership import Owners, at_border
from voxelmill.plugin import BadInput
from voxelmill.stages import Frame
from voxelmill.steps.gather import excluded_by, labels_told
from voxelmill.steps.labelplace import labels_made
from voxelmill.steps.work import Execution, Opened, Work, record, start
from voxelmill.stitch import Ints
from voxelmill.store.read import Image


def measure(
    batch_file: Path, segmented: Path, out: Path, settings: Settings, execution: Execution
) -> None:
    """Measure all objects of a batch and write the record `out`.

    Raises
    ------
    BadInput
        The record of *segment* is absent.
    StoreUnavailable
        The archive of labels is not the one that this record speaks of.
    BlocksFailed
        Blocks failed for another reason than their data; finished ones are kept.
    """
    try:
        before = json.loads(segmented.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{segmented}: no record of segment ({error}). Run segment first") from None
    excluded = excluded_by(before)
    told = labels_told(before)
    with start("measure", batch_file, settings, execution, told, excluded) as work:
        root = labels_made(work.layout, work.batch.name, before)
        usable = [(o, i) for o, i in work.usable if before["images"][o.item.path]["status"] == "ok"]
        refused = {
            o.item.path: before["images"][o.item.path].get("reason") or o.reason
            for o in work.images
            if o not in [u for u, _ in usable]
        }
        channels = list(dict.fromkeys(c for _, image in usable for c in image.channels))
        if usable:
            check_features(work.settings.features, channels)
        keys = {(o.item.path, t) for o, image in usable for t in range(image.shape[0])}
        owners, seams, borders = _owners(work, usable, keys)
        tasks = {k: t for o, i in usable for k, t in _tasks(work, root, o, i, owners).items()}
        outcomes = work.pool.run(
            "measure", measure_block, {k: (t,) for k, t in tasks.items()}, work.ledger, work.advice
        )
        for key, outcome in outcomes.items():
            if outcome.reason is not None:
                refused.setdefault(key.rsplit("@", 2)[0], outcome.reason)
        done = [(o.item, i) for o, i in usable if o.item.path not in refused]
        counts = {
            name: write_objects(
                work.layout.objects(name, work.batch.name),
                ObjectTable(work.batch, work.settings, name),
                done,
                Measured(_by_frame(tasks), seams, borders),
            )
            for name in settings.objects
        }
        images: dict[str, Any] = {
            o.item.path: {
                "status": "excluded" if o.excluded else "quarantined",
                "reason": refused[o.item.path],
            }
            if o.item.path in refused
            else {"status": "ok"}
            for o in work.images
        }
        write_json(out, record(work, "measure", images, rows=counts, segment=told))
        work.ledger.discard()


def _owners(
    work: Work, usable: Sequence[tuple[Opened, Image]], keys: Container[tuple[str, int]]
) -> tuple[dict[tuple[str, int], Owners], dict[Place, Ints], dict[Place, Ints]]:
    """Which block owns which objects; ids of those that a seam, or the border, may have cut."""
    size = work.execution.blocks
    owners: dict[tuple[str, int], Owners] = {}
    for opened, image in usable:
        z, y, x = image.shape[2:]
        grid = Grid((z, y, x), (size.depth, size.size, size.size))
        owners |= {(opened.item.path, t): Owners(grid) for t in range(image.shape[0])}
    seams: dict[Place, Ints] = {}
    borders: dict[Place, Ints] = {}
    for (path, t, name), rows in read_index(work.layout.index(work.batch.name)):
        if (path, t) in keys and name in work.settings.objects:
            owners[path, t].add(name, rows)
            shape = owners[path, t].grid.shape
            for marks, hit in ((seams, rows[:, -1] > 0), (borders, at_border(rows, shape))):
                before = marks.get((path, t, name), rows[:0, 0])
                marks[path, t, name] = np.append(before, rows[hit, 0])
    return owners, seams, borders


def _tasks(
    work: Work,
    root: str,
    opened: Opened,
    image: Image,
    owners: Mapping[tuple[str, int], Owners],
) -> dict[str, MeasureTask]:
    z, y, x = image.shape[2:]
    target = StoreTarget(root, opened.item.path, (z, y, x))
    tasks = {}
    for t in range(image.shape[0]):
        key = f"{opened.item.path}@{t}"
        frame = Frame(key, work.source(opened, image), target, t)
        mine = owners[opened.item.path, t]
        for block, owned in mine.blocks().items():
            name = f"{key}@{','.join(map(str, block))}"
            file = work.ledger.scratch / f"{quote(name, safe='')}.measured"
            tasks[name] = MeasureTask(
                frame=frame,
                channels=image.channels,
                features=tuple(work.settings.features),
                owned=tuple(owned),
                file=str(file),
                slab=block[0 if z > 1 else 1],
                parents={o.name: tuple(related(work.settings, o.name)) for o in owned},
                alone=len(mine.grid) == 1,
            )
    return tasks


def _by_frame(tasks: Mapping[str, MeasureTask]) -> dict[tuple[str, int], list[MeasureTask]]:
    """Tasks by image and time point."""
    found: dict[tuple[str, int], list[MeasureTask]] = {}
    for key, task in tasks.items():
        found.setdefault((key.rsplit("@", 2)[0], task.frame.t), []).append(task)
    return found
