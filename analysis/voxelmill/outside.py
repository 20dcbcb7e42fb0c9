"""What the promise does not cover: objects longer than the halo, which a seam may have cut.

In: the layouts of two runs that differ. Out: how many objects are flagged, and whether all that
differs hangs together with one of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voxelmill.blocks import Box
from voxelmill.layout import Layout
from voxelmill.stitch import groups
from voxelmill.store.labels import read_labels
from voxelmill.store.open import open_image
from voxelmill.tables import read_table

Ints = NDArray[np.int64]


def flagged(layout: Layout, batch: str, names: Sequence[str]) -> dict[int, Ints]:
    """Ids of objects of any of the sets `names` that are flagged, by time point."""
    index = read_table(layout.index(batch))
    picked = np.isin(np.asarray(index["set"], str), list(names)) & (index["seam"] > 0)
    t, ids = index["t"][picked], index["id"][picked]
    return {int(i): np.unique(ids[t == i]) for i in np.unique(t)}


def only_outside(one: Layout, other: Layout, name: str, flags: Sequence[dict[int, Ints]]) -> bool:
    """Whether the labels of one set differ only where flagged objects are.

    Parameters
    ----------
    one, other : Layout
    name : str
        Object set.
    flags : sequence of two mappings
        `flagged` of each run.
    """
    image = open_image(str(one.labels), f"labels/{name}")
    z, y, x = image.shape[2:]
    none = np.zeros(0, np.int64)
    for t in range(image.shape[0]):
        pair = [
            read_labels(str(layout.labels), "", name, t, Box((0, 0, 0), (z, y, x)))
            for layout in (one, other)
        ]
        if np.array_equal(pair[0], pair[1]):
            continue
        if not excused(pair[0], pair[1], *(f.get(t, none) for f in flags)):
            return False
    return True


def excused(one: NDArray[np.int32], other: NDArray[np.int32], left: Ints, right: Ints) -> bool:
    """Whether every group of objects that differs between two label images holds a flagged one.

    Objects of the two images belong to a group if they share voxels. A group of one and one that
    are equal does not differ, whatever its ids: an object more or less shifts all later ids.

    Parameters
    ----------
    one, other : (z, y, x) int32 array
        Labels that differ.
    left, right : (n,) int64 array
        Flagged ids of each.
    """
    n = int(one.max()) + 1
    size = n + int(other.max()) + 1
    seen = (one > 0) | (other > 0)
    pairs = np.unique(np.stack([one[seen], other[seen] + n]), axis=1).astype(np.int64)
    real = (pairs[0] > 0) & (pairs[1] > n)
    count, group = groups(pairs[:, real].T, size)
    # An object that is the same in both is in one pair; any other in several or with background.
    links = np.bincount(group[np.where(pairs[0] > 0, pairs[0], pairs[1])], minlength=count)
    lone = np.where(pairs[1] == n, pairs[0], pairs[1])[~real]
    differs = links > 1
    differs[group[lone]] = True
    holds = np.zeros(count, bool)
    holds[group[np.concatenate([left, right + n])]] = True
    return bool(differs.any() and not (differs & ~holds).any())
