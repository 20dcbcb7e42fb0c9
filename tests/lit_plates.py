"""Plates under uneven light: equal objects on an even background, seen with a vignette."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voxelmill.store.plate import Field, write_plate
from voxelmill.store.write import write_image


def vignette(height: int, width: int) -> NDArray[np.float64]:
    """Light that falls off from a point beside the middle; mean 1."""
    y, x = np.ogrid[:height, :width]
    away = ((y + 0.5) / height - 0.55) ** 2 + ((x + 0.5) / width - 0.45) ** 2
    light = np.exp(-1.6 * away)
    return np.asarray(light / light.mean())


def even_field(seed: int, size: int, objects: int, bright: float = 1500.0) -> NDArray[np.float64]:
    """Discs of one brightness on a background that differs from field to field."""
    rng = np.random.default_rng(seed)
    field = np.full((size, size), rng.uniform(150, 300))
    y, x = np.ogrid[:size, :size]
    for _ in range(objects):
        cy, cx = rng.uniform(8, size - 8, 2)
        field[(y - cy) ** 2 + (x - cx) ** 2 < 36] = bright
    return field


def photograph(field: NDArray[np.float64], seed: int, dark: float = 0.0) -> NDArray[np.uint16]:
    """Count the photons of a field under a vignette."""
    photons = np.random.default_rng(seed).poisson(field * vignette(*field.shape))
    return np.asarray(photons + dark, np.uint16)


def write_lit_plate(
    folder: Path, wells: int = 6, fields: int = 3, size: int = 160, flipped: Sequence[int] = ()
) -> Path:
    """Write a plate of one row; every fifth field is empty, some wells are seen upside down."""
    names = {("A", f"{c:02}"): [Field(str(f)) for f in range(fields)] for c in range(1, wells + 1)}
    write_plate(str(folder), folder.stem, names)
    places = [(row, column, f) for (row, column), found in names.items() for f in found]
    for number, (row, column, field) in enumerate(places):
        objects = 0 if number % 5 == 4 else 12
        pixels = photograph(even_field(number, size, objects), 100 * number)
        pixels = pixels[::-1] if int(column) in flipped else pixels
        place = folder / row / column / field.path
        whole = np.ascontiguousarray(pixels)[None, None, None]
        write_image(str(place), whole, "cyx", (1.0, 0.5, 0.5), ["DNA"])
    return folder
