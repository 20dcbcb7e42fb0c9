"""Nuclei by rainfall watershed on distance and intensity, with a learned rule for merging.

In: one channel. Out: objects, 1…n in raster order. The stages, each local:

1. quantise, subtract the fitted background surface, smooth a little;
2. permissive mask: above the fitted threshold, small holes filled;
3. coarse basins of its distance map give every voxel the brightness of its surroundings, and the
   mask is peeled to where the image exceeds a share of that: a bright nucleus loses its glow, a dim
   one beside it keeps its own outline;
4. basins of a relief of distance and relative intensity, deliberately too many, and the tree of
   their merges; a merge is kept where both halves look like one object (`WEIGHTS`);
5. each object is peeled to a share of its own brightness; what is hardly darker at its edge than
   inside is a piece of glow and goes; the largest piece of the rest stays.
"""

from typing import ClassVar, Literal, Self

import cv2
import numpy as np
from pydantic import Field

from voxelmill.kernels.distance import STEPS, distance
from voxelmill.kernels.holes import fill_holes
from voxelmill.kernels.light import add_light, relabel
from voxelmill.kernels.outline import edge_levels, peel
from voxelmill.kernels.oversize import Cut
from voxelmill.kernels.pieces import largest_pieces
from voxelmill.kernels.runs import Runs, runs
from voxelmill.kernels.size import typical_diameter
from voxelmill.kernels.smooth import reach, smooth
from voxelmill.kernels.tree import gather, highest, lift, merge_tree, select
from voxelmill.kernels.watershed import Basins, Pairs, find_basins, weigh
from voxelmill.plugin import Index, Labels, Pixels, Spacing
from voxelmill.segmenters._sized import (
    HOLE,
    TILE_DIAMETERS,
    Int32,
    Int64,
    Mask,
    Sized,
    at_value,
    fit_levels,
)

MOST, NEAR, REFIT = 4.0, 1.1, 1.3
"""The diameter is adapted by at most MOST, and to within a factor NEAR of the one measured."""
WEIGHTS = (-22.15, 5.67, 10.8, 19.37, 9.28, -5.81, -1.49, -0.41)
"""Logistic regression of `Pairs.features` on the merges of a public training set (BBBC039)."""


