"""AnnData: one object set of one dataset, for scanpy, squidpy and the rest of scverse.

X                 features (n, m), float64, as in the tables
obs               columns Metadata_*; index <dataset>/<image>/<object>, of time series
                  <dataset>/<image>/t<time point>/<object>
var               index: the features; unit, family, channel
obsm["spatial"]   centroids along x, y(, z) in µm: position in voxels times their size
uns["voxelmill"]  where this comes from
"""

import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.export.finished import Finished
from voxelmill.machine import limit
from voxelmill.numbering import INDEX_COLUMNS
from voxelmill.objectindex import read_index
from voxelmill.plugin import Array, BadConfig, BadInput
from voxelmill.progress import Progress
from voxelmill.store.documents import whole_folder
from voxelmill.tables import read_groups, units
from voxelmill.tables.counts import column_names
from voxelmill.tables.delimited import merged

METADATA = "Metadata_"
IMAGE, TIME, NUMBER = "Metadata_Image", "Metadata_Timepoint", "Metadata_ObjectNumber"
COPIES = 2
"""Of the features: one that is gathered, and what is written of it."""
CHUNK_BYTES = 1 << 26
"""Of X in Zarr: files of so many bytes, before compression."""
GIB = 2**30
Done = Callable[[], None]


def require() -> None:
    """Refuse to start without the library.

    Raises
    ------
    BadConfig
        It is not installed.
    """
    try:
        import anndata  # noqa: F401
    except ImportError:
        raise BadConfig(
            "--anndata: anndata is not installed. pip install voxelmill[export]"
        ) from None


def write(found: Finished, name: str, out: Path, progress: Progress) -> None:
    """Write an object set as a new ``.h5ad`` file or ``.zarr`` folder, as the ending of `out` says.

    Raises
    ------
    OutputExists
        `out` is there.
    BadInput
        The table does not fit into memory.
    StoreUnavailable
        A table is absent or damaged.
    """
    title = f"{found.dataset}: AnnData, {name}"
    with whole_folder(out) as beside, progress.stage(title, len(found.batches) + 1) as done:
        table = annotated(found, name, done)
        if out.suffix == ".zarr":
            save_zarr(table, beside)
        else:
            table.write_h5ad(beside, compression="gzip")
        done()


