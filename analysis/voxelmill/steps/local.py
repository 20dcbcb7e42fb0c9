"""Whether a step keeps its scratch files on a disk of this node, and how much it needs there."""

import os
import sys
from pathlib import Path

from voxelmill.batch import Batch
from voxelmill.config import Settings
from voxelmill.execution import Compute
from voxelmill.layout import Layout
from voxelmill.localscratch import local_place
from voxelmill.run.gather import in_session

VOXEL = {"segment": 0.5, "measure": 2.0}
"""Bytes of scratch files a voxel and object set, about ten times what plates of cells were seen to
take; a step that is not here leaves none."""
STAGED_VOXEL = 0.5
"""Bytes of staged labels, likewise."""
LEAST = 1 << 26
"""Bytes that must be free in any case."""


def scratch_place(
    step: str, batch: Batch, layout: Layout, settings: Settings, compute: Compute
) -> Path | None:
    """Folder for the scratch files of a step over small images; None: among the results.

    Says on stderr, the log of the job, why a disk that was named is not used.
    """
    if step not in VOXEL or compute.kind != "local" or in_session():
        return None
    staged = STAGED_VOXEL if step == "segment" and settings.labels == "zip" else 0.0
    voxels = sum(item.voxels for item in batch.items) * len(settings.objects)
    size = LEAST + int(voxels * (VOXEL[step] + staged))
    place = local_place(layout.scratch(step, batch.name), size, os.environ)
    if place.note:
        sys.stderr.write(f"{place.note}\n")
    return place.folder
