"""Retrospective illumination correction: how bright the light is where, from fields themselves.

In: a sample of fields of one channel, (n, y, x), as small as thumbnails. Out: a `Profile`: its
flat-field (mean 1) and dark-field. The model is that of BaSiC::

    field = baseline · flat + dark + objects         objects are bright, or few, or both

A baseline is the background of one field. Pixels far above it are objects and left out; what
remains is divided by the baselines, and the median over all fields is the flat-field. It is
smoothed as far as makes one half of the fields predict the other half best. Pure numpy, without
BLAS: the same bytes on one thread and on many.
"""

from dataclasses import dataclass
from math import prod
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voxelmill.plugin import Array, Plugin

SIDE = 128
"""Longest side of a profile in its own pixels; of BaSiC too."""
LEAST = 16
"""Fields that an estimate needs."""
ROUNDS, CLIPS = 5, 4
"""Rounds of flat-field and baselines; of leaving out objects in each."""
STRIDE = 3
"""Every so many pixels of a field tell its background."""
BACKGROUND = 25
"""Percentile of a field where its background is looked for first."""
BRIGHT = 3.0
"""Objects are so many deviations of the background above it."""
DIM = 0.05
"""A field is black, and of no use, with less than this share of the light of a bright one."""
SMOOTH = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
"""Widths of the smoothing that are tried, in pixels of the profile."""
SPREAD = 0.02
"""Relative spread of baselines at which a dark-field counts half; with none it cannot be seen."""
ROBUST = 1.5
"""Deviations from the line beyond which a field's word on a pixel counts less."""
LEAST_FLAT = 1 / 32
"""Where less light comes than this share of the mean, no more is added."""
BITS = 14
"""Profiles are rounded to so many bits: two processors may differ in the last of a double."""
MAD = 1.4826

Float: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]


class Illumination(Plugin):
    """Flat-field correction, with profiles estimated for every plate, image size and channel."""

    kind: Literal["flatfield"] = "flatfield"
    fields: int = Field(
        default=200,
        ge=LEAST,
        le=2000,
        description="Fields of each plate that are looked at, spread over it evenly.",
    )
    dark: Annotated[float, Field(ge=0)] | Literal["estimate"] = Field(
        default=0.0,
        description="Grey value of the camera without light; or estimate: of every pixel, from "
        "fields of differing brightness.",
    )
    source: ClassVar[str] = "Peng et al. 2017, doi:10.1038/ncomms14836 (model)"


@dataclass(frozen=True)
class Profile:
    """Illumination of one channel.

    Attributes
    ----------
    flat : (y, x) float32
        Share of light, mean 1, everywhere above 0.
    dark : (y, x) float32
        Grey value without light.
    fields : int
        Fields it was estimated from; 0: none was of use, and nothing is corrected.
    smoothing_px : float
        Width that was chosen.
    """

    flat: NDArray[np.float32]
    dark: NDArray[np.float32]
    fields: int
    smoothing_px: float = 0.0


def estimate(fields: Array, settings: Illumination) -> Profile:
    """Estimate the illumination of one channel.

    Parameters
    ----------
    fields : (n, y, x) array
        Grey values; neither order nor number changes what is looked for.
    settings : Illumination

    Returns
    -------
    Profile
        All 1 and without fields where fewer than `LEAST` have any light.
    """
    shape = fields.shape[1:]
    offset = 0.0 if settings.dark == "estimate" else settings.dark
    values = fields.reshape(len(fields), prod(shape)).astype(np.float64) - offset
    values = values[np.isfinite(values).all(axis=1)]
    values = values[_lit(values)]
    if len(values) < LEAST:
        return Profile(np.ones(shape, np.float32), np.full(shape, offset, np.float32), 0)
    dim = settings.dark == "estimate"
    halves = [_fit(values[i::2], dim)[0].reshape(shape) for i in range(2)]
    width = _width(halves)
    flat, dark = (part.reshape(shape) for part in _fit(values, dim))
    flat = np.maximum(smooth(flat, width), LEAST_FLAT)
    flat /= flat.mean()
    dark = _anchored(smooth(dark, width), flat, values.min(axis=0)) if dim else dark + offset
    return Profile(_rounded(flat), _rounded(dark), len(values), width)


def _fit(values: Float, dim: bool) -> tuple[Float, Float]:
    """Flat-field and dark-field (p,) of fields (n, p), as noisy as they are."""
    flat, base, kept = _flat(values)
    return _lines(values, base, kept) if dim else (flat, np.zeros_like(flat))


def _lit(values: Float) -> Mask:
    """Fields that are not black."""
    if not len(values):
        return np.zeros(0, np.bool_)
    base = np.percentile(values, BACKGROUND, axis=1)
    return np.asarray(base > max(0.0, DIM * float(np.percentile(base, 90))))


def _flat(values: Float) -> tuple[Float, Float, Mask]:
    """Flat-field (p,), baseline of each field (n,), and which pixels (n, p) are background."""
    flat = _positive(np.percentile(values, BACKGROUND, axis=0))
    base, kept = _backgrounds(values / flat)
    for _ in range(ROUNDS):
        flat = _positive(_median((values / base[:, None]).T, kept.T))
        base, kept = _backgrounds(values / flat)
    return flat, base, kept


def _positive(flat: Float) -> Float:
    flat = np.maximum(flat, LEAST_FLAT * flat.mean())
    scaled: Float = flat / flat.mean()
    return scaled


