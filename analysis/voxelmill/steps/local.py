"""Whether a step keeps its scratch files on a disk of this node, and how much it needs there."""

import os
import sys
from pathlib import Path

from voxelmill.batch import Batch
from voxelmill.config import Settings
from voxelmill.execution import Compute
from voxelmill.layout import Layout
from voxelmill.localscratch import VOXEL, local_place, scratch_bytes
from voxelmill.run.gather import in_session


def scratch_place(
    step: str, batch: Batch, layout: Layout, settings: Settings, compute: Compute
) -> Path | None:
    """Folder for the scratch files of a step over small images; None: among the results.

    Says on stderr, the log of the job, why a disk that was named is not used.
    """
    if step not in VOXEL or compute.kind != "local" or in_session():
        return None
    voxels = sum(item.voxels for item in batch.items)
    zipped = settings.labels == "zip"
    size = scratch_bytes(step, voxels, len(settings.objects), zipped=zipped)
    place = local_place(layout.scratch(step, batch.name), size, os.environ)
    if place.note:
        sys.stderr.write(f"{place.note}\n")
    return place.folder