def save_zarr(table: Any, out: Path) -> None:  # noqa: ANN401 - AnnData
    """Write a table as Zarr in few files."""
    width = max(1, table.n_vars)
    rows = min(max(1, table.n_obs), max(1, CHUNK_BYTES // (8 * width)))
    with zarr_as_asked():
        table.write_zarr(out, chunks=(rows, width))


@contextmanager
def zarr_as_asked() -> Iterator[None]:
    """Have AnnData write Zarr 3 in chunks as given, whatever the defaults of its version are.

    Automatic shards have been as small as a kilobyte, each a file of its own.
    """
    from anndata import settings

    asked = settings.override(zarr_write_format=3, auto_shard_zarr_v3=False)
    with asked, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        yield


def annotated(found: Finished, name: str, done: Done) -> Any:  # noqa: ANN401 - AnnData
    """Gather an object set in memory; calls `done` after each batch.

    Raises
    ------
    BadInput
        It does not fit into memory.
    StoreUnavailable
        A table is absent or damaged.
    """
    from anndata import AnnData

    files = found.tables(name)
    columns = merged([column_names(file) for file in files])
    features = [c for c in columns if not c.startswith(METADATA)]
    _refuse_large(found, name, len(features))
    values = np.full((found.objects(name), len(features)), np.nan)
    about: dict[str, list[Any]] = {c: [] for c in columns if c.startswith(METADATA)}
    first = 0
    for file in files:
        for part in read_groups(file):
            last = first + len(part[IMAGE])
            for number, column in enumerate(features):
                if column in part:
                    values[first:last, number] = part[column]
            for column, gathered in about.items():
                gathered.extend(part[column])
            first = last
        done()
    about["obs_names"] = _names(found, about)
    table = AnnData(values, obs=about, var=_features(found, files, features))
    table.obsm["spatial"] = _centroids(found, name, about, features, values)
    table.uns["voxelmill"] = _origin(found, name)
    table.strings_to_categoricals()
    return table


def _refuse_large(found: Finished, name: str, features: int) -> None:
    need, most = COPIES * 8 * found.objects(name) * features, limit()
    if most is not None and need > most.size:
        raise BadInput(
            f"{found.dataset}: {found.objects(name):,} {name} with {features} features take "
            f"{need / GIB:.0f} GiB as AnnData; {most.source}: {most.size / GIB:.0f} GiB. "
            "Export --csv, which takes none, or measure less features"
        )


def _names(found: Finished, about: Mapping[str, Sequence[Any]]) -> list[str]:
    """Names of the objects: the same whatever is exported with them."""
    series = any(image.times > 1 for image in found.images)
    rows = zip(about[IMAGE], about[TIME], about[NUMBER], strict=True)
    return [
        "/".join(p for p in (found.dataset, image, f"t{t}" if series else "", str(number)) if p)
        for image, t, number in rows
    ]


def _features(
    found: Finished, files: Sequence[Path], features: Sequence[str]
) -> dict[str, list[str]]:
    """Table of the features: ``<Set>_<Family>_<Measure>…`` and the channels named in it."""
    known = {column: unit for file in files for column, unit in units(file).items()}
    channels = sorted(found.every_channel, key=len, reverse=True)
    named = "|".join(map(re.escape, channels))
    return {
        "unit": [known.get(feature, "") for feature in features],
        "family": [feature.split("_")[1] for feature in features],
        "channel": [
            ",".join(re.findall(rf"(?<=_)(?:{named})(?=_|$)", feature)) if named else ""
            for feature in features
        ],
        "var_names": list(features),
    }


def _centroids(
    found: Finished,
    name: str,
    about: Mapping[str, Sequence[Any]],
    features: Sequence[str],
    values: Array,
) -> Array:
    """Centroids (n, 2 or 3) along x, y(, z) in µm; of boxes where *shape* was not measured."""
    wanted = [found.column(name, f"AreaShape_Center_{axis}") for axis in "XYZ"]
    if set(wanted) <= set(features):
        places = values[:, [features.index(column) for column in wanted]]
    else:
        places = _boxes(found, name, about)
    sizes = {path: (x, y, z) for path, (z, y, x) in found.spacing_um.items()}
    scaled = places * np.array([sizes[i] for i in about[IMAGE]], float).reshape(-1, 3)
    deep = any(image.labels(name).shape[2] > 1 for image in found.images)
    return np.ascontiguousarray(scaled[:, : 3 if deep else 2])


def _boxes(found: Finished, name: str, about: Mapping[str, Sequence[Any]]) -> Array:
    """Centres (n, 3) of bounding boxes along x, y, z in voxels."""
    low, high = ([INDEX_COLUMNS.index(f"{a}{n}") for a in "xyz"] for n in "01")
    place: dict[tuple[str, int], Array] = {}
    ids: dict[tuple[str, int], Array] = {}
    for batch in found.batches:
        for (image, t, named), rows in read_index(found.layout.index(batch.name)):
            if named == name:
                before = place.get((image, t), np.zeros((0, 3)))
                place[image, t] = np.vstack([before, (rows[:, low] + rows[:, high] - 1) / 2])
                ids[image, t] = np.append(ids.get((image, t), rows[:0, 0]), rows[:, 0])
    centres = np.empty((len(about[NUMBER]), 3))
    for i, key in enumerate(zip(about[IMAGE], about[TIME], about[NUMBER], strict=True)):
        *frame, number = key
        image, t = frame
        centres[i] = place[image, t][np.searchsorted(ids[image, t], number)]
    return centres


def _origin(found: Finished, name: str) -> dict[str, str]:
    return {
        "dataset": found.dataset,
        "object_set": name,
        "version": found.provenance.voxelmill,
        "crate_sha256": found.provenance.crate,
        "settings": json.dumps(found.settings, sort_keys=True),
        "spatial": "µm",
    }
