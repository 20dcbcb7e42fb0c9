"""Small synthetic images with known objects, and plugins built with as little as they need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from voxelmill.plugin import Index, Labels, Pixels, Plugin, Spacing

DIAMETER_PX = 12
MINIMAL: Mapping[str, object] = {
    "diameter_px": DIAMETER_PX,
    "seeds": "nuclei",
    "above": 60,
    "full_scale": 255,
    "model": str(Path(__file__)),
}
"""Values for fields that a plugin cannot default (only these may be without one), and the grey
value that tells these samples from their background where nothing is fitted. The model is any
file: see `stand_ins`."""
OPTIONAL_LIBRARIES = ("torch", "cellpose", "bioimageio", "onnxruntime", "onnx")
PLANE: Spacing = (1.0, 0.5, 0.5)
VOLUME: Spacing = (1.0, 0.5, 0.5)

P = TypeVar("P", bound=Plugin)


def minimal(cls: type[P]) -> P:
    """Build a plugin from nothing but MINIMAL."""
    fields = {name: value for name, value in MINIMAL.items() if name in cls.model_fields}
    return cls.model_validate(fields)


def skip_without_library(error: ModuleNotFoundError) -> None:
    """Skip where an optional library is not installed; any other missing module is an error."""
    if error.name not in OPTIONAL_LIBRARIES:
        raise error
    pytest.skip(f"{error.name} is not installed")


def centres(shape: Index, pitch: int) -> list[tuple[int, int, int]]:
    """Jittered grid of positions; every fifth is moved next to its neighbour along x."""
    rng = np.random.default_rng(7)
    z, found = shape[0] // 2, []
    for i, y in enumerate(range(pitch // 2 + 2, shape[1] - pitch // 2, pitch)):
        for j, x in enumerate(range(pitch // 2 + 2, shape[2] - pitch // 2, pitch)):
            dy, dx = rng.integers(-2, 3, 2)
            near = pitch - DIAMETER_PX - 1 if (i + j) % 5 == 4 else 0
            found.append((z, y + int(dy), x + int(dx) - near))
    return found


def balls(shape: Index, spacing: Spacing, diameter_px: float, pitch: int = 22) -> NDArray[np.int32]:
    """Discs or balls on `centres`, of several sizes; ids 5, 9, 13 …: with gaps, not from one."""
    labels = np.zeros(shape, np.int32)
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    for number, centre in enumerate(centres(shape, pitch)):
        far = [
            ((a - c) * s / spacing[2]) ** 2 for a, c, s in zip(axes, centre, spacing, strict=True)
        ]
        radius = diameter_px / 2 * (0.8 + 0.1 * (number % 4))
        labels[(sum(far) <= radius**2) & (labels == 0)] = 4 * number + 5
    return labels


def photograph(labels: Labels, seed: int = 3) -> NDArray[np.uint16]:
    """Pixels (1, z, y, x) of objects: integers of 8 bits, each object a little different."""
    rng = np.random.default_rng(seed)
    bright = rng.integers(110, 170, int(labels.max()) + 1)
    image = np.where(labels > 0, bright[labels], 20) + rng.normal(0, 3, labels.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint16)[None]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Copy that raises when written to."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def as_stored(image: Pixels, how: str) -> Pixels:
    """Return the same numbers as another dtype or memory layout; never writable."""
    if how == "strided":
        wide = np.repeat(image, 2, axis=-1)
        wide.setflags(write=False)
        return wide[..., ::2]
    return read_only(image.astype(how))


STORED_AS = ("uint8", "uint16", "int16", "float32", ">u2", "strided")
