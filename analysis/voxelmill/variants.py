"""Ways of running one and the same job: block size x storage x workers x threads or processes.

Results must not depend on any of the four. In: the values to try. Out: variants such that every
pair of values occurs together in one of them, those that are needed to see every value first.
Pure: nothing is run here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from voxelmill.blocks import Grid
from voxelmill.execution import Blocks
from voxelmill.plugin import Index

Values = tuple[Blocks, str, int, bool]

LEAST_BLOCK = 16
MOST_READ = 5.0
"""Voxels that blocks of a tried size read, halos included, at most, per voxel of the image."""


@dataclass(frozen=True)
class Variant:
    """One way of running."""

    blocks: Blocks
    storage: str
    workers: int
    processes: bool

    @property
    def values(self) -> Values:
        """All four, in one order."""
        return self.blocks, self.storage, self.workers, self.processes

    @property
    def crew(self) -> str:
        """The workers in words."""
        one, more = ("process", "processes") if self.processes else ("thread", "threads")
        return f"{self.workers} {one if self.workers == 1 else more}"

    def label(self, deep: bool) -> str:
        """The variant in a few words; `deep`: the image has planes."""
        return f"blocks of {shown(self.blocks, deep)}, {self.storage}, {self.crew}"


def shown(blocks: Blocks, deep: bool) -> str:
    """A block size as text: ``128``, in volumes ``16 x 128``."""
    return f"{blocks.depth} x {blocks.size}" if deep else str(blocks.size)


def every(
    blocks: Sequence[Blocks], storages: Sequence[str], workers: Sequence[int]
) -> list[Variant]:
    """All combinations, grouped by the kind and number of workers."""
    crews = product((False, True), workers)
    return [Variant(b, s, n, p) for p, n in crews for b in blocks for s in storages]


def covering(variants: Sequence[Variant]) -> tuple[list[Variant], list[Variant]]:
    """Choose few of `variants` that together hold every pair of values that occurs.

    What adds most is taken next, the first of several: the choice is always the same.

    Returns
    -------
    must, more : list of Variant
        The first hold every single value, the second the pairs that these leave out. Both are
        sorted by workers, so that one set of workers serves several.
    """
    values, pairs = _parts(variants, 1), _parts(variants, 2)
    chosen: tuple[list[Variant], list[Variant]] = ([], [])
    singles, doubles = set().union(*values), set().union(*pairs)
    while doubles:
        gains = [(len(v & singles), len(p & doubles)) for v, p in zip(values, pairs, strict=True)]
        best = gains.index(max(gains))
        chosen[0 if singles else 1].append(variants[best])
        singles -= values[best]
        doubles -= pairs[best]
    must, more = (sorted(part, key=lambda v: (v.processes, v.workers)) for part in chosen)
    return must, more


def _parts(variants: Sequence[Variant], size: int) -> list[set[object]]:
    return [set(combinations(enumerate(v.values), size)) for v in variants]


def read_share(shape: Index, blocks: Blocks, halo: Index) -> float:
    """Voxels that all blocks read, per voxel of the image: 1 for one block."""
    grid = Grid(shape, (blocks.depth, blocks.size, blocks.size), halo)
    z, y, x = shape
    return sum(block.read.size for block in grid) / (z * y * x)


def whole(shape: Index) -> Blocks:
    """One block that holds the image."""
    return Blocks(size=max(LEAST_BLOCK, *shape[1:]), depth=shape[0])


def block_sizes(shape: Index, halo: Index, number: int = 4) -> list[Blocks]:
    """Choose block sizes that cut an image in different places, large to small.

    Parameters
    ----------
    shape : tuple of int
        Image along z, y, x.
    halo : tuple of int
        Halo of the segmenter along z, y, x.
    number : int
        How many.

    Returns
    -------
    list of Blocks
        One divides the longer edge, the others do not; small ones as long as not too much is read.
    """
    edge, depth = max(shape[1:]), shape[0]
    shares = (0.5, 0.37, 0.61, 0.27, 0.19, 0.14, 0.1)
    tried = [
        Blocks(
            size=max(LEAST_BLOCK, -(-edge // 2) if share == 0.5 else int(edge * share) | 1),
            depth=max(1, round(depth * min(1.0, 2 * share))),
        )
        for share in shares
    ]
    sizes = list(dict.fromkeys(tried))
    cheap = [b for b in sizes[number - 1 :] if read_share(shape, b, halo) <= MOST_READ]
    kept = sizes[: number - 1] + (cheap[-1:] or sizes[number - 1 : number])
    return sorted(kept, key=lambda b: -b.size)
