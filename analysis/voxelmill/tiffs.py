"""Reading TIFF files as (t, c, z, y, x) with the pixel size, where the file tells it reliably."""

import re
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import tifffile

from voxelmill.plugin import Array, BadInput

Pages: TypeAlias = Literal["z", "c", "t"]
SUFFIXES = frozenset({".tif", ".tiff", ".stk"})
PLAUSIBLE_UM = (0.01, 50.0)
"""Resolution tags outside are those of a screen or a printer, not of a microscope."""
UM_PER = {"µm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "nm": 1e-3}
UM_PER |= {"mm": 1e3, "cm": 1e4, "inch": 25_400.0}


def read_tiff(file: Path, pages: Pages) -> Array:
    """Read the first series of a file.

    Parameters
    ----------
    file : Path
        TIFF, OME-TIFF, ImageJ or MetaMorph file.
    pages : {'z', 'c', 't'}
        What pages are along, where the file does not say.

    Returns
    -------
    (t, c, z, y, x) array
        Native byte order.

    Raises
    ------
    BadInput
        Not readable, colour samples, or not numbers.
    """
    try:
        with tifffile.TiffFile(file) as tiff:
            series = tiff.series[0]
            pixels, axes = series.asarray(), series.axes
    except (ValueError, OSError, RuntimeError, IndexError) as e:
        raise BadInput(f"{file}: not readable as TIFF ({e}). Export it again.") from e
    kept = [(a, n) for a, n in zip(axes.upper(), pixels.shape, strict=True) if n > 1 or a in "YX"]
    letters = "".join(a for a, _ in kept)
    if "S" in letters or pixels.dtype.kind not in "iuf":
        raise BadInput(f"{file}: colour or {pixels.dtype}; grey numbers. Export single channels.")
    letters = "".join(a if a in "TCZYX" else pages.upper() for a in letters)
    if len(set(letters)) < len(letters) or not letters.endswith("YX"):
        raise BadInput(f"{file}: axes {axes}; T, C, Z, then Y and X. Export single planes.")
    pixels = pixels.reshape([n for _, n in kept])
    order = sorted(range(len(letters)), key=lambda i: "TCZYX".index(letters[i]))
    lengths = {a: n for a, (_, n) in zip(letters, kept, strict=True)}
    shaped = pixels.transpose(order).reshape([lengths.get(a, 1) for a in "TCZYX"])
    return np.asarray(shaped, dtype=pixels.dtype.newbyteorder("="))


def tiff_spacing(file: Path) -> tuple[float | None, float | None]:
    """Pixel size and distance of planes in micrometres, each None where the file does not tell.

    OME and MetaMorph metadata are taken as they are; ImageJ's and plain resolution tags only if
    they have a unit of length and a size that a microscope can have.

    Raises
    ------
    BadInput
        The file is not readable.
    """
    try:
        with tifffile.TiffFile(file) as tiff:
            for source in (_from_ome, _from_metamorph, _from_imagej, _from_resolution):
                found = source(tiff)
                if found[0] is not None:
                    return found
    except (ValueError, OSError, RuntimeError, IndexError) as e:
        raise BadInput(f"{file}: not readable as TIFF ({e}). Export it again.") from e
    return None, None


def _from_ome(tiff: Any) -> tuple[float | None, float | None]:  # noqa: ANN401
    text = tiff.ome_metadata or ""
    sizes = []
    for axis in "XZ":
        size = re.search(rf'\bPhysicalSize{axis}="([0-9.eE+-]+)"', text)
        unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]+)"', text)
        factor = UM_PER.get(unit[1] if unit else "µm")
        sizes.append(float(size[1]) * factor if size and factor else None)
    return sizes[0], sizes[1]


def _from_metamorph(tiff: Any) -> tuple[float | None, float | None]:  # noqa: ANN401
    series = tiff.metaseries_metadata if tiff.is_metaseries else None
    if series:
        plane = series.get("PlaneInfo", {})
        unit = UM_PER.get(str(plane.get("spatial-calibration-units", "")).lower())
        if unit and plane.get("spatial-calibration-state", True):
            return _plausible(float(plane.get("spatial-calibration-x", 0)) * unit), None
    stack = tiff.stk_metadata if tiff.is_stk else None
    if stack and stack.get("SpatialCalibration"):
        unit = UM_PER.get(str(stack.get("CalibrationUnits", "")).lower())
        if unit:
            return _plausible(float(stack.get("XCalibration", 0)) * unit), None
    return None, None


def _from_imagej(tiff: Any) -> tuple[float | None, float | None]:  # noqa: ANN401
    metadata = tiff.imagej_metadata if tiff.is_imagej else None
    unit = UM_PER.get(str((metadata or {}).get("unit", "")).replace("\\u00B5", "µ"))
    per_pixel = _tag(tiff, "XResolution")
    if not (metadata and unit and per_pixel):
        return None, None
    depth = metadata.get("spacing")
    return _plausible(unit / per_pixel), float(depth) * unit if depth else None


def _from_resolution(tiff: Any) -> tuple[float | None, float | None]:  # noqa: ANN401
    per_unit = _tag(tiff, "XResolution")
    tag = tiff.pages[0].tags.get("ResolutionUnit")
    length = {2: UM_PER["inch"], 3: UM_PER["cm"]}.get(int(tag.value) if tag else 0)
    if not (per_unit and length) or tiff.is_imagej:
        return None, None
    return _plausible(length / per_unit), None


def _tag(tiff: Any, name: str) -> float | None:  # noqa: ANN401
    tag = tiff.pages[0].tags.get(name)
    if tag is None:
        return None
    over, under = tag.value
    return float(over) / float(under) if under and over else None


def _plausible(size_um: float) -> float | None:
    low, high = PLAUSIBLE_UM
    return size_um if low <= size_um <= high else None
