"""The block geometry, once. Pure: no arrays of pixels, no files.

A block *writes* its core and *reads* its core plus a halo, clipped at the image:

        image                      0                                      shape
                                   ├──────────┬──────────┬──────────┬───────┤
        cores (tile the image)     │  core 0  │  core 1  │  core 2  │ core 3│
                                   └──────────┴──────────┴──────────┴───────┘
        read of block 1                  ╞════╪══════════╪════╡
                                         halo    core 1   halo
        overlap of 0 and 1               ╞═════════╡
                                         both have read it

Everything is along (z, y, x); time points and channels are loops around it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from voxelmill.plugin import Index


@dataclass(frozen=True)
class Box:
    """Half-open box of voxels, (z, y, x)."""

    start: Index
    stop: Index

    @property
    def shape(self) -> Index:
        """Extent along z, y, x; 0 where empty."""
        z, y, x = (max(0, b - a) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    @property
    def size(self) -> int:
        """Number of voxels."""
        z, y, x = self.shape
        return z * y * x

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index expression into an array of the whole image."""
        z, y, x = (slice(a, max(a, b)) for a, b in zip(self.start, self.stop, strict=True))
        return z, y, x

    def grow(self, halo: Index, bounds: "Box") -> "Box":
        """Grow by `halo` on all sides, clipped to `bounds`."""
        start = tuple(a - h for a, h in zip(self.start, halo, strict=True))
        stop = tuple(b + h for b, h in zip(self.stop, halo, strict=True))
        return Box(_index(start), _index(stop)).clip(bounds)

    def clip(self, other: "Box") -> "Box":
        """Intersection with `other` (may be empty)."""
        start = _index(max(a, b) for a, b in zip(self.start, other.start, strict=True))
        stop = _index(min(a, b) for a, b in zip(self.stop, other.stop, strict=True))
        return Box(start, stop)

    def within(self, outer: "Box") -> "Box":
        """Return the same box in coordinates that count from `outer`'s start."""
        start = _index(a - o for a, o in zip(self.start, outer.start, strict=True))
        stop = _index(b - o for b, o in zip(self.stop, outer.start, strict=True))
        return Box(start, stop)


@dataclass(frozen=True)
class Block:
    """One block of a grid: its place in the grid, what it writes and what it reads."""

    index: Index
    core: Box
    read: Box


@dataclass(frozen=True)
class Grid:
    """All blocks of an image of `shape`, with cores of `size` and a `halo`, along z, y, x."""

    shape: Index
    size: Index
    halo: Index = (0, 0, 0)

    @property
    def counts(self) -> Index:
        """Number of blocks along z, y, x; at least one."""
        return _index(max(1, -(-n // s)) for n, s in zip(self.shape, self.size, strict=True))

    def __len__(self) -> int:
        z, y, x = self.counts
        return z * y * x

    def __iter__(self) -> Iterator[Block]:
        z, y, x = self.counts
        return (self.block(i) for i in product(range(z), range(y), range(x)))

    def block(self, index: Index) -> Block:
        """Block at `index` of the grid."""
        bounds = Box((0, 0, 0), self.shape)
        start = _index(i * s for i, s in zip(index, self.size, strict=True))
        stop = _index(a + s for a, s in zip(start, self.size, strict=True))
        core = Box(start, stop).clip(bounds)
        return Block(index, core, core.grow(self.halo, bounds))

    def neighbours(self, index: Index) -> list[Index]:
        """Return the later blocks (in raster order) whose core touches that of `index`."""
        steps = [s for s in product((-1, 0, 1), repeat=3) if s > (0, 0, 0)]
        found = (_index(i + s for i, s in zip(index, step, strict=True)) for step in steps)
        return [n for n in found if all(0 <= i < c for i, c in zip(n, self.counts, strict=True))]

    def touching(self, box: Box) -> list[Block]:
        """Blocks whose core shares a voxel with `box`."""
        ranges = [
            range(a // s, min(c, -(-b // s)))
            for a, b, s, c in zip(box.start, box.stop, self.size, self.counts, strict=True)
        ]
        return [self.block((z, y, x)) for z, y, x in product(*ranges)]


def _index(values: "Iterator[int] | tuple[int, ...]") -> Index:
    z, y, x = values
    return z, y, x
