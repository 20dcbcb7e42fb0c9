"""Objects found against objects known, by a dense table of all pairs: slow, and easy to check.

In: two label images of one shape. Out: counts from which F1, average precision, splits, merges and
the count error follow. It is what ``voxelmill.agreement`` is tested against.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from voxelmill.agreement import Counts, pool

__all__ = ["THRESHOLDS", "Counts", "compare", "overlaps", "pool"]

Labels = NDArray[np.integer]
Table = NDArray[np.float64]

THRESHOLDS = tuple(0.5 + 0.05 * i for i in range(10))
"""Intersection over union 0.50, 0.55 … 0.95."""
PART = 0.5
"""An object lies in another if more than this share of it does."""
SLIVER = 0.1
"""Parts smaller than this share of the other object are no splits or merges."""


def overlaps(truth: Labels, found: Labels) -> tuple[Table, Table, Table]:
    """Voxels that objects share, and their sizes.

    Returns
    -------
    shared : (t, f) float64 array
    sizes_truth : (t,) float64 array
    sizes_found : (f,) float64 array
    """
    _, a = np.unique(np.append(0, truth.ravel()), return_inverse=True)
    _, b = np.unique(np.append(0, found.ravel()), return_inverse=True)
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    flat = a[1:].astype(np.int64) * columns + b[1:]
    table = np.bincount(flat, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    return table[1:, 1:], table[1:].sum(axis=1), table[:, 1:].sum(axis=0)


def compare(truth: Labels, found: Labels) -> Counts:
    """Match the objects of one image; 0 is background."""
    shared, of_truth, of_found = overlaps(truth, found)
    union = of_truth[:, None] + of_found[None] - shared
    iou = shared / np.maximum(union, 1)
    matched = tuple(_matches(iou, t) for t in THRESHOLDS)
    inside = (shared > PART * of_found[None]) & (shared > SLIVER * of_truth[:, None])
    around = (shared > PART * of_truth[:, None]) & (shared > SLIVER * of_found[None])
    return Counts(
        truth=of_truth.size,
        found=of_found.size,
        matched=matched,
        splits=int((inside.sum(axis=1) > 1).sum()),
        merges=int((around.sum(axis=0) > 1).sum()),
    )


def _matches(iou: Table, threshold: float) -> int:
    """Size of the largest one-to-one matching of pairs at or above `threshold`."""
    good = iou >= threshold - 1e-9
    if not good.any():
        return 0
    rows, columns = linear_sum_assignment(np.where(good, 1 + iou, 0), maximize=True)
    return int(good[rows, columns].sum())
