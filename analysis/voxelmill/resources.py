"""What a cluster is asked for on behalf of one job: cores, memory, time, disk. Pure.

In: a step, the images of its batch, settings, costs, how often it was tried. Out: whole numbers for
Snakemake's ``resources``. A job that failed may have run out of memory or of time, and its driver
cannot tell which: each further attempt gets more of both.
"""

from dataclasses import dataclass
from math import ceil, prod

from voxelmill.config import Config, Settings
from voxelmill.costs import Costs, table_columns
from voxelmill.extent import Extent
from voxelmill.fieldsample import PIECE_VOXELS
from voxelmill.illumination import SIDE
from voxelmill.layout import ILLUMINATION, PROVENANCE
from voxelmill.localscratch import scratch_bytes
from voxelmill.need import MIB, THREADS, need
from voxelmill.sizes import objects_of, values_of

SNAKEMAKE_MIB = 450
"""Two Snakemake processes around a step: the batch script's and that of its `srun`."""
SNAKEMAKE_DISK = 300
"""MiB of what Snakemake and its storage plugin leave in the folder of a job, and of logs."""
SPARE = 1.25
"""Memory asked for over memory predicted."""
SLACK = 2.0
"""Time asked for over time predicted: neighbours on a node and a file system take their part."""
LEAST_MINUTES = 10
"""Start-up on a busy file system alone may take minutes."""
GROWTH = 0.75
"""How much more a further attempt gets."""
TABLES, PAGE = 160 * MIB, 480 * MIB
"""Memory of *aggregate* and *provenance* besides tables and lists, and of *report*."""
LISTED = 64_000
"""Bytes that *provenance* holds of an image: its records, and the list of its files."""
LIGHT = 64
"""Bytes of temporaries of *illuminate* for every pixel of its sample."""
VALUE, ROW = 16, 400
"""Bytes that *aggregate* holds of a table's value, and of a row besides."""


@dataclass(frozen=True)
class Asked:
    """Resources of one job."""

    mem_mb: int
    runtime: int
    """Minutes."""
    disk_mb: int
    """Of the node; only where jobs share no file system is it asked for."""


def ask(
    step: str, extent: Extent, images: int, config: Config, costs: Costs, cores: int, attempt: int
) -> Asked:
    """Resources of one job of a batch.

    Parameters
    ----------
    step : str
        qc, segment or measure; illumination, aggregate, report or provenance for a whole dataset.
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
    work = costs.work(step, [(extent, images)], config)
    seconds = costs.seconds(step, work, config, cores)
    runtime = ceil(asked_minutes(seconds) * more)
    size = SNAKEMAKE_MIB + SPARE * memory(step, extent, images, config, cores) / MIB
    voxels = images * prod(extent.shape) // extent.shape[1]
    zipped = config.labels == "zip"
    apart = config.compute.kubernetes is not None
    scratch = 0 if apart else scratch_bytes(step, voxels, len(config.objects), zipped=zipped)
    disk = SNAKEMAKE_DISK + (scratch + tables(extent, images, config)) / MIB
    return Asked(ceil(size * more), runtime, ceil(disk))


def asked_minutes(seconds: float) -> float:
    """Minutes asked for by the first attempt of a job that takes so long."""
    return max(LEAST_MINUTES, SLACK * seconds / 60)


def memory(step: str, extent: Extent, images: int, config: Config, cores: int) -> float:
    """Bytes that a step is predicted to hold at its peak on the node of its job."""
    if step == "aggregate":
        return TABLES + tables(extent, images, config)
    if step == "report":
        return PAGE
    if step == PROVENANCE:
        return TABLES + images * LISTED
    if step == ILLUMINATION:
        return light_memory(extent, config)
    found = need(extent, config, config.blocks, config.compute, cores, step)
    return found.driver if config.compute.elsewhere is not None else found.total


def light_memory(extent: Extent, config: Settings) -> float:
    """Bytes of *illuminate*: its sample, temporaries of a channel, a piece of an image."""
    if config.illumination is None:
        return 0.0
    sample = config.illumination.fields * SIDE**2
    channels, row = extent.shape[1], extent.shape[4] * ceil(extent.shape[3] / SIDE)
    piece = max(PIECE_VOXELS, channels * row)
    return THREADS + sample * (8 * channels + LIGHT) + piece * (extent.voxel + 16)


def tables(extent: Extent, images: int, config: Settings) -> float:
    """Bytes that *aggregate* holds of the objects of so many images: one set at a time."""
    rows = images * objects_of(extent, config) / max(1, len(config.objects))
    return values_of(rows, table_columns(extent, config)) * VALUE + rows * ROW
