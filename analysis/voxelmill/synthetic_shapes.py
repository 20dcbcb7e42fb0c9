"""Where made-up nuclei lie and what outline they have: random numbers in, geometry out.

An outline is an ellipsoid whose radius varies with the angle in the plane. Its *depth* at a point
is 0 at the centre and 1 on the boundary; a point belongs to the object in which it lies deepest,
so neighbours abut instead of overlapping.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box
from voxelmill.plugin import Index, Labels

Floats = NDArray[np.float32]

WAVES = (2, 3, 4, 5)
"""Bumps of an outline per turn; 2 is a further elongation."""


@dataclass(frozen=True)
class Outlines:
    """Outlines of n objects; lengths in voxels.

    `centres` and `radii` are (n, 3) along z, y, x (`radii` before the rotation by `angles` (n,) in
    the plane); `bumps` and `phases` are (n, 4), relative amplitude and phase of ``WAVES``.
    """

    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    angles: NDArray[np.float64]
    bumps: NDArray[np.float64]
    phases: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.centres)

    def box(self, i: int, shape: Index) -> Box:
        """Voxels that object `i` may touch, within an image of `shape`."""
        reach = self.radii[i].copy()
        reach[1:] = self.radii[i, 1:].max() * (1 + np.abs(self.bumps[i]).sum())
        low = np.floor(self.centres[i] - reach - 1).astype(int)
        high = np.ceil(self.centres[i] + reach + 2).astype(int)
        whole = Box((0, 0, 0), shape)
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2])).clip(whole)

    def depth(self, i: int, box: Box) -> Floats:
        """Depth of object `i` at the voxels of `box`: below 1 inside."""
        edges = zip(box.start, box.stop, self.centres[i], strict=True)
        z, y, x = (np.arange(a, b, dtype=np.float32) - np.float32(c) for a, b, c in edges)
        y, x = y[:, None], x[None, :]
        cos, sin = np.float32(np.cos(self.angles[i])), np.float32(np.sin(self.angles[i]))
        along, across = cos * y + sin * x, cos * x - sin * y
        rz, ry, rx = self.radii[i].astype(np.float32)
        theta = np.arctan2(along, across)
        bump = np.ones_like(theta)
        for k, a, p in zip(WAVES, self.bumps[i], self.phases[i], strict=True):
            bump += np.float32(a) * np.cos(np.float32(k) * theta + np.float32(p))
        plane = ((along / ry) ** 2 + (across / rx) ** 2) / bump**2
        squared = plane[None] + (z[:, None, None] / rz) ** 2
        depth: Floats = np.sqrt(squared, dtype=np.float32)
        return depth


def outlines(
    rng: np.random.Generator,
    centres: NDArray[np.float64],
    radii: NDArray[np.float64],
    *,
    bumpiness: float,
    stretch: float = 0.25,
) -> Outlines:
    """Draw outlines around `centres` (n, 3) of mean radius `radii` (n, 3), in voxels.

    `stretch` is the largest excess of the long half axis in the plane; `bumpiness` the standard
    deviation of the relative amplitude of the slowest wave, faster ones have less.
    """
    n = len(centres)
    ratio = np.sqrt(1 + rng.uniform(0, stretch, n) * 2)
    scaled = radii * np.stack([np.ones(n), ratio, 1 / ratio], axis=1)
    spread = bumpiness * 2 / np.array(WAVES)
    bumps = np.clip(rng.normal(0, 1, (n, len(WAVES))) * spread, -0.2, 0.2)
    phases = rng.uniform(0, 2 * np.pi, (n, len(WAVES)))
    return Outlines(centres, scaled, rng.uniform(0, np.pi, n), bumps, phases)


def scatter(
    rng: np.random.Generator,
    shape: Index,
    radii: NDArray[np.float64],
    *,
    touching: float,
    gap: float = 1.3,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Place objects of `radii` (n, 3) at random; a share `touching` of them beside an earlier one.

    The others keep `gap` times the sum of radii from all earlier ones. Objects that find no place
    in 40 tries are left out.

    Returns
    -------
    centres : (m, 3) float64 array
        Along z, y, x in voxels.
    placed : (m,) integer array
        Which of the `radii` they are.
    """
    size = np.array(shape, dtype=np.float64)
    centres, placed = np.empty_like(radii), np.zeros(len(radii), dtype=np.intp)
    m = 0
    for i, radius in enumerate(radii):
        beside = m > 0 and rng.random() < touching
        near = 0.85 if beside else gap
        for _ in range(40):
            if beside:
                j = rng.integers(m)
                step = rng.normal(size=3) * (size > 1)
                step /= np.linalg.norm(step)
                point = centres[j] + step * (radius + radii[placed[j]]) * 0.92
            else:
                point = rng.uniform(0, size) if shape[0] > 1 else rng.uniform(0, size) * [0, 1, 1]
            if np.any(point < 0) or np.any(point > size - 1):
                continue
            apart = (centres[:m] - point) / (radius + radii[placed[:m]])
            if m == 0 or (apart**2).sum(axis=1).min() >= near**2:
                centres[m], placed[m] = point, i
                m += 1
                break
    return centres[:m].copy(), placed[:m].copy()


def draw(shapes: Outlines, shape: Index) -> tuple[Labels, Floats]:
    """Draw all outlines.

    Returns
    -------
    labels : (z, y, x) int32 array
        1 … n in the order of `shapes`, 0 = background. Hidden objects have no voxel.
    depth : (z, y, x) float32 array
        Depth in the object that owns the voxel; 1 outside.
    """
    labels = np.zeros(shape, dtype=np.int32)
    depth = np.ones(shape, dtype=np.float32)
    for i in range(len(shapes)):
        box = shapes.box(i, shape)
        own, here = shapes.depth(i, box), depth[box.slices]
        deeper = own < here
        here[deeper] = own[deeper]
        labels[box.slices][deeper] = i + 1
    return labels, depth