class Watershed(Sized):
    """Round objects, touching or not, dim or bright: nuclei."""

    voxel_bytes: ClassVar[float] = 27.0
    kind: Literal["watershed"] = "watershed"
    adapt: bool = Field(
        True, description="adapt to objects far from the diameter, as measured on the overview"
    )
    outline: float = Field(
        0.46, gt=0, lt=1, description="share of an object's brightness at its edge"
    )
    smallest: float = Field(
        0.05, ge=0, lt=1, description="smallest object, as a share of the expected area or volume"
    )
    value: float | None = Field(
        None,
        description="grey value above which foreground is looked for, for images so crowded that "
        "they show no background; without it, it is fitted",
    )
    source: ClassVar[str] = (
        "Rainfall watershed: Beucher and Lantuéjoul 1979; choice of nodes in a merge tree: "
        "Arteta et al. 2012, doi:10.1007/978-3-642-33415-3_43, with local features."
    )

    SMOOTH: ClassVar[float] = 0.025
    RELIEF: ClassVar[float] = 0.036
    BRIGHT: ClassVar[float] = 0.27
    CAP: ClassVar[float] = 0.6
    COARSE: ClassVar[float] = 1.5
    LARGEST: ClassVar[float] = 3.0
    JOIN: ClassVar[float] = 0.85
    RIM: ClassVar[float] = 0.8
    FAINT: ClassVar[float] = 0.86

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fit the integer scale, the background surface and the permissive threshold."""
        if self.fitted is not None:
            return self
        expected = self.diameter(spacing_um)
        fitted = self.measured(overview, spacing_um)
        if fitted.adapt and not 1 / REFIT < fitted.diameter(spacing_um) / expected < REFIT:
            fitted = fitted.measured(overview, spacing_um)
        return fitted

    def measured(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fit at the present diameter, and measure the typical one."""
        expected = self.diameter(spacing_um)
        tile_um = TILE_DIAMETERS * expected if self.value is None else None
        fit = at_value(fit_levels(overview[0], spacing_um, tile_um), self.value)
        fitted = self.model_copy(update={"fitted": fit})
        if not self.adapt:
            return fitted
        above, threshold = fitted.levels(overview[0], spacing_um)
        mask = (smooth(above, (0.0, 0.7, 0.7)) > threshold).view(np.uint8)
        step = (spacing_um[0] / spacing_um[2], spacing_um[1] / spacing_um[2], 1.0)
        found = typical_diameter(mask, step, MOST * expected / spacing_um[2]) * spacing_um[2]
        return fitted.model_copy(update={"fitted": fit.model_copy(update={"typical_um": found})})

    def diameter(self, spacing_um: Spacing) -> float:
        """Diameter in µm: the given one, brought near the fitted one if it is far from it."""
        given = super().diameter(spacing_um)
        found = self.fitted.typical_um if self.fitted and self.adapt else 0.0
        if found <= 0:
            return given
        ratio = float(np.clip(found / given, 1 / MOST, MOST))
        return given * max(ratio / NEAR, 1.0) * min(ratio * NEAR, 1.0)

    def halo(self, spacing_um: Spacing) -> Index:
        """Sum of the reaches of all stages."""
        share = self.COARSE + self.LARGEST + 2 * self.CAP + HOLE
        fixed = [
            reach(a) + 2 * reach(b) + 3
            for a, b in zip(
                self.sigma(self.SMOOTH, spacing_um, 0.7),
                self.sigma(self.RELIEF, spacing_um, 0.7),
                strict=True,
            )
        ]
        z, y, x = (a + b for a, b in zip(self.voxels(share, spacing_um), fixed, strict=True))
        return z, y, x

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block; see the module's text for the stages."""
        above, threshold = self.levels(image[0], spacing_um)
        bright = smooth(above, self.sigma(self.SMOOTH, spacing_um, 0.7))
        mask = (bright > threshold).view(np.uint8)
        if not mask.any():
            return np.zeros(mask.shape, np.int32)
        flat = mask.shape[0] == 1
        volume = self.volume(flat, spacing_um)
        fill_holes(mask, *self.holes(flat, spacing_um))
        inside = runs(mask)
        basins, around = self._brightness(inside, bright, above, spacing_um)
        least = np.ceil(self.RIM * self.outline * around).astype(np.int32)
        peel(mask, inside, bright, basins.labels, least)
        inside = runs(majority(mask))
        work = above, basins.labels
        objects, own, cut = self._objects(inside, bright, around, volume, work, spacing_um)
        peel(objects, inside, bright, objects, np.ceil(self.outline * own).astype(np.int32))
        count, level = edge_levels(objects, inside, bright, own.size - 1)
        wanted = level <= self.FAINT * own.astype(np.float64) * count
        least_size = max(int(self.smallest * volume), 1)
        ids, _ = largest_pieces(objects, least_size, wanted, inside, work[1])
        if cut.any():
            ids[cut[objects]] *= -1
        return ids

    def _depth(self, inside: Runs, work: Int32, spacing_um: Spacing) -> Int32:
        """Distance map in 1/64 of a voxel along x."""
        step = (spacing_um[0] / spacing_um[2], spacing_um[1] / spacing_um[2], 1.0)
        cap = self.CAP * self.diameter(spacing_um) / spacing_um[2]
        return distance(inside, work.shape, step, cap, work)

    def _relief(self, depth: Int32, spacing_um: Spacing, out: Int32) -> Int32:
        """The same smoothed."""
        return smooth(depth, self.sigma(self.RELIEF, spacing_um, 0.7), out)

    def _brightness(
        self, inside: Runs, bright: Int32, work: Int32, spacing_um: Spacing
    ) -> tuple[Basins, Int64]:
        """Coarse basins, and the brightness of the coarse object that each lies in, (n + 1,)."""
        depth = self._depth(inside, work, spacing_um)
        basins = find_basins(
            self._relief(depth, spacing_um, work), inside, bright, depth, self._cut(spacing_um)
        )
        lower = np.minimum(basins.top[basins.first], basins.top[basins.second])
        weight = basins.saddle / lower
        order = np.lexsort((basins.second, basins.first, -weight))
        order = order[weight[order] > self.JOIN]
        limit = np.array(self.voxels(self.COARSE, spacing_um), np.int64)
        parent, children, _ = merge_tree(
            basins.first[order], basins.second[order], basins.bounds, limit
        )
        sums = gather(basins.sums, children)
        chosen = select(parent, np.ones(parent.size, bool), basins.top.size - 1)
        return basins, _own_level(sums)[chosen]

    def _objects(
        self,
        inside: Runs,
        bright: Int32,
        around: Int64,
        volume: float,
        memory: tuple[Int32, Int32],
        spacing_um: Spacing,
    ) -> tuple[Labels, Int64, Mask]:
        """Split the mask into objects by the tree of merges.

        Also the own level of each, and whether it is a piece of what is too large.
        """
        height = self.BRIGHT * self.diameter(spacing_um) / spacing_um[2] * STEPS
        work, groups = memory
        depth = self._depth(inside, work, spacing_um)
        add_light(depth, inside, bright, groups, height / np.maximum(around, 1), int(1.5 * height))
        basins = find_basins(
            self._relief(depth, spacing_um, work), inside, bright, depth, self._cut(spacing_um)
        )
        a, b, n = basins.first, basins.second, basins.top.size - 1
        lower = np.minimum(basins.top[a], basins.top[b])
        edges = Pairs(basins.sums[a], basins.sums[b], basins.border, basins.saddle, lower)
        order = np.lexsort((b, a, -weigh(edges.features(volume), WEIGHTS)))
        a, b = a[order], b[order]
        limit = np.array(self.voxels(self.LARGEST, spacing_um), np.int64)
        parent, children, edge = merge_tree(a, b, basins.bounds, limit)
        sums, top = gather(basins.sums, children), highest(basins.top, children)
        border = lift(a, b, basins.border[order], parent)
        left, right = children[n + 1 :, 0], children[n + 1 :, 1]
        saddle = basins.saddle[order][edge[n + 1 :]]
        lower = np.minimum(top[left], top[right])
        merges = Pairs(sums[left], sums[right], border[n + 1 :], saddle, lower)
        together = weigh(merges.features(volume), WEIGHTS) > 0
        chosen = select(parent, np.append(np.ones(n + 1, bool), together), n)
        cut = np.zeros(parent.size, bool)
        cut[chosen[basins.whole + 1 :]] = True
        relabel(basins.labels, inside, chosen)
        return basins.labels, _own_level(sums), cut

    def _cut(self, spacing_um: Spacing) -> Cut:
        """Basins longer than any object may be are cut."""
        limit, cell = self.voxels(self.LARGEST, spacing_um), self.voxels(self.COARSE, spacing_um)
        return Cut(limit, cell, self.origin)


def majority(mask: Mask) -> Mask:
    """Median over 3 by 3 in each plane."""
    out = np.empty_like(mask)
    for plane, smoothed in zip(mask, out, strict=True):
        cv2.medianBlur(plane, 3, smoothed)
    return out


def _own_level(sums: Int64) -> Int64:
    """Contraharmonic mean of the brightness of each region (dim rims hardly count)."""
    level: Int64 = sums[:, 11] // np.maximum(sums[:, 10], 1)
    return level
