"""Proof that the labels of an image are whole, and their facts for the record.

In: root, image and names of its label images, all written. Out: `Facts` of all their objects. A
store may say that it has taken an object and not have it: what is listed is compared with what the
metadata announce.
"""

from collections.abc import Iterator, Sequence

from voxelmill.plugin import StoreUnavailable
from voxelmill.store.label_arrays import LabelArrays
from voxelmill.store.place import Facts, Place, facts, listing, place_at


def label_facts(root: str, image_path: str, names: Sequence[str]) -> Facts:
    """List the labels of an image.

    Raises
    ------
    StoreUnavailable
        An object is absent or empty, or the store does not answer.
    """
    place = place_at(root) / image_path / "labels"
    found = listing(place)
    expected = [key for name in names for key in _keys(place, name)]
    lost = [key for key in expected if key not in found or not found[key].size]
    if lost:
        raise StoreUnavailable(
            f"{place}: {len(lost)} of {len(expected)} objects that were written are not there "
            f"(first: {lost[0]}). Run it again"
        )
    return facts(found)


def _keys(place: Place, name: str) -> Iterator[str]:
    arrays = LabelArrays.open(place / name)
    yield f"{name}/zarr.json"
    for path, array in zip(arrays.paths, arrays.arrays, strict=True):
        yield f"{name}/{path}/zarr.json"
        yield from (f"{name}/{path}/{array.key(index)}" for index in array.indices())