def _backgrounds(even: Float) -> tuple[Float, Mask]:
    """Background of evenly lit fields, and where it is seen: not far above the rest.

    How far is counted in deviations below the background, which are not those of objects: of the
    field or of the pixel, whichever is larger.
    """
    few = np.ascontiguousarray(even[:, ::STRIDE])
    base = np.percentile(few, BACKGROUND, axis=1)
    pixel = _below(even.T / base)
    for _ in range(CLIPS):
        away = few / base[:, None]
        limit = 1 + BRIGHT * MAD * np.maximum(_below(away)[:, None], pixel[::STRIDE])
        base = _median(few, away <= limit)
    away = even / base[:, None]
    field = _below(np.ascontiguousarray(away[:, ::STRIDE]))
    kept = away <= 1 + BRIGHT * MAD * np.maximum(field[:, None], pixel)
    return base, kept | ~kept.any(axis=0)


def _below(away: Float) -> Float:
    """Median distance from 1 of what is not above it, along the last axis; 0 where all is."""
    kept = away <= 1
    found = 1 - _median(np.where(kept, away, 1.0), kept)
    return np.where(kept.any(axis=-1), found, 0.0)


def _median(values: Float, kept: Mask) -> Float:
    """Median of what is kept along the last axis; the first value where nothing is."""
    ranked = np.sort(np.where(kept, values, np.inf), axis=-1)
    number = np.maximum(kept.sum(axis=-1), 1)
    pair = np.stack([(number - 1) // 2, number // 2], axis=-1)
    found = np.take_along_axis(ranked, pair, axis=-1)
    middle: Float = (found[..., 0] + found[..., 1]) / 2
    return np.where(np.isfinite(middle), middle, values[..., 0])


def _lines(values: Float, base: Float, kept: Mask) -> tuple[Float, Float]:
    """Slope and intercept of every pixel over the fields' baselines, by reweighted least squares.

    The slope is drawn towards that of a line through the origin as far as baselines are alike.
    """
    weight = kept.astype(np.float64)
    x = base[:, None]
    slope = through = np.ones(values.shape[1])
    intercept = np.zeros(values.shape[1])
    for _ in range(4 * ROUNDS):
        total = np.maximum(weight.sum(axis=0), 1e-9)
        mx, my = (weight * x).sum(axis=0) / total, (weight * values).sum(axis=0) / total
        through = my / mx
        xx = (weight * (x - mx) ** 2).sum(axis=0) / total
        xy = (weight * (x - mx) * (values - my)).sum(axis=0) / total
        prior = (SPREAD * mx) ** 2
        slope = (xy + prior * through) / (xx + prior)
        intercept = my - slope * mx
        away = np.abs(values - slope * x - intercept)
        deviation = MAD * np.median(away, axis=0) + 1e-9
        weight = kept / np.maximum(1.0, away / (ROBUST * deviation)) ** 2
    mean = slope.mean()
    return slope / mean, intercept


def _anchored(dark: Float, flat: Float, darkest: Float) -> Float:
    """The dark-field that is least like the flat-field, from 0 to the darkest value seen.

    Data do not tell ``dark + c · flat`` from baselines that are lower by c.
    """
    tilt = flat - flat.mean()
    spread = (tilt**2).mean()
    share = (tilt * dark).mean() / spread if spread > 1e-6 else 0.0
    return np.clip(dark - share * flat, 0.0, np.maximum(darkest, 0.0).reshape(flat.shape))


def _width(halves: list[Float]) -> float:
    """Smoothing with which each half of the fields predicts the other best."""
    one, other = halves

    def error(width: float) -> float:
        return float(
            ((smooth(one, width) - other) ** 2).mean() + ((smooth(other, width) - one) ** 2).mean()
        )

    return min(SMOOTH, key=error)


def smooth(flat: Float, width: float) -> Float:
    """Smooth by local lines along y and x: unlike a Gaussian, it does not flatten the edges.

    Parameters
    ----------
    flat : (y, x) float64
    width : float
        Standard deviation of the weights in pixels; 0: none.

    Notes
    -----
    Local linear regression: Fan and Gijbels 1996, *Local Polynomial Modelling and Its
    Applications*.
    """
    if not width:
        return flat
    along_y, along_x = (_local_line(n, width) for n in flat.shape)
    lines: Float = np.einsum("ij,jk->ik", along_y, flat, optimize=False)
    return np.asarray(np.einsum("ij,kj->ki", along_x, lines, optimize=False))


def _local_line(n: int, width: float) -> Float:
    """Matrix (n, n) that replaces values by those of a line fitted around each."""
    place = np.arange(n, dtype=np.float64)
    away = place[None, :] - place[:, None]
    weight = np.exp(-0.5 * (away / width) ** 2)
    s0, s1, s2 = ((weight * away**k).sum(axis=1, keepdims=True) for k in range(3))
    even = np.maximum(s0 * s2 - s1**2, 1e-12)
    lines: Float = weight * (s2 - s1 * away) / even
    return lines if n > 1 else np.ones((1, 1))


def _rounded(values: Float) -> NDArray[np.float32]:
    most = float(np.abs(values).max())
    if most == 0:
        return np.zeros(values.shape, np.float32)
    step = 2.0 ** (np.ceil(np.log2(most)) - BITS)
    return np.asarray(np.rint(values / step) * step, np.float32)
