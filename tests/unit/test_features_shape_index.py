"""The index of objects that all families measure, against a search voxel by voxel."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from feature_scenes import blobs, one_of_each, volume
from voxelmill.kernels.measure import index_objects


def noise(shape: tuple[int, int, int], top: int, fill: float) -> NDArray[np.int32]:
    rng = np.random.default_rng(8)
    labels = rng.integers(1, top, shape) * (rng.random(shape) < fill)
    return labels.astype(np.int32)


SCENES = {
    "blobs": blobs(),
    "one of each": one_of_each(),
    "volume": volume(),
    "empty": np.zeros((2, 3, 4), np.int32),
    "no voxels": np.zeros((1, 0, 4), np.int32),
    "full": np.full((2, 3, 33), 2**31 - 1, np.int32),
    "more runs than room": noise((3, 20, 37), 4, 0.9),
    "large ids": noise((2, 9, 50), 2**31 - 1, 0.7),
}


def runs_of(mask: NDArray[np.bool_]) -> list[list[int]]:
    found = []
    for z, y in np.argwhere(mask.any(axis=2)).tolist():
        padded = np.pad(mask[z, y], 1).astype(int)
        starts, stops = np.flatnonzero(np.diff(padded) > 0), np.flatnonzero(np.diff(padded) < 0)
        found += [[z, y, int(a), int(b)] for a, b in zip(starts, stops, strict=True)]
    return found


@pytest.mark.parametrize("name", SCENES)
def test_objects_are_found_as_a_search_finds_them(name: str) -> None:
    labels = SCENES[name]
    objects = index_objects(labels)
    expected = np.unique(labels[labels > 0])
    assert objects.ids.dtype == np.int32
    np.testing.assert_array_equal(objects.ids, expected)
    assert objects.shape == labels.shape
    assert objects.first.size == expected.size + 1
    for i, (a, b) in enumerate(pairwise(objects.first.tolist())):
        mask = labels == expected[i]
        places = np.argwhere(mask)
        assert objects.runs[a:b].tolist() == runs_of(mask)
        assert objects.low[i].tolist() == places.min(axis=0).tolist()
        assert objects.high[i].tolist() == (places.max(axis=0) + 1).tolist()
        assert objects.sizes[i] == len(places)


def test_negative_labels_are_no_objects() -> None:
    labels = np.array([[[-3, -3, 4, 4, -1, 4, 0, 2]]], np.int32)
    objects = index_objects(labels)
    assert objects.ids.tolist() == [2, 4]
    assert objects.runs[:, 2:].tolist() == [[7, 8], [2, 4], [5, 6]]
