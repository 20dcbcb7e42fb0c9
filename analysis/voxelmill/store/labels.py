"""Label images on disk, OME-Zarr 0.5: ``<root>/<image path>/labels/<name>``, int32, 0 = background.

In numbered stages; each may be repeated, by any process, and leaves the same bytes:

1. ``create_labels``: groups and empty arrays. Several processes may do so at once.
2. ``write_labels``, once for every time point and level-0 shard: that shard and its part of each
   pyramid level that is written by shards (see ``label_layout``). No two shards share a file.
3. ``write_coarse_labels``, once for every time point after stage 2: the remaining small levels.

Levels are strided samples (the top-left one), never interpolated. Background is written too and
the fill value is -1, so a chunk that is lost reads as -1 and is found, never taken for background.
"""

import hashlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from voxelmill.blocks import Box, Grid
from voxelmill.painter import Held, Painter
from voxelmill.plugin import BadInput, Index, Labels, Spacing
from voxelmill.store.documents import (
    check_axes,
    multiscales,
    write_bytes,
    write_group,
)
from voxelmill.store.label_arrays import LabelArrays, Tally, Written, forget_opened
from voxelmill.store.label_document import array_document
from voxelmill.store.label_layout import label_levels, label_shards
from voxelmill.store.place import Place, place_at


def create_labels(
    root: str,
    image_path: str,
    axes: str,
    shape: tuple[int, int, int, int, int],
    spacing_um: Spacing | None,
    names: Sequence[str],
    name: str,
    source: str,
    levels: Sequence[Index] | None = None,
) -> None:
    """Stage 1: create one label image of an image, its groups and its entry in ``labels``.

    Parameters
    ----------
    root, image_path : str
        Folder of the sidecar, or its s3:// address; path of the image in it ("" for a single one).
    axes : str
        Axes of the image, letters of ``tczyx`` in that order; ``c`` is left out, given or not.
    shape : tuple of int
        Extent of the image along t, c, z, y, x (1 where it has no such axis).
    spacing_um : tuple of float or None
        Voxel size along z, y, x in micrometres; None: unknown.
    names : sequence of str
        All label images that this image is to have: what ``labels`` lists.
    name : str
        The one to create.
    source : str
        Where the image is, seen from the label image's group: a relative path or a URL.
    levels : sequence of tuple of int, optional
        Extents of the image's levels along z, y, x, full resolution first; see ``label_levels``.

    Raises
    ------
    BadInput
        `axes`, `shape` or `levels` do not fit together.
    BadConfig
        Nothing can be written at `root`.
    """
    place = f"{root}/{image_path}/labels/{name}"
    own_axes = axes.replace("c", "")
    check_axes(own_axes, (shape[0], 1, *shape[2:]), place)
    plan = label_levels(shape[2:], levels)
    folder = place_at(root)
    for part in ("", *Path(image_path).parts):
        folder /= part
        write_group(folder, "0.5")
    write_group(folder / "labels", "0.5", {"labels": list(names)})
    scales = multiscales(
        own_axes, spacing_um, [p.factor for p in plan], "0.5", name=name, method="nearest"
    )
    label = {"version": "0.5", "source": {"image": source}}
    target = folder / "labels" / name
    for number, level in enumerate(plan):
        write_bytes(target / str(number) / "zarr.json", array_document(own_axes, shape[0], level))
    write_group(target, "0.5", {"multiscales": scales, "image-label": label})
    forget_opened()


def write_labels(
    root: str, image_path: str, name: str, t: int, box: Box, labels: Labels | Painter
) -> Written:
    """Stage 2: write whole level-0 shards, and what they cover of the other levels.

    Parameters
    ----------
    root, image_path, name : str
        As given to ``create_labels``.
    t : int
        Time point.
    box : Box
        Whole shards of ``label_shards``, one or several.
    labels : (z, y, x) int32 array or Painter
        Final ids of `box`, 0 = background.

    Returns
    -------
    Written
        Bytes and digest of the files, those of all levels together.

    Raises
    ------
    BadInput
        `box` cuts a shard or is not that of the array `labels`; or an id of the array is negative.
    StoreUnavailable
        The label image was not created.
    """
    place = _place(root, image_path, name)
    arrays = LabelArrays.open(place)
    shards = label_shards(arrays.levels[0].shape).touching(box)
    paint = labels if callable(labels) else _held(place, box, labels)
    if sum(s.core.size for s in shards) != box.size:
        raise BadInput(
            f"{place}: labels for {box.start}-{box.stop}; whole shards only. "
            "Take the boxes from label_shards."
        )
    tally = Tally()
    for shard in shards:
        arrays.put_shard(t, shard, paint, tally)
    return tally.written()


def write_coarse_labels(root: str, image_path: str, name: str, t: int) -> Written:
    """Stage 3: derive the levels that are too small for shards; none in small images.

    Also removes what killed writers of this time point left behind.

    Returns
    -------
    Written
        Bytes and digest of the files.

    Raises
    ------
    StoreUnavailable
        Stage 2 has not written all of the level above.
    """
    arrays = LabelArrays.open(_place(root, image_path, name))
    plan = arrays.levels
    tally = Tally()
    arrays.sweep(t)
    for number, level in enumerate(plan):
        if not level.coarse:
            continue
        above = max(i for i in range(number) if level.step_from(plan[i]))
        step = level.step_from(plan[above]) or (1, 1, 1)
        for shard in Grid(level.shape, level.shard):
            labels = arrays.get(above, t, shard.core, step)
            arrays.put(number, t, shard.core, labels, tally)
    return tally.written()


def read_labels(root: str, image_path: str, name: str, t: int, box: Box, level: int = 0) -> Labels:
    """Read a box of one level.

    Parameters
    ----------
    root, image_path, name : str
        As given to ``create_labels``.
    t : int
        Time point.
    box : Box
        Voxels of `level`, inside it.
    level : int
        Resolution, 0 = full.

    Returns
    -------
    (z, y, x) int32 array
        Ids, 0 = background.

    Raises
    ------
    StoreUnavailable
        There is no such label image, or a chunk of it is absent or damaged.
    """
    return LabelArrays.open(_place(root, image_path, name)).get(level, t, box)


def labels_digest(root: str, image_path: str, name: str) -> str:
    """Digest of what a label image says, whatever codec and chunks hold it.

    Returns
    -------
    str
        SHA-256 over shape and full-resolution ids (little-endian int32), one shard of
        ``label_shards`` after the other in raster order, time points outermost.

    Raises
    ------
    StoreUnavailable
        A chunk is absent or damaged.
    """
    arrays = LabelArrays.open(_place(root, image_path, name))
    shape = arrays.levels[0].shape
    digest = hashlib.sha256(f"int32{(arrays.times, *shape)}".encode())
    for t, shard in product(range(arrays.times), label_shards(shape)):
        labels = arrays.get(0, t, shard.core)
        digest.update(np.ascontiguousarray(labels, dtype="<i4").data)
    return digest.hexdigest()


def _place(root: str, image_path: str, name: str) -> Place:
    return place_at(root) / image_path / "labels" / name


def _held(place: Place, box: Box, labels: Labels) -> Held:
    if labels.shape != box.shape or labels.dtype != np.int32:
        raise BadInput(
            f"{place}: labels {labels.dtype} {labels.shape} for {box.start}-{box.stop}; "
            f"int32 {box.shape}. Renumber them, take the boxes from label_shards."
        )
    return Held(box, labels, str(place))
