"""How a label image is cut into levels, shards and chunks: a function of the image's shape only.

Block sizes, workers and storage chunks of the input never enter, so the files are byte for byte the
same whatever computed them. Pure: no files.

    level 0   ├──────── shard ────────┼──────── shard ────────┤    unit of writing
    level 1   ├── shard ──┼── shard ──┤                            shard / 2
    level 2   ├shard┼shard┤                                        shard / 4
    level 3   ├── one ──┤                                          below one chunk: *coarse*

A shard of a level covers exactly what one shard of level 0 covers, so two level-0 shards never
write the same file. Where that would be smaller than a chunk, the level is *coarse*: one task
derives it from the level above when all shards are there. An image of one shard has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import BadInput, Index

SHARD_VOXELS = 1 << 24
"""Largest shard, 64 MiB of int32: what one writer holds in memory."""
SHARD_EDGE = 4096
"""Longest edge of a shard along y and x: a 32 768 x 32 768 image is 260 files, pyramid included."""
SHARD_DEPTH = 64
CHUNK_DEPTH = 32
THIN_DEPTH = 8
"""Up to so many planes a chunk may be 512 wide; thicker ones are 256."""
SMALLEST_LEVEL = 256


@dataclass(frozen=True)
class Level:
    """One resolution of a label image, along z, y, x.

    `factor` is its stride in level 0; `coarse` levels are not written shard by shard.
    """

    shape: Index
    factor: Index
    chunk: Index
    shard: Index
    coarse: bool

    def covered(self, box: Box) -> Box:
        """Region of this level whose samples lie in `box` of level 0."""
        edges = zip(box.start, box.stop, self.factor, self.shape, strict=True)
        spans = [(-(-a // f), min(-(-b // f), n)) for a, b, f, n in edges]
        (z0, z1), (y0, y1), (x0, x1) = spans
        return Box((z0, y0, x0), (z1, y1, x1))

    def step_from(self, above: "Level") -> Index | None:
        """Stride that leads from `above` to this level; None where it is not a whole number."""
        steps = [divmod(f, g) for f, g in zip(self.factor, above.factor, strict=True)]
        return None if any(rest for _, rest in steps) else _triple([step for step, _ in steps])


def halved(shape: Index) -> list[Index]:
    """Level shapes of the default pyramid: y and x halved, rounding up, until both are ≤ 256."""
    shapes = [shape]
    while max(shapes[-1][1:]) > SMALLEST_LEVEL:
        z, y, x = shapes[-1]
        shapes.append((z, -(-y // 2), -(-x // 2)))
    return shapes


def label_levels(shape: Index, shapes: Sequence[Index] | None = None) -> list[Level]:
    """Lay out all levels of a label image.

    Parameters
    ----------
    shape : tuple of int
        Full-resolution extent along z, y, x.
    shapes : sequence of tuple of int, optional
        Extents of the image's own levels, full resolution first. Followed where each is `shape`
        over a whole number (rounded either way); otherwise the default pyramid is taken.

    Raises
    ------
    BadInput
        The first of `shapes` is not `shape`.
    """
    if shapes and tuple(shapes[0]) != tuple(shape):
        raise BadInput(
            f"labels: first level has shape {tuple(shapes[0])}; the image has {tuple(shape)}. "
            "Give the levels with full resolution first."
        )
    wanted = list(shapes or halved(shape))
    factors = _factors(wanted)
    if factors is None:
        wanted = halved(shape)
        factors = _factors(wanted) or []
    return [_level(shape, s, f) for s, f in zip(wanted, factors, strict=True)]


def label_shards(shape: Sequence[int]) -> Grid:
    """Units of writing of a label image of `shape` (its last three axes are z, y, x)."""
    z, y, x = shape[-3:]
    return Grid((z, y, x), _base((z, y, x)))


def _factors(shapes: Sequence[Index]) -> list[Index] | None:
    """Stride of each level in the first; None where one is not a whole number.

    Taken from level to level: 79 rows of 5000 could be a stride of 63 or 64, but 79 of 157 cannot.
    """
    found = [(1, 1, 1)]
    for above, shape in pairwise(shapes):
        steps = [max(1, round(n / m)) for n, m in zip(above, shape, strict=True)]
        factor = _triple([f * s for f, s in zip(found[-1], steps, strict=True)])
        for n, m, f in zip(shapes[0], shape, factor, strict=True):
            if not n // f <= m <= -(-n // f):
                return None
        found.append(factor)
    return found


def _level(full: Index, shape: Index, factor: Index) -> Level:
    base = _base(full)
    chunk, shard, coarse = [0, 0, 0], [0, 0, 0], False
    chunks, edges = _chunk(shape), _base(shape)
    for axis in range(3):
        chunk[axis], shard[axis] = chunks[axis], edges[axis]
        if base[axis] >= full[axis]:
            continue
        part, rest = divmod(base[axis], factor[axis])
        if rest or part % chunks[axis]:
            coarse = True
        else:
            shard[axis] = part
    if coarse:
        shard = list(edges)
    return Level(shape, factor, _triple(chunk), _triple(shard), coarse)


def _chunk(shape: Index) -> Index:
    z, y, x = shape
    edge = 512 if z <= THIN_DEPTH else 256
    return min(z, CHUNK_DEPTH), min(y, edge), min(x, edge)


def _base(shape: Index) -> Index:
    """Shard of a level that stands alone: at most SHARD_VOXELS, whole chunks, no larger than it."""
    chunk = _chunk(shape)
    depth = min(-(-shape[0] // chunk[0]) * chunk[0], SHARD_DEPTH)
    edge = SHARD_EDGE
    while depth * edge * edge > SHARD_VOXELS:
        edge //= 2
    y, x = (min(-(-n // c) * c, edge) for n, c in zip(shape[1:], chunk[1:], strict=True))
    return depth, y, x


def _triple(values: Sequence[int]) -> Index:
    z, y, x = values
    return z, y, x
