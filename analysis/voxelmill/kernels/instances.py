"""Objects from what a network says of every pixel: foreground, and where objects end or lie deep.

In: maps of one plane, as integers. Out: labels. Cores are what lies deep, each grown over the
foreground nearest to it. All is integer and of limited reach: any block that holds an object and
its surroundings whole finds the same one.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.kernels.components import components
from voxelmill.kernels.grow import grow, step_lengths
from voxelmill.kernels.holes import fill_holes

Float32: TypeAlias = NDArray[np.float32]
Int32: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]

UNIT = 1 << 12
LIMIT = 1 << 15
STEP = 16
"""Paths are measured in 1/16 px."""


def levels(values: Float32) -> Int32:
    """Values in 1/4096, rounded, between ±32768; NaN is 0."""
    clipped = np.clip(np.nan_to_num(values), -LIMIT, LIMIT)
    clipped *= np.float32(UNIT)
    return np.rint(clipped, out=clipped).astype(np.int32)


def above(level: Int32, threshold: float) -> Mask:
    """Where `level` (see `levels`) exceeds a threshold in the units of the values."""
    found: Mask = level > round(min(max(threshold, -LIMIT), LIMIT) * UNIT)
    return found


def instances(mask: Mask, core: Mask, far: int, hole: int, least: int) -> Int32:
    """Label the objects of a plane.

    Parameters
    ----------
    mask : (y, x) bool array
        Foreground.
    core : (y, x) bool array
        What lies deep in an object: pixels that share an edge are one object's. Only what is in
        `mask` counts.
    far : int
        Pixels that an object reaches beyond its core. What no core reaches is an object by itself.
    hole : int
        Largest hole that is filled in an object: its extent along y and x, in pixels.
    least : int
        Smallest object in pixels.

    Returns
    -------
    (y, x) int32 array
        1…n in raster order of the cores, then of what has none.
    """
    labels, count = components((mask & core)[None], False)
    labels = _nearest(labels, mask[None], far)
    rest, _ = components(mask[None] & (labels == 0), False)
    labels += np.where(rest > 0, rest + np.int32(count), rest)
    fill_holes(labels, hole * hole, (1, hole, hole))
    return kept(labels[0], np.bincount(labels.ravel(), minlength=1) >= least)


def kept(labels: Int32, keep: Mask) -> Int32:
    """Objects whose label `keep` (n + 1,) names, numbered 1… in the order of their labels."""
    ids = np.cumsum(keep[1:], dtype=np.int32)
    found: Int32 = np.append(np.int32(0), np.where(keep[1:], ids, 0))[labels].astype(np.int32)
    return found


def _nearest(seeds: Int32, mask: Mask, far: int) -> Int32:
    """Seeds grown `far` pixels over `mask`, each pixel to the seed with the shortest way."""
    # Of two equally near pixels the first in raster order wins; of two seeds it could not, since a
    # block that cuts a seed does not know where it begins.
    place = np.arange(1, seeds.size + 1, dtype=np.int32).reshape(seeds.shape)
    place[seeds == 0] = 0
    steps = step_lengths(seeds.shape, (STEP, STEP, STEP))
    # Steps over even ground: `per_unit` 0 leaves the intensity, here any array, out of account.
    owner = grow(place, place, mask, steps, 0.0, far * STEP)
    found: Int32 = np.append(np.int32(0), seeds)[owner]
    return found
