"""Synthetic fields for the QC tests: nuclei under a microscope with faults to order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from voxelmill.plugin import Array
from voxelmill.qc import Metric

SIZE = 512
SPACING = (1.0, 1.0, 1.0)


def field(
    nuclei: int = 20,
    bright: float = 800,
    background: float = 300,
    falloff: float = 0.4,
    blur: float = 0,
    seed: int = 0,
) -> NDArray[np.uint16]:
    """Field (1, y, x): discs under a point spread of 1.2 px, light falling off, Poisson noise.

    Positions and sizes follow from `seed`, so two fields of one seed differ in the fault alone.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    light = np.zeros((SIZE, SIZE))
    for _ in range(nuclei):
        cy, cx = rng.uniform(20, SIZE - 20, 2)
        radius, level = rng.uniform(9, 16), rng.uniform(0.6, 1.4)
        inside = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        light = np.maximum(light, inside * level * bright)
    light = ndi.gaussian_filter(light, np.hypot(1.2, blur)) + background
    centre = ((y - SIZE / 2) ** 2 + (x - SIZE / 2) ** 2) / (SIZE**2 / 2)
    counts = rng.poisson(light * (1 - falloff * centre)) + rng.normal(100, 5, light.shape)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)[None]


def measured(metric: Metric, images: list[NDArray[Any]]) -> dict[str, Array]:
    """One array a column over the images, as a plate's ``flags`` gets them."""
    rows = [metric(image, SPACING) for image in images]
    return {column: np.array([row[column] for row in rows]) for column in metric.columns()}


def flagged(metric: Metric, images: list[NDArray[Any]], fault: str) -> list[int]:
    """Return the places in `images` of those that have the fault."""
    return [int(i) for i in np.flatnonzero(metric.flags(measured(metric, images))[fault])]
