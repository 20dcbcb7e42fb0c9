"""Where a dataset is cut into batches: by number of images, or by what they cost.

In: the images' voxels or costs, in plate order. Out: the number of images of each batch, in order.
Pure, and the same on every machine: costs are whole numbers.
"""

from collections.abc import Sequence

import numpy as np

from voxelmill.batch import LARGE_VOXELS


def by_count(voxels: Sequence[int], most: int) -> list[int]:
    """Cut after every `most` images; large images are batches of their own.

    Parameters
    ----------
    voxels : sequence of int
        t·z·y·x of each image.
    most : int
        Most images in one batch.
    """
    sizes: list[int] = []
    alone = True
    for number in voxels:
        large = number >= LARGE_VOXELS
        if large or alone or sizes[-1] >= most:
            sizes.append(0)
        sizes[-1] += 1
        alone = large
    return sizes


def by_cost(costs: Sequence[int], most: int) -> list[int]:
    """Cut into as few batches as can be, and these as even as can be.

    Parameters
    ----------
    costs : sequence of int
        Cost of each image.
    most : int
        Most that a batch may cost; an image that costs more is a batch of its own.

    Notes
    -----
    `starts[r]` is the first image from which on `r` batches suffice. Each batch ends where what is
    left would be even, as far as the batches that are left can hold it.
    """
    most = max(1, most)
    each = np.clip(np.asarray(costs, np.int64), 1, most)
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(each)])
    starts = [each.size]
    while starts[-1]:
        starts.append(int(np.searchsorted(sums, sums[starts[-1]] - most)))
    sizes, at = [], 0
    for left in range(len(starts) - 1, 0, -1):
        goal = int(sums[at]) + (int(sums[-1] - sums[at]) + left // 2) // left
        end = int(np.searchsorted(sums, goal))
        end -= int(goal - sums[end - 1] < sums[end] - goal)
        last = int(np.searchsorted(sums, sums[at] + most, side="right")) - 1
        end = min(max(end, starts[left - 1], at + 1), last)
        sizes.append(end - at)
        at = end
    return sizes


def names(number: int) -> list[str]:
    """Names of so many batches: 0000, 0001 …; they sort as they are numbered."""
    width = max(4, len(str(number)))
    return [f"{i:0{width}d}" for i in range(number)]
