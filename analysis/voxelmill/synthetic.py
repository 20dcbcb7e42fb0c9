"""Made-up fluorescence images with known truth: pure functions of a seed and parameters.

``field`` renders a field of cells as a camera on a microscope would see it; ``nuclei_image`` dense,
touching nuclei in 2-D or 3-D for tests of segmenters. Light goes through these stages:

    outlines → stain in each channel → blur of the optics → haze and background → uneven lamp
             → exposure → photon and read noise → offset → 16 bits, clipped
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Index, Labels
from voxelmill.synthetic_shapes import Floats, Outlines, draw, outlines, scatter

OFFSET = 100.0
READ_NOISE = 4.0
"""Standard deviation, counts; one count is one photoelectron at exposure 1."""
DENSEST = 65535
VIGNETTING = 0.38
"""Light lost in the corner farthest from the lamp's centre."""


@dataclass(frozen=True)
class SyntheticField:
    """One field: `pixels` (c, y, x) uint16, true `nuclei` (y, x) int32, 0 = background."""

    pixels: NDArray[np.uint16]
    nuclei: NDArray[np.int32]

    def truth(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Centroids (n, 2) along y, x and areas (n,) of the nuclei, in pixels."""
        count = np.bincount(self.nuclei.ravel())
        y, x = np.nonzero(self.nuclei)
        ids = self.nuclei[y, x]
        sums = [np.bincount(ids, weights=w, minlength=len(count)) for w in (y, x)]
        found = np.flatnonzero(count[1:]) + 1
        centroids = np.stack([s[found] / count[found] for s in sums], axis=1)
        return centroids, count[found]


def field(
    seed: int | Sequence[int],
    *,
    size: int = 1080,
    nuclei: int = 100,
    channels: Sequence[str] = ("DNA", "AGP", "ER"),
    diameter_px: float = 18.5,
    effect: float = 1.0,
    defocus_px: float = 0.0,
    exposure: float = 1.0,
) -> SyntheticField:
    """Render one field of cells.

    Parameters
    ----------
    seed : int or sequence of int
        All that is random comes from it.
    size : int
        Edge of the square field in pixels.
    nuclei : int
        How many are placed; about one in six beside another, touching it.
    channels : sequence of str
        The first shows nuclei; the second cell bodies and membranes, the third the region around
        the nucleus, further ones alternate between these two.
    diameter_px : float
        Mean diameter of a nucleus.
    effect : float
        Brightness of the second channel, 1 = untreated.
    defocus_px : float
        Standard deviation of an additional blur.
    exposure : float
        Relative exposure; from about 100 on most of the signal is clipped.
    """
    rng = np.random.default_rng(seed)
    shape = (1, size, size)
    radii = _radii(rng, nuclei, diameter_px, shape)
    centres, placed = scatter(rng, shape, radii, touching=0.16)
    kernels = outlines(rng, centres, radii[placed], bumpiness=0.035)
    bodies = outlines(rng, centres, radii[placed] * 2.5, bumpiness=0.09, stretch=0.6)
    labels, depth = draw(kernels, shape)
    owner, reach = draw(bodies, shape)
    grain = _grain(rng, size)
    pixels = np.empty((len(channels), size, size), dtype=np.uint16)
    for c in range(len(channels)):
        if c == 0:
            signal = _nuclear(rng, labels[0], depth[0], kernels, grain)
        elif c % 2:
            signal = _body(rng, owner[0], reach[0], len(bodies), grain) * np.float32(effect)
        else:
            signal = _around(rng, owner[0], reach[0], depth[0], len(bodies), grain)
        blurred = _optics(signal, 1.1 + 0.15 * c, defocus_px)
        pixels[c] = camera(rng, blurred + 120 + 60 * c, exposure, centre=(0.47, 0.55 - 0.04 * c))
    return SyntheticField(pixels, labels[0])


def nuclei_image(
    shape: Index,
    n: int,
    diameter_px: float,
    seed: int,
    *,
    touching: float = 0.6,
    contrast: float = 2000.0,
) -> tuple[NDArray[np.uint16], Labels]:
    """Dense, touching nuclei, 2-D (``shape[0] == 1``) or 3-D.

    Parameters
    ----------
    shape : tuple of int
        Extent along z, y, x.
    n : int
        How many are placed, if there is room.
    diameter_px : float
        Mean diameter in voxels.
    seed : int
        All that is random comes from it.
    touching : float
        Share that is put beside another.
    contrast : float
        Mean signal of a nucleus in counts.

    Returns
    -------
    image : (z, y, x) uint16 array
    labels : (z, y, x) int32 array
        1 … m without gaps, 0 = background.
    """
    rng = np.random.default_rng(seed)
    radii = _radii(rng, n, diameter_px, shape)
    centres, placed = scatter(rng, shape, radii, touching=touching, gap=1.02)
    kernels = outlines(rng, centres, radii[placed], bumpiness=0.03)
    labels, depth = draw(kernels, shape)
    bright = np.concatenate([[0], contrast * rng.lognormal(0, 0.2, len(kernels))])
    signal = (bright[labels] * (1.1 - 0.4 * depth**2)).astype(np.float32)
    blurred = np.stack([_optics(plane, 1.0, 0.0) for plane in signal])
    noisy = np.stack([camera(rng, plane + 150, 1.0, centre=(0.5, 0.5)) for plane in blurred])
    return noisy, _renumbered(labels)


def camera(
    rng: np.random.Generator, light: Floats, exposure: float, *, centre: tuple[float, float]
) -> NDArray[np.uint16]:
    """Record `light` (y, x), counts at exposure 1, under a lamp brightest at `centre` (relative).

    Photon noise is taken as normal with the variance of a Poisson, exact enough above 20 counts.
    """
    height, width = light.shape
    y = (np.arange(height, dtype=np.float32) / height - np.float32(centre[0])) ** 2
    x = (np.arange(width, dtype=np.float32) / width - np.float32(centre[1])) ** 2
    lamp = 1 - np.float32(VIGNETTING) * (y[:, None] + x[None, :]) / np.float32(0.5)
    counts = light * lamp * np.float32(exposure)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    counts += noise * np.sqrt(counts + np.float32(READ_NOISE**2)) + np.float32(OFFSET)
    recorded: NDArray[np.uint16] = np.clip(np.rint(counts), 0, DENSEST).astype(np.uint16)
    return recorded


def _radii(
    rng: np.random.Generator, n: int, diameter_px: float, shape: Index
) -> NDArray[np.float64]:
    radius = np.clip(diameter_px / 2 * rng.lognormal(0, 0.13, n), diameter_px / 4, diameter_px)
    flat = shape[0] == 1
    return np.stack([np.ones(n) if flat else radius * 0.9, radius, radius], axis=1)


def _renumbered(labels: Labels) -> Labels:
    present = np.bincount(labels.ravel()) > 0
    present[0] = False
    table = (np.cumsum(present) * present).astype(np.int32)
    renumbered: Labels = table[labels]
    return renumbered


def _grain(rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """Fine and coarse random texture, mean 0, standard deviation 1."""
    found = []
    for sigma in (1.3, 3.5):
        noise = rng.standard_normal((size, size), dtype=np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)
        found.append((smooth / smooth.std()).astype(np.float32))
    return found[0], found[1]


def _per_object(values: NDArray[np.float64], labels: NDArray[np.int32]) -> Floats:
    table = np.concatenate([[0], values]).astype(np.float32)
    spread: Floats = table[labels]
    return spread


def _nuclear(
    rng: np.random.Generator,
    labels: NDArray[np.int32],
    depth: Floats,
    kernels: Outlines,
    grain: tuple[Floats, Floats],
) -> Floats:
    """Chromatin: dome-shaped, clumped, dark nucleoli; a few condensed ones twice as bright."""
    bright = 2600 * rng.lognormal(0, 0.22, len(kernels))
    bright[rng.random(len(kernels)) < 0.04] *= 2.0
    dome = 1.05 - 0.35 * depth**2
    clumps = 1 + 0.10 * grain[1] + 0.06 * grain[0]
    nucleoli = 1 - 0.35 / (1 + np.exp(-6 * (grain[1] - 1.7)))
    return np.asarray(_per_object(bright, labels) * dome * clumps * nucleoli, dtype=np.float32)


def _body(
    rng: np.random.Generator,
    owner: NDArray[np.int32],
    reach: Floats,
    n: int,
    grain: tuple[Floats, Floats],
) -> Floats:
    """Actin and Golgi: a bright rim, fibres, a brighter region inside."""
    bright = 750 * rng.lognormal(0, 0.2, n)
    rim = np.exp(-(((reach - 0.9) / 0.1) ** 2))
    profile = 0.5 + 0.35 * rim + 0.45 * np.exp(-7 * (reach - 0.2) ** 2)
    return np.asarray(
        _per_object(bright, owner)
        * profile
        * np.clip(1 + 0.2 * grain[0] + 0.15 * grain[1], 0.3, None),
        dtype=np.float32,
    )


def _around(
    rng: np.random.Generator,
    owner: NDArray[np.int32],
    reach: Floats,
    depth: Floats,
    n: int,
    grain: tuple[Floats, Floats],
) -> Floats:
    """Endoplasmic reticulum: brightest around the nucleus, fading outwards, dim inside it."""
    bright = 1300 * rng.lognormal(0, 0.2, n)
    profile = np.exp(-((reach / 0.62) ** 2)) * np.where(depth < 1, 0.45, 1.0)
    return np.asarray(
        _per_object(bright, owner) * profile * np.clip(1 + 0.3 * grain[0], 0.2, None),
        dtype=np.float32,
    )


def _optics(signal: Floats, sigma_px: float, defocus_px: float) -> Floats:
    """Blur (y, x) by the optics and add the haze of what lies above and below the focus."""
    sigma = float(np.hypot(sigma_px, defocus_px))
    sharp = cv2.GaussianBlur(signal, (0, 0), sigma)
    height, width = signal.shape
    small = cv2.resize(signal, (-(-width // 8), -(-height // 8)), interpolation=cv2.INTER_AREA)
    haze = cv2.resize(cv2.GaussianBlur(small, (0, 0), 4.0), (width, height))
    return np.asarray(0.92 * sharp + 0.08 * haze, dtype=np.float32)
