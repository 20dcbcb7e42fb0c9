"""Regions grown from seeds along the cheapest paths, in integer costs.

In: seeds, intensity and the mask to grow in, (z, y, x). Out: for each voxel of the mask the id of
the seed with the cheapest path to it, up to a largest cost. Dijkstra with one bucket for each cost
(Dial 1969).

A path's cost is the sum of its steps' costs, so a voxel's owner is decided by the seeds within the
largest cost alone, and of equally cheap ones the smaller id wins: nothing depends on the block.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.jit import kernel

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

NEVER = 2**30


def step_lengths(shape: tuple[int, ...], step: tuple[float, float, float]) -> Int64:
    """Offsets (z, y, x) to all neighbours, and the rounded length of each, (k, 4)."""
    depths = (-1, 0, 1) if shape[0] > 1 else (0,)
    rows = [
        (z, y, x, max(1, round(float(np.hypot(z * step[0], np.hypot(y * step[1], x * step[2]))))))
        for z in depths
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if (z, y, x) != (0, 0, 0)
    ]
    return np.array(rows, np.int64)


@kernel
def grow(
    seeds: Int32, image: Int32, mask: Mask, steps: Int64, per_unit: float, limit: int
) -> Int32:
    """Grow `seeds` over `mask`.

    Parameters
    ----------
    seeds : (z, y, x) int32 array
        Ids; 0 = to be filled. They are all kept.
    image : (z, y, x) int32 array
        Intensity; a step costs its length and the difference of intensity.
    mask : (z, y, x) bool array
        Where regions may grow.
    steps : (k, 4) int64 array
        Neighbours and the cost of reaching them: see `step_lengths`.
    per_unit : float
        Cost of one unit of difference in intensity.
    limit : int
        Largest cost of a path.

    Returns
    -------
    (z, y, x) int32 array
    """
    nz, ny, nx = seeds.shape
    owner = seeds.copy()
    cost = np.full(seeds.shape, NEVER, np.int32)
    head = np.full(limit + 1, -1, np.int64)
    size = 1024
    place, after = np.empty(size, np.int64), np.empty(size, np.int64)
    used = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if owner[z, y, x]:
                    cost[z, y, x] = 0
    for now in range(-1, limit + 1):
        entry = head[now] if now >= 0 else 0
        p = -1
        while True:
            if now < 0:
                p += 1
                if p == owner.size:
                    break
            else:
                if entry < 0:
                    break
                p = place[entry]
                entry = after[entry]
            z, y, x = p // (ny * nx), p // nx % ny, p % nx
            mine = owner[z, y, x]
            if mine == 0 or cost[z, y, x] != max(now, 0):
                continue
            for k in range(steps.shape[0]):
                i, j, m = z + steps[k, 0], y + steps[k, 1], x + steps[k, 2]
                if not (0 <= i < nz and 0 <= j < ny and 0 <= m < nx):
                    continue
                if not mask[i, j, m] or cost[i, j, m] <= now:
                    continue
                gap = abs(np.int64(image[i, j, m]) - image[z, y, x])
                price = max(now, 0) + steps[k, 3] + int(gap * per_unit)
                if price > limit or price > cost[i, j, m]:
                    continue
                if price == cost[i, j, m]:
                    owner[i, j, m] = min(owner[i, j, m], mine)
                    continue
                cost[i, j, m] = price
                owner[i, j, m] = mine
                if used == size:
                    place = np.append(place, np.empty(size, np.int64))
                    after = np.append(after, np.empty(size, np.int64))
                    size *= 2
                place[used] = (i * ny + j) * nx + m
                after[used] = head[price]
                head[price] = used
                used += 1
    return owner
