"""Step *measure*: label images and pixels of a batch → one table an object set.

In: batch file, record and index of *segment*, settings ``features``. Out:
``objects/<set>/<batch>.parquet`` (rows by image, time point, id) and the record.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.ends import StoreTarget
from voxelmill.ledger import digest, write_json
from voxelmill.measurement import MeasureTask, measure_block, owners
from voxelmill.objecttable import object_table
from voxelmill.plugin import BadInput
from voxelmill.stages import INDEX_COLUMNS, Frame
from voxelmill.steps.work import Execution, Opened, Work, record, start
from voxelmill.store.read import Image
from voxelmill.tables import read_table


def measure(
    batch_file: Path, segmented: Path, out: Path, settings: Settings, execution: Execution
) -> None:
    """Measure all objects of a batch and write the record `out`.

    Raises
    ------
    BadInput
        The record of *segment* is absent.
    BlocksFailed
        Blocks failed for another reason than their data; finished ones are kept.
    """
    try:
        before = json.loads(segmented.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{segmented}: no record of segment ({error}). Run segment first") from None
    with start("measure", batch_file, settings, execution, digest(before)) as work:
        usable = [(o, i) for o, i in work.usable if before["images"][o.item.path]["status"] == "ok"]
        refused = {
            o.item.path: before["images"][o.item.path].get("reason") or o.reason
            for o in work.images
            if o not in [u for u, _ in usable]
        }
        index = _index(work)
        tasks = {k: t for o, i in usable for k, t in _tasks(work, o, i, index).items()}
        outcomes = work.pool.run(
            "measure", measure_block, {k: (t,) for k, t in tasks.items()}, work.ledger
        )
        for key, outcome in outcomes.items():
            if outcome.reason is not None:
                refused.setdefault(key.rsplit("@", 2)[0], outcome.reason)
        done = [(o, i) for o, i in usable if o.item.path not in refused]
        items = [(o.item, image) for o, image in done]
        tables = {
            name: object_table(work.batch, settings, name, items, index, _files(tasks, done))
            for name in settings.objects
        }
        counts = {}
        for name, table in tables.items():
            counts[name] = table.write(work.layout.objects(name, work.batch.name))
        images: dict[str, Any] = {
            o.item.path: {"status": "quarantined", "reason": refused[o.item.path]}
            if o.item.path in refused
            else {"status": "ok"}
            for o in work.images
        }
        write_json(out, record(work, "measure", images, rows=counts, segment=digest(before)))
        work.ledger.discard()


def _index(work: Work) -> dict[tuple[str, int, str], NDArray[np.int64]]:
    """Rows of `INDEX_COLUMNS` by image, time point and object set."""
    table = read_table(work.layout.index(work.batch.name))
    rows = np.stack([table[c] for c in INDEX_COLUMNS], axis=1).astype(np.int64)
    keys = list(zip(table["image"], table["t"].tolist(), table["set"], strict=True))
    starts = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    edges = [*starts, len(keys)]
    return {keys[a]: rows[a:b] for a, b in pairwise(edges)}


def _tasks(
    work: Work,
    opened: Opened,
    image: Image,
    index: Mapping[tuple[str, int, str], NDArray[np.int64]],
) -> dict[str, MeasureTask]:
    times, _, *space = image.shape
    size = work.execution.blocks
    grid = Grid((space[0], space[1], space[2]), (size.depth, size.size, size.size))
    target = StoreTarget(str(work.layout.labels), opened.item.path, grid.shape)
    tasks = {}
    for t in range(times):
        key = f"{opened.item.path}@{t}"
        frame = Frame(key, work.source(image), target, t)
        here = {
            s: index[k] for s in work.settings.objects if (k := (opened.item.path, t, s)) in index
        }
        for block, owned in owners(here, grid).items():
            name = f"{key}@{','.join(map(str, block))}"
            file = work.ledger.folder / f"{quote(name, safe='')}.npz"
            features = tuple(work.settings.features)
            tasks[name] = MeasureTask(frame, image.channels, features, tuple(owned), str(file))
    return tasks


def _files(
    tasks: Mapping[str, MeasureTask], done: Sequence[tuple[Opened, Image]]
) -> dict[tuple[str, int], list[str]]:
    """Files of measured blocks by image and time point."""
    files: dict[tuple[str, int], list[str]] = {}
    paths = {o.item.path for o, _ in done}
    for key, task in tasks.items():
        path = key.rsplit("@", 2)[0]
        if path in paths:
            files.setdefault((path, task.frame.t), []).append(task.file)
    return files
