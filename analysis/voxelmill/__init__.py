"""voxelmill: OME-Zarr images in; labelled objects, feature tables and QC verdicts out.

The Python API, for notebooks and any Dask client::

    image = voxelmill.open_image("plate.zarr/B/3/0")
    watershed = voxelmill.segmenter("watershed", diameter_um=12)
    labels = voxelmill.segment(image.sel(c="DNA"), watershed)
    table = voxelmill.measure(labels, image)
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voxelmill.api import measure, open_image, segment
    from voxelmill.factory import feature, segmenter

__version__ = version("voxelmill")
__all__ = ["feature", "measure", "open_image", "segment", "segmenter"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the API when it is asked for: the command line starts without Dask and xarray."""
    if name not in __all__:
        raise AttributeError(f"module 'voxelmill' has no attribute {name!r}")
    home = "factory" if name in ("feature", "segmenter") else "api"
    return getattr(import_module(f"voxelmill.{home}"), name)
