"""The Python API on Dask arrays: open an image, segment it, measure it, in any Dask client.

The same engine, kernels and ids as the workflow's; what the workflow reads from a configuration
is given here as objects.
"""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from voxelmill.arrayends import ArraySource, FileSource, LabelArray, SourceArray
from voxelmill.blocks import Grid
from voxelmill.ends import Source, StoreSource, StoreTarget
from voxelmill.engine import Engine, Result
from voxelmill.execution import Blocks, Compute
from voxelmill.factory import feature
from voxelmill.features import Feature, check_features
from voxelmill.jointable import join
from voxelmill.ledger import Ledger
from voxelmill.measurement import MeasureTask, measure_block
from voxelmill.objectsets import Segmented
from voxelmill.ownership import Owners
from voxelmill.plugin import Array, BadInput, Spacing
from voxelmill.progress import Progress
from voxelmill.run import Pool, lazy, pool
from voxelmill.segmenters import Segmenter
from voxelmill.stages import Frame
from voxelmill.store.labels import create_labels
from voxelmill.store.read import open_image as open_store

CHUNK, DEPTH = 2048, 64
MADE = "_made"
"""Name of the object set that `segment` makes; no configuration can give this name to seeds."""


def open_image(url: str, path: str = "") -> xr.DataArray:
    """Open an OME-Zarr image lazily.

    Parameters
    ----------
    url : str
        Local path or http(s):// URL of an image, or of a dataset that `path` lies in.
    path : str
        Path of the image in the dataset.

    Returns
    -------
    xarray.DataArray
        Lazy (t, c, z, y, x) Dask array in the image's dtype; coordinates z, y, x in micrometres,
        c by channel name; ``attrs["spacing_um"]`` along z, y, x.

    Raises
    ------
    BadInput
        No OME-Zarr image is there, or it breaks a rule of the format.
    """
    image = open_store(url, path)
    dtype = np.dtype(image.dtype).newbyteorder("=")
    chunks = (1, 1, min(64, image.shape[2]), min(CHUNK, image.shape[3]), min(CHUNK, image.shape[4]))
    array = lazy(SourceArray(StoreSource(image), dtype), chunks)
    space = zip("zyx", image.shape[2:], image.spacing_um, strict=True)
    coords: dict[str, Any] = {axis: np.arange(n) * s for axis, n, s in space}
    return xr.DataArray(
        array,
        dims=tuple("tczyx"),
        coords=coords | {"c": list(image.channels)},
        attrs={"spacing_um": image.spacing_um},
        name=path or Path(url).name,
    )


def segment(
    array: xr.DataArray | Array,
    segmenter: Segmenter,
    *,
    seeds: xr.DataArray | Array | None = None,
    spacing_um: Spacing | None = None,
    block: int = 2048,
    workers: int = 2,
) -> xr.DataArray:
    """Segment one channel.

    Parameters
    ----------
    array : DataArray or array
        Image with any of the axes t, c, z before y, x; one channel.
    segmenter : Segmenter
        E.g. ``voxelmill.segmenter("watershed", diameter_um=12)``.
    seeds : DataArray or array, optional
        Labels to grow from, for segmenters that need them.
    spacing_um : tuple of float, optional
        Voxel size along z, y, x; default: the array's ``spacing_um``, or 1.
    block : int
        Voxels of a block along y and x; never changes the result.
    workers : int
        Blocks worked on at once, where no Dask client is active.

    Returns
    -------
    xarray.DataArray
        Labels (t, z, y, x), int32, as a Dask array over temporary files that live as long as
        the array; ids 1…n in each time point by the raster position of the first voxel;
        ``attrs["objects"]`` has n by time point.

    Raises
    ------
    BadInput
        More than one channel, other axes, seeds that do not fit, or data that the segmenter
        refuses.
    """
    channels = _values(array, "tczyx").shape[1]
    if not 1 <= channels <= (most := segmenter.most_channels):
        allowed = "1" if most == 1 else f"1 to {most}"
        raise BadInput(
            f"segment: {channels} channels; allowed: {allowed}. Pick one: image.sel(c='DNA')"
        )
    if segmenter.keeps_ids != (seeds is not None):
        given = "no seeds" if seeds is None else "seeds"
        wanted = "labels to grow from" if segmenter.keeps_ids else "none for this segmenter"
        raise BadInput(f"segment: {given} given; allowed: {wanted}. Change seeds=")
    folder = tempfile.TemporaryDirectory(prefix="voxelmill-")
    source = _source(array, spacing_um, Path(folder.name))
    times, _, *space = source.shape
    names = [MADE] if seeds is None else [MADE, str(getattr(segmenter, "seeds", "seeds"))]
    target = _target(folder.name, source, names)
    frames = [Frame(f"image@{t}", source, target, t) for t in range(times)]
    # Not validated: a class of the user's notebook is in no union of plugins.
    spec = Segmented.model_construct(channel="0", segmenter=segmenter)
    with _engine(Path(folder.name), block, workers) as (engine, _):
        if seeds is not None:
            _check(engine.adopt(frames, names[1], _labels(seeds, source, Path(folder.name))))
        chosen = {f.key: {MADE: range(channels)} for f in frames}
        result = engine.segment(frames, {MADE: spec}, [MADE], chosen)
        _check(result)
        counts = tuple(result.found[f.key, MADE].objects.count for f in frames)
    labels = LabelArray(target, MADE, (times, space[0], space[1], space[2]))
    found = xr.DataArray(
        lazy(labels, (1, min(64, space[0]), min(CHUNK, space[1]), min(CHUNK, space[2]))),
        dims=tuple("tzyx"),
        coords=_coords(array),
        attrs={"spacing_um": source.spacing_um, "objects": counts},
        name="objects",
    )
    weakref.finalize(labels, folder.cleanup)
    return found


