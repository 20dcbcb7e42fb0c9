"""Moments family: spatial, central, normalised and Hu moments and the inertia tensor.

In: labels only. Out: `AreaShape_*` under CellProfiler's names, indices in the order of the axes
(y, x; in volumes z, y, x). Spatial moments count from the corner of the object's bounding box, as
there, so no column is a position in the image. Moments of planes are NaN in volumes; those of
volumes, 198 more columns, are made where `volumes` asks for them. The inertia tensor is defined in
both. All lengths are voxels, whatever the spacing.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from voxelmill.features import Feature
from voxelmill.kernels.measure import Floats, Objects, index_objects
from voxelmill.kernels.measure_moments import covariance, power_sums
from voxelmill.kernels.measure_power_moments import (
    POWERS,
    central_moments,
    normalized_moments,
    raw_moments,
)
from voxelmill.plugin import Array, Labels, Pixels, Spacing

AXES = "zyx"
HU = (
    "η20 + η02",
    "(η20 - η02)² + 4 η11²",
    "(η30 - 3 η12)² + (3 η21 - η03)²",
    "a² + b², a = η30 + η12, b = η21 + η03",
    "(η30 - 3 η12) a (a² - 3 b²) + (3 η21 - η03) b (3 a² - b²)",
    "(η20 - η02) (a² - b²) + 4 η11 a b",
    "(3 η21 - η03) a (a² - 3 b²) - (η30 - 3 η12) b (3 a² - b²)",
)
"""Hu's invariants of the normalised moments η; a and b as in the fourth."""

Orders = list[tuple[int, ...]]


class Moments(Feature):
    """Spatial, central, normalised and Hu moments and the inertia tensor."""

    voxel_bytes: ClassVar[float] = 5.0
    kind: Literal["moments"] = "moments"
    source: ClassVar[str] = (
        "CellProfiler 4 MeasureObjectSizeShape (Stirling et al. 2021, "
        "doi:10.1186/s12859-021-04344-9); invariants: Hu 1962, doi:10.1109/TIT.1962.1057692"
    )
    volumes: bool = Field(
        default=False,
        description="Add the 198 columns of moments along three axes; NaN in planes.",
    )

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → unit; the same for every image."""
        return {name: unit for name, (unit, _) in _table(self.volumes).items()}

    def describe(self, channels: Sequence[str]) -> dict[str, str]:
        """Columns of this family → definition in one line."""
        return {name: text for name, (_, text) in _table(self.volumes).items()}

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Measure every object; pixels and `spacing_um` are not used.

        Parameters
        ----------
        labels : (z, y, x) int32 array
            Objects, ids above 0, not necessarily consecutive.
        image : mapping of str to (z, y, x) array
            Ignored.
        spacing_um : tuple of float
            Ignored: lengths are voxels.

        Returns
        -------
        dict of str to (n_objects,) float64 array
            The chosen of ``columns``, in ascending label order.
        """
        chosen = self.chosen(list(image))
        objects = index_objects(labels)
        found: dict[str, Array] = {}
        if any("InertiaTensor" in name for name in chosen):
            found |= _inertia(objects)
        if objects.planar or self.volumes:
            if any("SpatialMoment" in name for name in chosen):
                found |= _named("SpatialMoment", raw_moments(objects))
            if any(group in name for name in chosen for group in ("Central", "Normalized", "Hu")):
                found |= _about_centroid(objects)
        undefined = np.full(objects.ids.size, np.nan)
        return {name: found.get(name, undefined) for name in chosen}


def _orders(axes: int, group: str) -> Orders:
    """Powers of each axis; CellProfiler leaves out y³ of the first two groups in planes."""
    first = POWERS - (axes == 2 and group != "NormalizedMoment")
    return list(product(range(first), *[range(POWERS)] * (axes - 1)))


def _name(group: str, order: Sequence[int]) -> str:
    return "_".join(("AreaShape", group, *map(str, order)))


