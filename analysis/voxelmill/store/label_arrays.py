"""The zarr arrays of one label image: their metadata, and boxes of them in and out.

What ``labels`` stands on; here (z, y, x) meets the axes that the arrays on disk have.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import zarr
from zarr.abc.buffer import Buffer
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from voxelmill.blocks import Box, Grid
from voxelmill.plugin import Index, Labels, StoreUnavailable
from voxelmill.store.documents import local_store
from voxelmill.store.label_layout import Level, label_levels

LOST = -1
"""Fill value: what a voxel reads as when its chunk is not there."""

ZarrArray: TypeAlias = zarr.Array[Any]


def array_document(axes: str, times: int, level: Level) -> bytes:
    """Metadata (``zarr.json``) of one level, as zarr writes them."""
    of = {
        "shape": {"t": times, **dict(zip("zyx", level.shape, strict=True))},
        "chunks": {"t": 1, **dict(zip("zyx", level.chunk, strict=True))},
        "shards": {"t": 1, **dict(zip("zyx", level.shard, strict=True))},
    }
    shape, chunks, shards = (tuple(lengths[a] for a in axes) for lengths in of.values())
    files: dict[str, Buffer] = {}
    zarr.create_array(
        MemoryStore(files),
        shape=shape,
        chunks=chunks,
        shards=shards,
        dtype="int32",
        fill_value=LOST,
        compressors=ZstdCodec(level=1),
        dimension_names=list(axes),
    )
    return files["zarr.json"].to_bytes()


@dataclass(frozen=True)
class LabelArrays:
    """An opened label image."""

    place: Path
    arrays: tuple[ZarrArray, ...]
    levels: tuple[Level, ...]

    @classmethod
    def open(cls, place: Path) -> Self:
        """Open the label image in the folder `place`.

        Raises
        ------
        StoreUnavailable
            There is none, or not a whole one.
        """
        store = local_store(place)
        try:
            ome: Any = zarr.open_group(store, mode="r+", zarr_format=3).attrs["ome"]
            paths = [str(d["path"]) for d in ome["multiscales"][0]["datasets"]]
            arrays = [zarr.open_array(store, path=p, mode="r+", zarr_format=3) for p in paths]
        except (FileNotFoundError, KeyError) as e:
            raise StoreUnavailable(
                f"{place}: no label image, or not a whole one. Run the segment step again."
            ) from e
        shapes = [_spatial(a) for a in arrays]
        return cls(place, tuple(arrays), tuple(label_levels(shapes[0], shapes)))

    @property
    def times(self) -> int:
        """Number of time points."""
        array = self.arrays[0]
        return array.shape[0] if "t" in _names(array) else 1

    def put(self, level: int, t: int, box: Box, labels: Labels) -> int:
        """Write whole shards of one level anew; return the bytes they take."""
        files = self._files(level, t, box)
        for file in files:
            file.unlink(missing_ok=True)
        array = self.arrays[level]
        array[_selection(array, t, box, (1, 1, 1))] = labels.reshape(_kept(array, labels.shape))
        return sum(file.stat().st_size for file in files)

    def get(self, level: int, t: int, box: Box, step: Index = (1, 1, 1)) -> Labels:
        """Read a box of one level, or of the level that is it taken in strides of `step`.

        Raises
        ------
        StoreUnavailable
            A chunk is absent or damaged.
        """
        array = self.arrays[level]
        selection = _selection(array, t, box, step)
        try:
            found = np.asarray(array[selection], dtype=np.int32).reshape(box.shape)
        except (ValueError, RuntimeError, OSError) as e:
            raise self._damaged(level, box, str(e)) from e
        if found.min(initial=0) < 0:
            raise self._damaged(level, box, "a chunk is absent")
        return found

    def _damaged(self, level: int, box: Box, what: str) -> StoreUnavailable:
        line = what.splitlines()[0] if what else "unreadable"
        return StoreUnavailable(
            f"{self.place}/{level}: {line} in {box.start}-{box.stop}. Run the segment step again."
        )

    def _files(self, level: int, t: int, box: Box) -> list[Path]:
        array, plan = self.arrays[level], self.levels[level]
        folder = self.place / array.path
        names = _names(array)
        found = []
        for shard in Grid(plan.shape, plan.shard).touching(box):
            index = {"t": t, **dict(zip("zyx", shard.index, strict=True))}
            found.append(folder.joinpath("c", *(str(index[n]) for n in names)))
        return found


def _names(array: ZarrArray) -> tuple[str, ...]:
    return tuple(n or "" for n in getattr(array.metadata, "dimension_names", None) or ())


def _spatial(array: ZarrArray) -> Index:
    lengths = dict(zip(_names(array), array.shape, strict=True))
    return lengths.get("z", 1), lengths["y"], lengths["x"]


def _kept(array: ZarrArray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape (z, y, x) along the spatial axes that the array has."""
    return shape if "z" in _names(array) else shape[1:]


def _selection(array: ZarrArray, t: int, box: Box, step: Index) -> tuple[int | slice, ...]:
    of: dict[str, int | slice] = {"t": t}
    for axis, start, stop, stride in zip("zyx", box.start, box.stop, step, strict=True):
        of[axis] = slice(start * stride, (stop - 1) * stride + 1, stride)
    return tuple(of[n] for n in _names(array))
