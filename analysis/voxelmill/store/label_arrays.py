"""The arrays of one label image: their metadata, and boxes of them in and out.

What ``labels`` stands on; here (z, y, x) meets the axes that the arrays on disk have.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from voxelmill.blocks import Block, Box, Grid
from voxelmill.ngff.arrayinfo import ArrayInfo
from voxelmill.ngff.arrays import parse_array
from voxelmill.painter import Held, Painter
from voxelmill.plugin import Index, Labels, StoreUnavailable
from voxelmill.store.checks import Checks
from voxelmill.store.chunks import StoredArray
from voxelmill.store.documents import write_bytes
from voxelmill.store.label_layout import Level, label_levels
from voxelmill.store.objects import objects_at
from voxelmill.store.place import Place, StorePath
from voxelmill.store.remote import reason
from voxelmill.store.shard_file import Sample, encode_shard


@dataclass(frozen=True)
class Written:
    """What one call wrote: bytes, and the SHA-256 of the files' contents one after the other."""

    bytes: int
    digest: str


class Tally:
    """Counts what is written."""

    def __init__(self) -> None:
        self._bytes, self._sha256 = 0, hashlib.sha256()

    def add(self, content: bytes) -> None:
        """Count the content of one file."""
        self._bytes += len(content)
        self._sha256.update(content)

    def written(self) -> Written:
        """All so far."""
        return Written(self._bytes, self._sha256.hexdigest())


@dataclass(frozen=True)
class LabelArrays:
    """An opened label image."""

    place: Place
    paths: tuple[str, ...]
    arrays: tuple[ArrayInfo, ...]
    levels: tuple[Level, ...]

    @staticmethod
    def open(place: Place) -> "LabelArrays":
        """Open the label image at `place`, which may lie in an archive (see ``zipped``).

        Raises
        ------
        StoreUnavailable
            There is none, or not a whole one.
        """
        return _opened(place) if isinstance(place, StorePath) else _read(place)

    @property
    def times(self) -> int:
        """Number of time points."""
        array = self.arrays[0]
        return array.shape[0] if "t" in _names(array) else 1

    def put_shard(self, t: int, shard: Block, paint: Painter, tally: Tally) -> None:
        """Write one shard of level 0 and what it covers of all levels that are not coarse."""
        fine = [(n, v) for n, v in enumerate(self.levels) if n and not v.coarse]
        covered = {n: v.covered(shard.core) for n, v in fine}
        samples = [Sample(v.factor, np.empty(covered[n].shape, np.int32)) for n, v in fine]
        files = [self._encoded(0, t, shard, paint, samples)]
        for (number, _), sample in zip(fine, samples, strict=True):
            if sample.labels.size:
                files += self._shards(number, t, covered[number], sample.labels)
        self._write(files, tally)

    def put(self, level: int, t: int, box: Box, labels: Labels, tally: Tally) -> None:
        """Write whole shards of one level."""
        self._write(self._shards(level, t, box, labels), tally)

    def _shards(self, level: int, t: int, box: Box, labels: Labels) -> list[tuple[Place, bytes]]:
        plan = self.levels[level]
        paint = Held(box, labels, str(self.place))
        shards = Grid(plan.shape, plan.shard).touching(box)
        return [self._encoded(level, t, shard, paint) for shard in shards]

    def _encoded(
        self, level: int, t: int, shard: Block, paint: Painter, samples: Sequence[Sample] = ()
    ) -> tuple[Place, bytes]:
        """Where a shard lies, and its content."""
        plan = self.levels[level]
        content = encode_shard(paint, shard.core, plan.shard, plan.chunk, samples)
        return self._file(level, t, shard.index), content

    def _write(self, files: Sequence[tuple[Place, bytes]], tally: Tally) -> None:
        """Write shards; each appears under its name when it is complete."""
        objects_at(str(self.place)).each(lambda file: write_bytes(*file), files)
        for _, content in files:
            tally.add(content)

    def sweep(self, t: int) -> None:
        """Remove what killed writers of time point `t` left; none may be at work."""
        if not isinstance(self.place, Path):
            # An object is there whole or not at all.
            return
        for level, path in enumerate(self.paths):
            folder = self.place / path / "c"
            if "t" in _names(self.arrays[level]):
                folder /= str(t)
            for partial in folder.rglob(".*.partial"):
                partial.unlink(missing_ok=True)

    def get(self, level: int, t: int, box: Box, step: Index = (1, 1, 1)) -> Labels:
        """Read a box of one level, or of the level that is it taken in strides of `step`.

        Raises
        ------
        StoreUnavailable
            A chunk is absent or damaged.
        """
        array = self.arrays[level]
        picks = {"t": range(t, t + 1)}
        for axis, start, stop, stride in zip("zyx", box.start, box.stop, step, strict=True):
            picks[axis] = range(start * stride, (stop - 1) * stride + 1, stride)
        checks = Checks(array, self.paths[level], str(self.place), sparse=False)
        where = f"in {box.start}-{box.stop}. Run the segment step again."
        try:
            stored = StoredArray(str(self.place), checks)
            found = np.asarray(stored.read([picks[n] for n in _names(array)]), dtype=np.int32)
        except StoreUnavailable as e:
            raise StoreUnavailable(f"{str(e).partition(';')[0]} {where}") from e
        except (ValueError, RuntimeError, OSError) as e:
            raise StoreUnavailable(f"{self.place}/{level}: {reason(e)} {where}") from e
        if found.min(initial=0) < 0:
            raise StoreUnavailable(f"{self.place}/{level}: a chunk is absent {where}")
        return found.reshape(box.shape)

    def _file(self, level: int, t: int, shard: Index) -> Place:
        index = {"t": t, **dict(zip("zyx", shard, strict=True))}
        parts = (str(index[n]) for n in _names(self.arrays[level]))
        return self.place.joinpath(self.paths[level], "c", *parts)


def _read(place: Place) -> LabelArrays:
    objects = objects_at(str(place))
    try:
        ome = json.loads(objects.get("zarr.json") or b"")["attributes"]["ome"]
        paths = tuple(str(d["path"]) for d in ome["multiscales"][0]["datasets"])
        documents = objects.get_many([f"{path}/zarr.json" for path in paths])
        arrays = tuple(parse_array(d or b"", "0.5", str(place)) for d in documents)
    except (KeyError, ValueError) as e:
        raise StoreUnavailable(
            f"{place}: no label image, or not a whole one. Run the segment step again."
        ) from e
    shapes = [_spatial(a) for a in arrays]
    return LabelArrays(place, paths, arrays, tuple(label_levels(shapes[0], shapes)))


@lru_cache(maxsize=4096)
def _opened(place: StorePath) -> LabelArrays:
    return _read(place)


def forget_opened() -> None:
    """Read label images on a store anew: some are made anew."""
    _opened.cache_clear()


def _names(array: ArrayInfo) -> tuple[str, ...]:
    return tuple(n or "" for n in array.dimension_names or ())


def _spatial(array: ArrayInfo) -> Index:
    lengths = dict(zip(_names(array), array.shape, strict=True))
    return lengths.get("z", 1), lengths["y"], lengths["x"]