def _table(volumes: bool) -> dict[str, tuple[str, str]]:
    table = _moment_rows(2) | {_name("HuMoment", (k,)): ("1", HU[k]) for k in range(len(HU))}
    table = {name: (unit, f"{text}; planes only") for name, (unit, text) in table.items()}
    table |= _inertia_rows(2)
    if volumes:
        extra = _moment_rows(3) | _inertia_rows(3)
        table |= {
            name: (unit, f"{text}; volumes only")
            for name, (unit, text) in extra.items()
            if name not in table
        }
    return table


def _moment_rows(axes: int) -> dict[str, tuple[str, str]]:
    rows: dict[str, tuple[str, str]] = {}
    corner, centre = "from the bounding box's corner", "from the centroid"
    for group, where in (("SpatialMoment", corner), ("CentralMoment", centre)):
        for order in _orders(axes, group):
            powers = zip(AXES[-axes:], order, strict=True)
            summed = " ".join(f"{axis}^{power}" for axis, power in powers if power) or "1"
            unit = f"px^{sum(order) + 1}" if sum(order) else "px"
            rows[_name(group, order)] = (unit, f"sum of {summed} over the object, {where}")
    for order in _orders(axes, "NormalizedMoment"):
        index = "_".join(map(str, order))
        text = f"central moment {index} / size^({sum(order)}/{axes} + 1)"
        rows[_name("NormalizedMoment", order)] = ("1", text)
    return rows


def _inertia_rows(axes: int) -> dict[str, tuple[str, str]]:
    text = "of the inertia tensor of the voxel centres, divided by their number"
    rows = {
        _name("InertiaTensor", order): ("px^2", f"element {order[0]}, {order[1]} {text}")
        for order in product(range(axes), repeat=2)
    }
    for k in range(axes):
        rows[_name("InertiaTensorEigenvalues", (k,))] = (
            "px^2",
            f"eigenvalue {k} of the inertia tensor, largest first",
        )
    return rows


def _named(group: str, moments: Floats) -> dict[str, Floats]:
    planar = moments.shape[1] == 1
    return {
        _name(group, order): moments[:, 0, order[0], order[1]]
        if planar
        else moments[:, order[0], order[1], order[2]]
        for order in _orders(2 if planar else 3, group)
    }


def _about_centroid(objects: Objects) -> dict[str, Floats]:
    central = central_moments(objects, objects.once(power_sums))
    normalized = normalized_moments(central, 2 if objects.planar else 3)
    found = _named("CentralMoment", central) | _named("NormalizedMoment", normalized)
    if objects.planar:
        found |= {_name("HuMoment", (k,)): hu for k, hu in enumerate(_hu(normalized[:, 0]))}
    return found


def _hu(normalized: Floats) -> list[Floats]:
    def eta(p: int, q: int) -> Floats:
        return normalized[:, p, q]

    stretch, skew = eta(2, 0) - eta(0, 2), 4 * eta(1, 1)
    a, b = eta(3, 0) + eta(1, 2), eta(2, 1) + eta(0, 3)
    c, d = eta(3, 0) - 3 * eta(1, 2), 3 * eta(2, 1) - eta(0, 3)
    aa, bb = a * a, b * b
    return [
        eta(2, 0) + eta(0, 2),
        stretch * stretch + skew * eta(1, 1),
        c * c + d * d,
        aa + bb,
        c * a * (aa - 3 * bb) + d * b * (3 * aa - bb),
        stretch * (aa - bb) + skew * a * b,
        d * a * (aa - 3 * bb) - c * b * (3 * aa - bb),
    ]


def _inertia(objects: Objects) -> dict[str, Floats]:
    spread = covariance(objects.once(power_sums), objects.sizes)
    if objects.planar:
        spread = spread[:, 1:, 1:]
    axes = spread.shape[1]
    tensor = -spread
    for i in range(axes):
        tensor[:, i, i] = sum(spread[:, j, j] for j in range(axes) if j != i)
    eigenvalues = np.maximum(np.linalg.eigvalsh(tensor)[:, ::-1], 0.0)
    found = {
        _name("InertiaTensor", (i, j)): tensor[:, i, j] for i, j in product(range(axes), repeat=2)
    }
    return found | {_name("InertiaTensorEigenvalues", (k,)): eigenvalues[:, k] for k in range(axes)}
