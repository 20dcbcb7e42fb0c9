"""Objects from a field of steps that lead every pixel to its object's centre (Cellpose).

In: steps in 1/4096 px, and which pixels take part. Out: labels. Positions are integers, so that
moving the image by whole pixels moves the result and changes nothing else: any block that holds an
object whole finds the same one. After Stringer et al. 2021, doi:10.1038/s41592-020-01018-x.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

BITS = 12
UNIT = 1 << BITS
LONGEST = 8
"""Pixels that a step may be long."""
MANY, SOME = 10, 2
"""Pixels that end on one: more make it a seed, more than SOME join it to a seed beside it."""
NEAR, ROUNDS = 2, 5
"""A seed is the largest within NEAR pixels, and grows ROUNDS pixels."""


def steps_from(flow: NDArray[np.float32], scale: float, inside: Mask) -> Int32:
    """Steps of a flow (2, y, x), times `scale`, in pixels; 0 outside."""
    far = np.clip(flow * np.float32(scale), -LONGEST, LONGEST) * np.float32(UNIT)
    steps: Int32 = np.rint(far).astype(np.int32)
    steps[:, ~inside] = 0
    return steps


def objects_of(steps: Int32, inside: Mask, rounds: int) -> Int32:
    """Label pixels by where they end.

    Parameters
    ----------
    steps : (2, y, x) int32 array
        Along y and x in 1/4096 px; see `steps_from`.
    inside : (y, x) bool array
        Pixels that belong to objects.
    rounds : int
        Steps that each pixel takes.

    Returns
    -------
    (y, x) int32 array
        1…n, 0 where nothing; an object may be in several pieces.
    """
    ends = _follow(steps, inside, rounds)
    counts = np.bincount(ends, minlength=inside.size).astype(np.int32).reshape(inside.shape)
    seeds = np.flatnonzero(_is_seed(counts))
    # Larger seeds come last and take what two could have; of equal ones the later in raster order.
    order = np.argsort(counts.ravel()[seeds], kind="stable")
    owner = _grow(counts, seeds[order])
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = owner.ravel()[ends]
    return labels


@kernel
def _follow(steps: Int32, inside: Mask, rounds: int) -> Int64:
    """Raster index of the pixel where each pixel inside ends, in raster order."""
    ny, nx = inside.shape
    half = np.int64(1 << (2 * BITS - 1))
    last_y, last_x = np.int64(ny - 1) << BITS, np.int64(nx - 1) << BITS
    ends = np.empty(inside.sum(), np.int64)
    n = 0
    for y in range(ny):
        for x in range(nx):
            if not inside[y, x]:
                continue
            py, px = np.int64(y) << BITS, np.int64(x) << BITS
            for _ in range(rounds):
                iy, ix, fy, fx = py >> BITS, px >> BITS, py & (UNIT - 1), px & (UNIT - 1)
                jy, jx = min(iy + 1, ny - 1), min(ix + 1, nx - 1)
                a, b = (UNIT - fy) * (UNIT - fx), (UNIT - fy) * fx
                c, d = fy * (UNIT - fx), fy * fx
                dy = a * steps[0, iy, ix] + b * steps[0, iy, jx]
                dy += c * steps[0, jy, ix] + d * steps[0, jy, jx]
                dx = a * steps[1, iy, ix] + b * steps[1, iy, jx]
                dx += c * steps[1, jy, ix] + d * steps[1, jy, jx]
                dy, dx = (dy + half) >> (2 * BITS), (dx + half) >> (2 * BITS)
                if dy == 0 and dx == 0:
                    break
                py = min(max(py + dy, np.int64(0)), last_y)
                px = min(max(px + dx, np.int64(0)), last_x)
            ends[n] = (py >> BITS) * nx + (px >> BITS)
            n += 1
    return ends


@kernel
def _is_seed(counts: Int32) -> Mask:
    """Pixels on which MANY end, no fewer than on any near one."""
    ny, nx = counts.shape
    found = np.zeros(counts.shape, np.bool_)
    for y in range(ny):
        for x in range(nx):
            if counts[y, x] > MANY:
                y0, y1 = max(0, y - NEAR), min(ny, y + NEAR + 1)
                x0, x1 = max(0, x - NEAR), min(nx, x + NEAR + 1)
                found[y, x] = counts[y0:y1, x0:x1].max() == counts[y, x]
    return found


@kernel
def _grow(counts: Int32, seeds: Int64) -> Int32:
    """Pixels that each seed takes, ROUNDS pixels far over those on which more than SOME end."""
    ny, nx = counts.shape
    owner = np.zeros(counts.shape, np.int32)
    size = 2 * ROUNDS + 1
    for k in range(seeds.size):
        y0, x0 = seeds[k] // nx - ROUNDS, seeds[k] % nx - ROUNDS
        taken = np.zeros((size + 2, size + 2), np.bool_)
        taken[ROUNDS + 1, ROUNDS + 1] = True
        for _ in range(ROUNDS):
            before = taken.copy()
            for i in range(size):
                for j in range(size):
                    y, x = y0 + i, x0 + j
                    if 0 <= y < ny and 0 <= x < nx and counts[y, x] > SOME:
                        taken[i + 1, j + 1] = before[i : i + 3, j : j + 3].any()
        for i in range(size):
            for j in range(size):
                if taken[i + 1, j + 1]:
                    owner[y0 + i, x0 + j] = k + 1
    return owner
