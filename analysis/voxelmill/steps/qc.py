"""Step *qc*: pixels of a batch → one row an image and time point with all QC values.

In: batch file, settings ``qc``. Out: ``qc/<batch>.parquet`` and the record. Judging images needs
the whole plate and happens in *aggregate*.
"""

from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.batch import place_columns
from voxelmill.config import Settings
from voxelmill.ledger import write_json
from voxelmill.qc import Metric
from voxelmill.quality import QualityTask, columns, quality
from voxelmill.steps.work import Execution, record, start
from voxelmill.tables import write_table


def qc(batch_file: Path, out: Path, settings: Settings, execution: Execution) -> None:
    """Compute QC values of all images of a batch and write the record `out`.

    Raises
    ------
    BlocksFailed
        Images failed for another reason than their data.
    """
    with start("qc", batch_file, settings, execution) as work:
        refused = {o.item.path: o.reason for o in work.images if o.image is None}
        tasks = {
            f"{o.item.path}@{t}": (
                QualityTask(work.source(o, image), t, image.channels, settings.qc.of(Metric)),
            )
            for o, image in work.usable
            for t in range(image.shape[0])
        }
        outcomes = work.pool.run("qc", quality, tasks, work.ledger)
        for key, outcome in outcomes.items():
            if outcome.reason is not None:
                refused.setdefault(key.rsplit("@", 1)[0], outcome.reason)
        units = columns(
            settings.qc.of(Metric),
            list(dict.fromkeys(c for _, image in work.usable for c in image.channels)),
        )
        rows = [
            (o.item, t, outcomes[f"{o.item.path}@{t}"].value)
            for o, image in work.usable
            for t in range(image.shape[0])
            if o.item.path not in refused
        ]
        table: dict[str, Any] = {
            **place_columns(work.batch.dataset, [i for i, _, _ in rows]),
            "Metadata_Timepoint": np.asarray([t for _, t, _ in rows], np.int64),
        }
        table |= {c: np.asarray([v.get(c, np.nan) for _, _, v in rows], float) for c in units}
        write_table(work.layout.qc(work.batch.name), table, units)
        images = {
            o.item.path: {"status": "quarantined", "reason": refused[o.item.path]}
            if o.item.path in refused
            else {"status": "ok", "input": o.digest}
            for o in work.images
        }
        write_json(out, record(work, "qc", images))
        work.ledger.discard()
