"""What a cluster is asked for on behalf of one job: cores, memory, time. Pure.

In: a step, the images of its batch, settings, costs, how often it was tried. Out: whole numbers for
Snakemake's ``resources``. A job that failed may have run out of memory or of time, and its driver
cannot tell which: each further attempt gets more of both.
"""

from dataclasses import dataclass
from math import ceil

from voxelmill.config import Config
from voxelmill.costs import Costs
from voxelmill.need import MIB, STEPS, Extent, need

SNAKEMAKE_MIB = 450
"""Two Snakemake processes around a step: the batch script's and that of its `srun`."""
SPARE = 1.25
"""Memory asked for over memory predicted."""
SLACK = 2.0
"""Time asked for over time predicted: neighbours on a node and a file system take their part."""
LEAST_MINUTES = 10
"""Start-up on a busy file system alone may take minutes."""
GROWTH = 0.75
"""How much more a further attempt gets."""
DATASET_MIB, IMAGE_MIB = 600, 0.5
"""*aggregate* and *report*: libraries, and the tables and thumbnails of one image."""


@dataclass(frozen=True)
class Asked:
    """Resources of one job."""

    mem_mb: int
    runtime: int
    """Minutes."""


def ask(
    step: str, extent: Extent, images: int, config: Config, costs: Costs, cores: int, attempt: int
) -> Asked:
    """Resources of one job of a batch.

    Parameters
    ----------
    step : str
        qc, segment or measure; aggregate or report for a whole dataset.
    extent : Extent
        The largest image.
    images : int
        Images in the batch or dataset; all count as large as the largest.
    config : Config
    costs : Costs
    cores : int
        Cores of the job.
    attempt : int
        1 for the first.
    """
    more = 1 + GROWTH * (attempt - 1)
    at_once = cores if step in STEPS else 1
    seconds = costs.start(step) + images * costs.image(step, extent, config) / at_once
    runtime = ceil(max(LEAST_MINUTES, SLACK * seconds / 60) * more)
    size = SNAKEMAKE_MIB + SPARE * memory(step, extent, images, config, cores) / MIB
    return Asked(ceil(size * more), runtime)


def memory(step: str, extent: Extent, images: int, config: Config, cores: int) -> float:
    """Bytes that a step is predicted to hold at its peak on the node of its job."""
    if step not in STEPS:
        return (DATASET_MIB + images * IMAGE_MIB) * MIB
    found = need(extent, config, config.blocks, config.compute, cores, step)
    return found.driver if config.compute.slurm is not None else found.total
