"""The memory model: how much a step's processes hold at their peak. Pure.

In: the extents of images, settings, blocks and workers. Out: a `Need` in bytes. The peak of a
process is what it always holds, plus what one task holds at most for each task it runs at once:

    process = its libraries and kernels + cache of decoded chunks + tasks at once · largest stage

    look     slab of the image, of which the overview is made
    fit      the overview and the segmenter's temporaries
    segment  core + halo: pixels, seeds and the segmenter's temporaries (`Segmenter.voxel_bytes`,
             `base_bytes`)
    pair     overlaps of two blocks
    write    a shard's part of the pyramid and its encoded chunks
    measure  box of a block's objects: channels, labels, the features' temporaries
    qc       tile of one channel and the metrics' temporaries

None of these grows with the image; a driver with worker processes holds the objects of a row of
blocks besides. `benchmarks/memory.py` compares with what the kernel counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from voxelmill.blocks import Grid
from voxelmill.config import Settings
from voxelmill.execution import Blocks, Compute
from voxelmill.extent import Extent
from voxelmill.features import Feature
from voxelmill.objectsets import Segmented
from voxelmill.overview import SLAB_DEPTH, SLAB_VOXELS, factors
from voxelmill.plugin import Index
from voxelmill.quality import TILE
from voxelmill.slots import AHEAD
from voxelmill.store.cache import BUDGET_BYTES
from voxelmill.store.label_layout import label_shards

MIB = 2**20
DRIVER, WORKER, THREADS = 150 * MIB, 210 * MIB, 190 * MIB
"""Libraries and compiled kernels, measured: a driver with worker processes, such a worker, and a
driver whose own threads do the work."""
LOADING = 290 * MIB
"""What that driver holds for a moment while it loads them."""
ROW = 5 * MIB // 2
"""What a driver with worker processes holds of each block of a row: the objects found there."""
TASK = 1000
"""Bytes that a driver keeps of a block: its task and its line in the ledger."""
LABEL = np.dtype(np.int32).itemsize
PAIRED = 32
"""Bytes a voxel of an overlap: labels of both blocks and their joint histogram."""
WRITTEN, SUBTRACTED = 2, 15
"""Bytes a voxel of a shard that is written chunk by chunk: coarser levels, encoded chunks; and of
one that is made of two others, which are arrays."""
KEPT = 8
"""Bytes a voxel of a measured box: labels as read, and without objects of other blocks."""
DECODED = 2
"""Chunks that a reader holds beside the pixels it puts together."""
JUDGED = 12
"""Bytes a voxel of a QC tile besides the pixels: temporaries of the metrics."""
STEPS: Mapping[str, tuple[str, ...]] = {
    "segment": ("look", "fit", "segment", "pair", "write"),
    "measure": ("measure",),
    "qc": ("qc",),
}


@dataclass(frozen=True)
class Need:
    """Peak memory of one step in bytes."""

    driver: int
    worker: int
    """One worker process; 0 where threads of the driver do the work."""
    workers: int
    """Worker processes."""
    parts: Mapping[str, int]
    """All tasks at once of each stage; what the driver keeps of all blocks is ``blocks``."""

    @property
    def total(self) -> int:
        """All processes together."""
        return self.driver + self.workers * self.worker

    @property
    def largest(self) -> str:
        """Part that needs most."""
        return max(self.parts, key=lambda name: self.parts[name])


def need(
    extent: Extent, settings: Settings, blocks: Blocks, compute: Compute, workers: int, step: str
) -> Need:
    """Predict the peak memory of a step.

    Parameters
    ----------
    extent : Extent
        The image that needs most.
    settings : Settings
    blocks : Blocks
    compute : Compute
    workers : int
        Tasks at once.
    step : str
        A key of STEPS.
    """
    at_once = {
        stage: min(extent.batch * number, workers)
        for stage, number in tasks(extent, settings, blocks).items()
    }
    chunks = DECODED * extent.chunk * extent.voxel
    one = {stage: STAGES[stage](extent, settings, blocks) + chunks for stage in STEPS[step]}
    read = (AHEAD - 1) * extent.afar * _read_ahead(extent, settings, blocks)
    one = {stage: size + read for stage, size in one.items()}
    cache = min(BUDGET_BYTES, extent.size) if _grid(extent, blocks) > 1 else 0
    kept = extent.batch * extent.shape[0] * _grid(extent, blocks) * len(settings.objects) * TASK
    parts = {stage: at_once[stage] * size for stage, size in one.items()} | {"blocks": kept}
    if not compute.processes:
        working = THREADS + cache + kept + max(parts[s] for s in one)
        return Need(max(LOADING, working), 0, 0, parts)
    driver = DRIVER + _row(extent, blocks) * ROW + kept
    return Need(driver, WORKER + cache + max(one.values()), workers, parts)


def tasks(extent: Extent, settings: Settings, blocks: Blocks) -> dict[str, int]:
    """Tasks of an image by stage; blocks without objects are not measured."""
    frames, grid = extent.shape[0], _grid(extent, blocks)
    shards = len(label_shards(extent.space))
    found = _segmented(settings)
    slabs = -(-prod(extent.space) // _slab(extent))
    paired = sum(not s.segmenter.keeps_ids for s in found) if grid > 1 else 0
    return {
        # A small image is looked at by the task that fits.
        "look": frames * len(found) * slabs * (slabs > 1),
        "fit": frames * len(found),
        "segment": frames * grid * len(found),
        "pair": frames * grid * paired,
        "write": frames * shards * len(settings.objects),
        "measure": frames * grid,
        "qc": frames,
    }


def _read_ahead(extent: Extent, settings: Settings, blocks: Blocks) -> int:
    """Pixels and labels of a block that waits for a core."""
    halos = [(0, 0, 0), *(_halo(extent, spec) for spec in _segmented(settings))]
    z, y, x = (max(sizes) for sizes in zip(*halos, strict=True))
    box = prod(read_box(extent, blocks, (z, y, x)))
    return box * (extent.shape[1] * extent.voxel + LABEL)


def _row(extent: Extent, blocks: Blocks) -> int:
    """Blocks whose objects are listed at a time: a row, of a volume a layer."""
    _, y, x = Grid(extent.space, _core(blocks)).counts
    return x if extent.space[0] == 1 else y * x


def whole(extent: Extent, blocks: Blocks) -> bool:
    """Whether an image is one block."""
    return _grid(extent, blocks) == 1


def _grid(extent: Extent, blocks: Blocks) -> int:
    return len(Grid(extent.space, _core(blocks)))


def read_box(extent: Extent, blocks: Blocks, halo: Index) -> Index:
    """Largest box that a block reads, along z, y, x."""
    sizes = zip(extent.space, _core(blocks), halo, strict=True)
    z, y, x = (min(n, s + 2 * h) for n, s, h in sizes)
    return z, y, x


def _core(blocks: Blocks) -> Index:
    return blocks.depth, blocks.size, blocks.size


def _segmented(settings: Settings) -> list[Segmented]:
    return [spec for spec in settings.objects.values() if isinstance(spec, Segmented)]


def _halo(extent: Extent, spec: Segmented) -> Index:
    """Halo before anything is fitted; what is fitted may change it."""
    z, y, x = spec.segmenter.halo(extent.spacing_um)
    deep = int(np.ceil(spec.halo_px * extent.spacing_um[2] / extent.spacing_um[0]))
    return max(z, deep), max(y, spec.halo_px), max(x, spec.halo_px)


def _slab(extent: Extent) -> int:
    """Voxels of the largest slab that the overview is made of."""
    depth, _, width = extent.space
    cell = factors(extent.space, extent.spacing_um)
    deep = min(depth, max(1, SLAB_DEPTH // cell[0]) * cell[0])
    return min(prod(extent.space), max(SLAB_VOXELS, deep * cell[1] * width))


def _look(extent: Extent, settings: Settings, _blocks: Blocks) -> int:
    return _slab(extent) * extent.voxel * _channels(settings)


def _channels(settings: Settings) -> int:
    """Most channels that one object set is made of."""
    return max((len(spec.channels) for spec in _segmented(settings)), default=1)


def _fit(extent: Extent, settings: Settings, _blocks: Blocks) -> int:
    cell = factors(extent.space, extent.spacing_um)
    seen = prod(n // c for n, c in zip(extent.space, cell, strict=True))
    temporary = max((s.segmenter.voxel_bytes for s in _segmented(settings)), default=0.0)
    whole = prod(extent.space)
    looked = whole if _slab(extent) == whole else 0
    voxel = extent.voxel * _channels(settings)
    return int(looked * voxel + seen * (2 * voxel + temporary))


def _segment(extent: Extent, settings: Settings, blocks: Blocks) -> int:
    most = 0.0
    for spec in _segmented(settings):
        box = prod(read_box(extent, blocks, _halo(extent, spec)))
        seeds = LABEL if spec.segmenter.keeps_ids else 0
        pixels = extent.voxel * len(spec.channels)
        whole = box * (pixels + seeds + spec.segmenter.voxel_bytes) + spec.segmenter.base_bytes
        most = max(most, whole)
    return int(most)


def _pair(extent: Extent, settings: Settings, blocks: Blocks) -> int:
    most = 0
    for spec in (s for s in _segmented(settings) if not s.segmenter.keeps_ids):
        halo = _halo(extent, spec)
        box = read_box(extent, blocks, halo)
        # Only along an axis with several blocks is there a face between two.
        faces = [
            prod(box) // n * min(n, 2 * h)
            for n, h, core, whole in zip(box, halo, _core(blocks), extent.space, strict=True)
            if core < whole
        ]
        most = max(most, *faces, 0)
    return most * PAIRED


def _write(extent: Extent, settings: Settings, _blocks: Blocks) -> int:
    specs = settings.objects.values()
    each = [WRITTEN if isinstance(s, Segmented) else SUBTRACTED for s in specs]
    return prod(label_shards(extent.space).size) * max(each, default=0)


def _measure(extent: Extent, settings: Settings, blocks: Blocks) -> int:
    halos = [_halo(extent, spec) for spec in _segmented(settings)]
    families: tuple[Feature, ...] = tuple(settings.features)
    reach = max((f.reach() for f in families), default=0)
    z, y, x = (max((h[axis] for h in halos), default=0) + reach for axis in range(3))
    # Objects reach beyond the block that owns them, by less than the halo.
    box = prod(read_box(extent, blocks, (z, y, x)))
    extra = max((f.voxel_bytes for f in families), default=0.0)
    return int(box * (extent.shape[1] * extent.voxel + KEPT + extra))


def _qc(extent: Extent, _settings: Settings, _blocks: Blocks) -> int:
    tile = prod(min(n, t) for n, t in zip(extent.space, TILE, strict=True))
    return tile * (extent.voxel + JUDGED)


STAGES = {
    "look": _look,
    "fit": _fit,
    "segment": _segment,
    "pair": _pair,
    "write": _write,
    "measure": _measure,
    "qc": _qc,
}
