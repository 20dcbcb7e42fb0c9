"""Label images in TIFF and PNG files, as annotation tools write them."""

from pathlib import Path

import imagecodecs
import numpy as np

from voxelmill.plugin import Array, BadInput
from voxelmill.tiffs import SUFFIXES as TIFF_SUFFIXES
from voxelmill.tiffs import read_tiff

SUFFIXES = TIFF_SUFFIXES | {".png"}


def is_label_file(file: Path) -> bool:
    """Whether a file's name is that of a TIFF or PNG."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def read_label_file(file: Path) -> Array:
    """Read a label image as a whole.

    Parameters
    ----------
    file : Path
        TIFF (pages are planes where it does not say) or PNG.

    Returns
    -------
    (t, z, y, x) integer array

    Raises
    ------
    BadInput
        Not readable, several channels, or not integers.
    """
    pixels = _png(file) if file.suffix.lower() == ".png" else read_tiff(file, "z")
    if pixels.shape[1] != 1 or pixels.dtype.kind not in "iu":
        raise BadInput(
            f"{file}: {pixels.shape[1]} channels of {pixels.dtype}; one, of integers. "
            "Export the label image."
        )
    return np.asarray(pixels[:, 0])


def _png(file: Path) -> Array:
    try:
        pixels = np.asarray(imagecodecs.png_decode(file.read_bytes()))
    except (OSError, RuntimeError, ValueError) as e:
        raise BadInput(f"{file}: not readable as PNG ({e}). Export it again.") from e
    if pixels.ndim != 2:
        raise BadInput(f"{file}: colours; grey numbers, an id each. Export the label image.")
    return pixels[None, None, None]
