"""voxelmill: OME-Zarr images in; labelled objects, feature tables and QC verdicts out.

The Python API, for notebooks and any Dask client::

    image = voxelmill.open_image("plate.zarr/B/3/0")
    watershed = voxelmill.segmenters()["watershed"](diameter_um=12)
    labels = voxelmill.segment(image.sel(c="DNA"), watershed)
    table = voxelmill.measure(labels, image)
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxelmill.api import measure, open_image, segment
    from voxelmill.features import features
    from voxelmill.qc import metrics
    from voxelmill.segmenters import segmenters

__version__ = version("voxelmill")
__all__ = ["features", "measure", "metrics", "open_image", "segment", "segmenters"]

_HOME = {
    "open_image": "voxelmill.api",
    "segment": "voxelmill.api",
    "measure": "voxelmill.api",
    "features": "voxelmill.features",
    "metrics": "voxelmill.qc",
    "segmenters": "voxelmill.segmenters",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the API when it is asked for: the command line starts without Dask and xarray."""
    if name not in _HOME:
        raise AttributeError(f"module 'voxelmill' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