def measure(
    labels: xr.DataArray | Array,
    array: xr.DataArray | Array,
    families: Sequence[Feature] | None = None,
    *,
    spacing_um: Spacing | None = None,
    block: int = 2048,
    workers: int = 2,
) -> dict[str, Array]:
    """Measure objects in all channels of an image.

    Parameters
    ----------
    labels : DataArray or array
        (t, z, y, x), integer; leading axes may be left out.
    array : DataArray or array
        (t, c, z, y, x); leading axes may be left out.
    families : sequence of Feature, optional
        Default: shape and intensity.
    spacing_um, block, workers
        As in `segment`.

    Returns
    -------
    dict of str to (n_objects,) array
        ``Timepoint``, ``ObjectNumber`` and all features: ``pandas.DataFrame(table)`` is a table.

    Raises
    ------
    BadInput
        Shapes of image and labels differ, or the labels are no ids.
    """
    chosen = (feature("shape"), feature("intensity")) if families is None else tuple(families)
    with tempfile.TemporaryDirectory(prefix="voxelmill-") as name:
        folder = Path(name)
        source = _source(array, spacing_um, folder)
        times, channels, *_ = source.shape
        names = _channels(array, channels)
        check_features(chosen, names)
        target = _target(name, source, ["objects"])
        frames = [Frame(f"image@{t}", source, target, t) for t in range(times)]
        with _engine(folder, block, workers) as (engine, crew):
            result = engine.adopt(frames, "objects", _labels(labels, source, folder))
            _check(result)
            tasks = {}
            for frame in frames:
                owners = Owners(Grid(target.shape, (DEPTH, block, block)))
                for rows in result.found[frame.key, "objects"].objects:
                    owners.add("objects", rows)
                for where, owned in owners.blocks().items():
                    file = str(folder / f"{frame.t}@{'_'.join(map(str, where))}.measured")
                    tasks[file] = (MeasureTask(frame, names, chosen, tuple(owned), file),)
            outcomes = crew.run("measure", measure_block, tasks)
        for reason in (o.reason for o in outcomes.values() if o.reason):
            raise BadInput(reason)
        columns = [c for family in chosen for c in family.chosen(names)]
        return join([task for (task,) in tasks.values()], columns)


@contextmanager
def _engine(folder: Path, block: int, workers: int) -> Iterator[tuple[Engine, Pool]]:
    """Yield an engine whose ledger goes with `folder`, and its workers."""
    with (
        Ledger(folder / "scratch", "api", kept=False) as ledger,
        pool(Compute(), workers, Progress()) as crew,
    ):
        yield Engine(crew, ledger, Blocks(size=block, depth=DEPTH)), crew
        ledger.discard()


def _target(folder: str, source: Source, names: Sequence[str]) -> StoreTarget:
    """Label images without pyramids for object sets; compressed, they are a hundredth in size."""
    times, _, z, y, x = source.shape
    extent = (times, 1, z, y, x)
    for name in names:
        create_labels(
            folder, "", "tzyx", extent, source.spacing_um, names, name, "", levels=[(z, y, x)]
        )
    return StoreTarget(folder, "", (z, y, x))


def _check(result: Result) -> None:
    for reason in result.refused.values():
        raise BadInput(reason)


def _labels(labels: xr.DataArray | Array, source: Source, folder: Path) -> Source:
    """Labels (t, 1, z, y, x) of an image."""
    values = _values(labels, "tzyx")
    times, _, *space = source.shape
    if values.shape != (times, *space):
        found, image = tuple(values.shape), (times, *space)
        raise BadInput(f"labels: {found}; the image has {image} (t, z, y, x)")
    return _kept(values[:, None], source.spacing_um, folder / "given")


def _values(array: xr.DataArray | Array, axes: str) -> Any:  # noqa: ANN401 - duck-typed array
    """Array with all of `axes`, absent ones of extent 1."""
    if isinstance(array, xr.DataArray):
        if not {"y", "x"} <= set(array.dims) <= set(axes):
            found = ", ".join(map(str, array.dims))
            raise BadInput(f"array: axes {found}; allowed: y, x, and any of {axes}. Rename them")
        named = array.expand_dims([a for a in axes if a not in array.dims])
        return named.transpose(*axes).data
    if not 2 <= array.ndim <= len(axes):
        raise BadInput(f"array: {array.ndim} axes; allowed: y, x, before them any of {axes[:-2]}")
    return array[(None,) * (len(axes) - array.ndim)]


def _coords(array: xr.DataArray | Array) -> dict[str, Array]:
    """Coordinates that the labels share with the image."""
    if not isinstance(array, xr.DataArray):
        return {}
    return {a: np.atleast_1d(array.coords[a].values) for a in "tzyx" if a in array.coords}


def _source(array: xr.DataArray | Array, spacing_um: Spacing | None, folder: Path) -> Source:
    spacing = spacing_um or getattr(array, "attrs", {}).get("spacing_um", (1.0, 1.0, 1.0))
    return _kept(_values(array, "tczyx"), spacing, folder / "pixels")


def _kept(array: Any, spacing_um: Spacing, file: Path) -> Source:  # noqa: ANN401 - duck-typed
    """Source of an array; one in memory goes to `file`, or every task would carry it."""
    if isinstance(array, np.ndarray):
        return FileSource.of(array, file, spacing_um)
    return ArraySource(array, spacing_um)


def _channels(array: xr.DataArray | Array, count: int) -> tuple[str, ...]:
    if isinstance(array, xr.DataArray) and "c" in array.coords:
        return tuple(str(c) for c in np.atleast_1d(array.coords["c"].values))
    return tuple(str(i) for i in range(count))
