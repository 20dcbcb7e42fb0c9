"""A model's preprocessing as fixed numbers: the same for every pixel of an image.

In: the steps that a package describes, and an overview. Out: `Step`s. Statistics are those of the
pixels as they are, before any step, as in bioimageio.core; of each tile, they would make seams.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array, BadConfig
from voxelmill.segmenters._step import Each, Step

Float64: TypeAlias = NDArray[np.float64]
Described: TypeAlias = tuple[str, Mapping[str, Any]]
"""Name and settings of a step; axes by one letter: b, c, y, x."""

LEAST_STD = 1e-6
"""Added to a fixed standard deviation, as bioimageio.core does."""


def fixed(described: Sequence[Described], overview: Array) -> tuple[Step, ...]:
    """Fix the numbers of all steps.

    Parameters
    ----------
    described : sequence of (str, mapping)
    overview : (c, z, y, x) array
        The whole image, mean-pooled.

    Raises
    ------
    BadConfig
        A step that no fixed numbers can replace.
    """
    known = [c[np.isfinite(c)] if c.dtype.kind == "f" else c.ravel() for c in overview]
    steps = (_fixed(name, settings, known) for name, settings in described)
    return tuple(step for step in steps if step != Step())


def _fixed(name: str, settings: Mapping[str, Any], known: list[Array]) -> Step:
    make = STEPS.get(name)
    if make is None:
        raise BadConfig(
            f"bioimageio: preprocessing '{name}'; allowed: {', '.join(STEPS)}. Choose another model"
        )
    axes = settings.get("axes")
    if axes is not None and not {"y", "x"} <= set(axes):
        raise BadConfig(
            f"bioimageio: preprocessing '{name}' over axes {', '.join(axes)}; allowed: statistics "
            "of whole planes (y and x). Choose another model"
        )
    if settings.get("reference_tensor") is not None or settings.get("axis", "c") != "c":
        raise BadConfig(
            f"bioimageio: preprocessing '{name}' by another tensor or axis; allowed: the input's "
            "own channels. Choose another model"
        )
    together = axes is None or "c" in axes
    return make(settings, [np.concatenate(known)] if together else known)


def _each(value: float | Sequence[float]) -> Each:
    return tuple(float(v) for v in np.atleast_1d(value))


def _percentiles(known: list[Array], percent: float, method: Any) -> Float64:  # noqa: ANN401 - numpy's literals
    return np.array([np.percentile(c, percent, method=method) if c.size else 0 for c in known])


def _linear(settings: Mapping[str, Any], _: list[Array]) -> Step:
    return Step(gain=_each(settings["gain"]), offset=_each(settings["offset"]))


def _given_variance(settings: Mapping[str, Any], _: list[Array]) -> Step:
    mean, std = np.atleast_1d(settings["mean"]), np.atleast_1d(settings["std"])
    return Step.over(mean, std + LEAST_STD)


def _variance(settings: Mapping[str, Any], known: list[Array]) -> Step:
    mean = np.array([c.mean(dtype=np.float64) if c.size else 0.0 for c in known])
    std = np.array([c.std(dtype=np.float64) if c.size else 0.0 for c in known])
    return Step.over(mean, std + settings["eps"])


def _range(settings: Mapping[str, Any], known: list[Array]) -> Step:
    low = _percentiles(known, settings["min_percentile"], "linear")
    high = _percentiles(known, settings["max_percentile"], "linear")
    return Step.over(low, high - low + settings["eps"])


def _clip(settings: Mapping[str, Any], known: list[Array]) -> Step:
    ends: list[Each | None] = []
    for end in ("min", "max"):
        percent = settings.get(f"{end}_percentile")
        value = settings.get(end)
        if percent is not None:
            value = _percentiles(known, percent, "inverted_cdf").tolist()
        ends.append(None if value is None else _each(value))
    return Step(low=ends[0], high=ends[1])


def _kind(settings: Mapping[str, Any], _: list[Array]) -> Step:
    dtype = np.dtype(settings["dtype"])
    if dtype.kind == "f":
        return Step()
    if dtype.kind not in "ui":
        raise BadConfig(f"bioimageio: preprocessing to {dtype}; allowed: numbers. Choose another")
    info = np.iinfo(dtype)
    return Step(low=_each(info.min), high=_each(info.max), whole=True)


STEPS: Mapping[str, Callable[[Mapping[str, Any], list[Array]], Step]] = {
    "ensure_dtype": _kind,
    "scale_linear": _linear,
    "scale_range": _range,
    "clip": _clip,
    "zero_mean_unit_variance": _variance,
    "fixed_zero_mean_unit_variance": _given_variance,
}
