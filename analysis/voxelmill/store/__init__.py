"""Everything that touches stored pixels; the only package that imports zarr.

objects     bytes by key, wherever they lie: the only place that knows protocols
read        dataset → images → boxes of pixels
inventory   which chunks are stored, and which are missing
"""

from voxelmill.ngff import Dataset, Image, ImageRef, Level
from voxelmill.store.inventory import Inventory, inventory
from voxelmill.store.open import open_dataset, open_image
from voxelmill.store.read import read_box
from voxelmill.storeoptions import is_url

__all__ = [
    "Dataset",
    "Image",
    "ImageRef",
    "Inventory",
    "Level",
    "inventory",
    "is_url",
    "open_dataset",
    "open_image",
    "read_box",
]
