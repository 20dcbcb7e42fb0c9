"""SpatialData: label images of one dataset, and a table of their objects for each object set.

    labels/<image>_<set>     one an image; of time series <image>_t<time point>_<set>
    images/<image>           on request, likewise
    tables/<set>             as AnnData has it; annotates the labels (region, object number)

Every image has a coordinate system of its own, called as it is, in micrometres: images of a plate
do not lie above each other. Pixels pass chunk by chunk; of tables one is in memory at a time.
"""

import json
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from voxelmill.arrayends import SourceArray
from voxelmill.ends import StoreSource
from voxelmill.export.anndata import IMAGE, NUMBER, TIME, Done, annotated, zarr_as_asked
from voxelmill.export.finished import Finished, Labelled
from voxelmill.ledger import write_json
from voxelmill.plugin import BadConfig, Spacing
from voxelmill.progress import Progress
from voxelmill.run import lazy
from voxelmill.store.documents import whole_folder
from voxelmill.store.read import Image, open_image

REGION = "region"
CHUNK, DEPTH = 1024, 64
BROKEN = "0.7.0"


def require() -> None:
    """Refuse to start without the library, or with one that cannot write.

    Raises
    ------
    BadConfig
        It is not installed; or it is 0.7.0 with an ome-zarr that it does not know
        (scverse/spatialdata#1090).
    """
    try:
        installed, below = version("spatialdata"), version("ome-zarr")
    except PackageNotFoundError:
        raise BadConfig(
            "--spatialdata: spatialdata is not installed. pip install voxelmill[spatialdata]"
        ) from None
    if installed == BROKEN and tuple(map(int, below.split(".")[:2])) >= (0, 14):
        raise BadConfig(
            f"--spatialdata: spatialdata {installed} cannot write with ome-zarr {below}; below "
            "0.14. pip install 'ome-zarr<0.14', or pip install --no-deps 'spatialdata>0.7.0'"
        )


def write(found: Finished, url: str, out: Path, progress: Progress) -> None:
    """Write a new SpatialData folder.

    Parameters
    ----------
    found : Finished
    url : str
        Address of the input, to take the images in, too; empty: leave them out.
    out : Path
    progress : Progress

    Raises
    ------
    OutputExists
        `out` is there.
    BadInput
        A table does not fit into memory.
    StoreUnavailable, AccessDenied
        Something is absent or damaged, or a store did not answer.
    """
    from spatialdata import SpatialData

    total = len(found.images) + (len(found.batches) + 1) * len(found.sets)
    stage = progress.stage(f"{found.dataset}: SpatialData", total)
    with whole_folder(out) as beside, zarr_as_asked(), stage as done:
        data = SpatialData()
        data.write(beside)
        for labelled in found.images:
            for name, element in _elements(found, labelled, url):
                data[name] = element
                data.write_element(name)
                if name in data.images:
                    _name_channels(beside / "images" / name, element)
            done()
        for name in found.sets:
            if found.objects(name):
                data[name] = _table(found, name, done)
                data.write_element(name)
                del data.tables[name]
            done()
        data.write_consolidated_metadata()


def element_name(found: Finished, labelled: Labelled, t: int, name: str = "") -> str:
    """Name of an element: the image, its time point if there are several, the object set."""
    image = re.sub(r"[^A-Za-z0-9_.-]", "_", labelled.item.path) or found.dataset
    return "_".join(p for p in (image, f"t{t}" if labelled.times > 1 else "", name) if p)


def _elements(found: Finished, labelled: Labelled, url: str) -> Iterator[tuple[str, Any]]:
    """Label images of an image, and the image itself where `url` is given, by name."""
    from spatialdata.models import Image2DModel, Image3DModel, Labels2DModel, Labels3DModel

    for name in found.sets:
        image = labelled.labels(name)
        model = Labels3DModel if image.shape[2] > 1 else Labels2DModel
        for t in range(image.shape[0]):
            place = _system(found, labelled, t, image.spacing_um, image.shape[2] > 1)
            yield (
                element_name(found, labelled, t, name),
                model.parse(_pixels(image)[t, 0], transformations=place),
            )
    if url:
        image = open_image(url, labelled.item.path)
        pixel_model = Image3DModel if image.shape[2] > 1 else Image2DModel
        for t in range(image.shape[0]):
            place = _system(found, labelled, t, image.spacing_um, image.shape[2] > 1)
            yield (
                element_name(found, labelled, t),
                pixel_model.parse(
                    _pixels(image)[t], c_coords=list(image.channels), transformations=place
                ),
            )


def _name_channels(group: Path, element: Any) -> None:  # noqa: ANN401 - DataArray
    """Write the names of an image's channels, which the library loses over a newer ome-zarr."""
    file = group / "zarr.json"
    document = json.loads(file.read_bytes())
    names = [{"label": str(name)} for name in element.coords["c"].values]
    document["attributes"]["ome"]["omero"] = {"channels": names}
    write_json(file, document)


def _pixels(image: Image) -> Any:  # noqa: ANN401 - Dask array
    """Lazy pixels (t, c, z, y, x), or (t, c, y, x) of one plane."""
    _, _, z, y, x = image.shape
    chunks = (1, 1, min(z, DEPTH), min(y, CHUNK), min(x, CHUNK))
    dtype = np.dtype(image.dtype).newbyteorder("=")
    array = lazy(SourceArray(StoreSource(image), dtype), chunks)
    return array if z > 1 else array[:, :, 0]


def _system(
    found: Finished, labelled: Labelled, t: int, spacing_um: Spacing, deep: bool
) -> dict[str, Any]:
    """Pixels to micrometres, in the coordinate system of the image."""
    from spatialdata.transformations import Scale

    axes = "zyx" if deep else "yx"
    return {element_name(found, labelled, t): Scale(list(spacing_um[-len(axes) :]), tuple(axes))}


def _table(found: Finished, name: str, done: Done) -> Any:  # noqa: ANN401 - AnnData
    from spatialdata.models import TableModel

    table = annotated(found, name, done)
    names = {
        (i.item.path, t): element_name(found, i, t, name)
        for i in found.images
        for t in range(i.times)
    }
    frames = zip(table.obs[IMAGE], table.obs[TIME], strict=True)
    regions = [names[image, t] for image, t in frames]
    table.obs[REGION] = regions
    table.strings_to_categoricals()
    return TableModel.parse(
        table, region=sorted(set(regions)), region_key=REGION, instance_key=NUMBER
    )
