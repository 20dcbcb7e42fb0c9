"""Neighbours of each object: how many lie within a distance, how much outline they touch.

In: labels with everything around the objects, and `Objects`. Out: counts.
"""

import math

import numpy as np

from voxelmill.kernels.jit import kernel
from voxelmill.kernels.measure import Floats, Ids, Ints, Objects
from voxelmill.plugin import Labels


def neighbours(labels: Labels, objects: Objects, distance: int) -> Ints:
    """Count neighbours and outline voxels.

    Parameters
    ----------
    labels : (z, y, x) int32 array
    objects : Objects
        All of `labels`.
    distance : int
        Between centres of voxels; up to half a voxel more counts as touching.

    Returns
    -------
    (n, 3) int64 array
        Objects within `distance`; outline voxels with another object within ``distance + 0.5``;
        outline voxels: those with a neighbour (of 8 in a plane, 26 in a volume) that is not of the
        object, as what lies beyond the array is not.
    """
    margin = (0 if objects.planar else distance, distance, distance)
    # With a margin no step can leave the array.
    padded = np.pad(np.asarray(labels, np.int32), [(m, m) for m in margin])
    _, ny, nx = padded.shape
    strides = np.array([ny * nx, nx, 1])
    steps = _steps(distance, objects.planar)
    ring = _steps(1, objects.planar, corners=True)[:, :3] @ strides
    return _neighbours(
        padded.reshape(-1),
        objects.runs + np.array([margin[0], margin[1], margin[2], margin[2]]),
        objects.first,
        objects.ids,
        strides,
        np.column_stack([steps[:, :3] @ strides, steps[:, 3]]),
        ring,
        distance * distance,
    )


def _steps(distance: int, planar: bool, *, corners: bool = False) -> Ints:
    """Offsets (m, 4): z, y, x and their squared length, up to ``distance + 0.5`` or a whole box."""
    around = np.arange(-distance, distance + 1)
    deep = around[distance : distance + 1] if planar else around
    z, y, x = (a.reshape(-1) for a in np.meshgrid(deep, around, around, indexing="ij"))
    square = z * z + y * y + x * x
    # (d + 1/2)^2 is d^2 + d and a quarter.
    near = (square > 0) & (corners | (square <= distance * distance + distance))
    found: Ints = np.column_stack([z, y, x, square])[near].astype(np.int64)
    return found


@kernel
def _neighbours(
    flat: Ids,
    runs: Ints,
    first: Ints,
    ids: Ids,
    strides: Ints,
    steps: Ints,
    ring: Ints,
    within: int,
) -> Ints:
    out = np.zeros((ids.size, 3), np.int64)
    known = np.empty(64, np.int32)
    for i in range(ids.size):
        count = 0
        for r in range(first[i], first[i + 1]):
            row = runs[r, 0] * strides[0] + runs[r, 1] * strides[1]
            for at in range(row + runs[r, 2], row + runs[r, 3]):
                if not _on_outline(flat, at, ring):
                    continue
                touched, last = False, ids[i]
                for s in range(steps.shape[0]):
                    other = flat[at + steps[s, 0]]
                    if other == 0 or other == ids[i]:
                        continue
                    touched = True
                    if other != last and steps[s, 1] <= within:
                        last = other
                        if not _among(known, count, other):
                            if count == known.size:
                                known = np.append(known, known)
                            known[count] = other
                            count += 1
                out[i, 1] += touched
                out[i, 2] += 1
        out[i, 0] = count
    return out


@kernel
def _on_outline(flat: Ids, at: int, ring: Ints) -> bool:
    different = False
    for step in ring:
        different |= flat[at + step] != flat[at]
    return different


@kernel
def _among(known: Ids, count: int, label: np.int32) -> bool:
    found = False
    for k in range(count):
        found |= known[k] == label
    return found


@kernel
def angles(first: Floats, second: Floats) -> Floats:
    """Angle in degrees between two vectors a row, (n, 3) each; NaN where one has no length."""
    out = np.empty(first.shape[0])
    for i in range(first.shape[0]):
        dot = one = two = 0.0
        for axis in range(3):
            dot += first[i, axis] * second[i, axis]
            one += first[i, axis] * first[i, axis]
            two += second[i, axis] * second[i, axis]
        lengths = math.sqrt(one * two)
        cosine = dot / lengths if lengths > 0 else math.nan
        out[i] = math.degrees(math.acos(min(1.0, max(-1.0, cosine)))) if lengths > 0 else math.nan
    return out
