"""Cellpose: a network leads every pixel to the centre of its object; one file for 3 and 4.

In: one channel, or two (cytoplasm, nuclei). Out: objects of any shape. The network sees tiles of a
fixed grid over the whole plane, scaled so that objects have the size that it knows; where pixels
end is followed in integers (see ``kernels/flows``). Neither depends on blocks or workers.
"""

import math
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from voxelmill.kernels.flow_error import flow_errors
from voxelmill.kernels.flows import Int32, objects_of, steps_from
from voxelmill.kernels.holes import fill_holes
from voxelmill.kernels.instances import kept
from voxelmill.kernels.tilegrid import TileGrid, over_tiles
from voxelmill.plugin import BadInput, Index, Labels, NotFitted, Pixels, Spacing
from voxelmill.segmenters._network import device_of, network
from voxelmill.segmenters._tiled import Tiled
from voxelmill.segmenters._views import looked_at, normalised
from voxelmill.segmenters._weights import fingerprint, for_sam, weights

ROUNDS = 200
"""Steps that a pixel takes, for objects of the size that the network knows."""
SCALE = 1 / 5
"""Networks give five times the step."""
LARGEST = 3.0
"""Diameters up to which objects are the same in any block."""
MARGIN = 24
"""Pixels, as the network sees them, around what is kept of a tile."""
SEED = 12
"""Pixels around an object that decide where it ends."""
PIXELS_PER_S = {3: 86_000 / 1.6, 4: 5_100 / 1.8}
"""Pixels a core does in a second without GPU (AMD EPYC), margins of the tiles counted."""
OUTSIDE = -20.0
"""Logit where the network has not looked."""


class Seen(BaseModel):
    """What a run has found of the image and of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: tuple[float, ...] = Field(description="first percentile of each channel")
    high: tuple[float, ...] = Field(description="99th percentile of each channel")
    network_px: float = Field(description="diameter that the network knows")
    typical_px: float = Field(description="diameter in the images it was trained on")
    tile_px: int = Field(description="edge of what the network sees at once")


UNSEEN = Seen(low=(), high=(), network_px=30, typical_px=30, tile_px=224)
"""Before a run has looked: what most networks are like."""


class Cellpose(Tiled):
    """Cells or nuclei of any shape, by a network with given weights."""

    voxel_bytes: ClassVar[float] = 50.0
    most_channels: ClassVar[int] = 2
    kind: Literal["cellpose"] = "cellpose"
    model: str = Field(
        description="path to weights of Cellpose 3 or 4, or name of a model in Cellpose's folder"
    )
    diameter_um: float | None = Field(
        None, gt=0, description="diameter of the objects in µm; default: the model's, in pixels"
    )
    diameter_px: float | None = Field(
        None, gt=0, description="the same in pixels along x, for images without a pixel size"
    )
    flow_threshold: float = Field(
        0.4, ge=0, description="largest error of the flow in an object; 0: do not look"
    )
    cellprob_threshold: float = Field(
        0.0, description="logit above which a pixel belongs to an object"
    )
    batch: int = Field(4, ge=1, le=256, description="tiles that the network sees at a time")
    fitted: Seen | None = Field(
        None, description="numbers of the image and the network; give them to fix them"
    )
    packages: ClassVar[tuple[str, ...]] = ("cellpose", "torch")
    source: ClassVar[str] = (
        "Stringer et al. 2021, doi:10.1038/s41592-020-01018-x; Cellpose-SAM: Pachitariu et al. "
        "2025, doi:10.1101/2025.04.28.651001"
    )

    @model_validator(mode="after")
    def _one_diameter(self) -> Self:
        if self.diameter_px is not None and self.diameter_um is not None:
            raise ValueError(
                "diameter_um and diameter_px given; set one of diameter_um, diameter_px"
            )
        return self

    def prepared(self) -> Self:
        """Find the weights, and note their digest.

        Raises
        ------
        BadConfig
            They are not there.
        """
        return self.model_copy(update={"sha256": fingerprint(weights(self.model))})

    def environment(self) -> str:
        """That of the version of Cellpose that the weights are for."""
        return "cellpose-sam" if for_sam(self.model) else "cellpose3"

    def note(self, voxels: int, workers: int) -> str:
        """Warn, where there is no GPU, of what that takes."""
        if device_of(self.device) == "cuda":
            return ""
        minutes = voxels / PIXELS_PER_S[4 if for_sam(self.model) else 3] / workers / 60
        return (
            f"cellpose: no GPU here; {voxels / 1e6:.0f} Mpx take the network about "
            f"{max(minutes, 1):.0f} min on {workers} cores"
        )

    def sized(self, spacing_um: Spacing) -> Self:
        """The diameter in µm, if it is given in pixels."""
        if self.diameter_px is None:
            return self
        um = self.diameter_px * spacing_um[2]
        return self.model_copy(update={"diameter_um": um, "diameter_px": None})

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Find percentiles of the image and what the network expects."""
        if self.fitted is not None:
            return self
        known = [c[np.isfinite(c)] if c.dtype.kind == "f" else c for c in overview]
        limits = [np.percentile(c, (1, 99)) if c.size else np.zeros(2) for c in known]
        low, high = np.transpose(limits)
        sha256 = self.sha256 or self.prepared().sha256
        net = network(weights(self.model), sha256, device_of(self.device))
        seen = Seen(
            low=tuple(low.tolist()),
            high=tuple(high.tolist()),
            network_px=net.diameter,
            typical_px=net.typical,
            tile_px=net.tile,
        )
        return self.model_copy(update={"fitted": seen, "sha256": sha256})

    def halo(self, spacing_um: Spacing) -> Index:
        """Of any object up to three diameters long, all cells of the grid with their margins."""
        far = math.ceil(LARGEST * self._diameter(spacing_um)) + SEED + self._grid(spacing_um).reach
        return 0, far, far

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block.

        Raises
        ------
        NotFitted
            ``fit`` was not called.
        BadInput
            It is a volume, or has more channels than the network.
        """
        if self.fitted is None:
            raise NotFitted("Cellpose: no fitted numbers. Call fit first.")
        seen = self.fitted
        plane, where = self.plane(image)
        net = network(weights(self.model), self.sha256, device_of(self.device))
        if image.shape[0] > net.channels:
            raise BadInput(f"cellpose: {image.shape[0]} channels; the weights take {net.channels}")
        empty = np.array([0, 0, OUTSIDE], np.float32)
        fields = over_tiles(
            plane,
            self._grid(spacing_um),
            where,
            partial(normalised, np.array(seen.low), np.array(seen.high)),
            partial(looked_at, net),
            empty,
            self.batch,
        )
        inside = fields[2] > self.cellprob_threshold
        steps = steps_from(fields[:2], SCALE, inside)
        del fields
        rounds = max(1, round(ROUNDS * self._diameter(spacing_um) / seen.network_px))
        labels = self._sound(objects_of(steps, inside, rounds), steps)
        size = math.ceil(self._diameter(spacing_um))
        return fill_holes(labels[None], size * size, (1, size, size))

    def _sound(self, labels: Int32, steps: Int32) -> Int32:
        """Objects that are large enough and whose shape explains the flow in them."""
        count = int(labels.max(initial=0))
        keep = np.bincount(labels.ravel(), minlength=count + 1) >= max(self.min_size_px, 1)
        if self.flow_threshold:
            keep &= flow_errors(labels, steps, count) <= self.flow_threshold
        return kept(labels, keep)

    def _diameter(self, spacing_um: Spacing) -> float:
        """Diameter of the objects in pixels along x."""
        if self.diameter_px is not None:
            return self.diameter_px
        um = self.diameter_um
        return (self.fitted or UNSEEN).typical_px if um is None else um / spacing_um[2]

    def _grid(self, spacing_um: Spacing) -> TileGrid:
        """Tiles such that objects are as large as the network knows them."""
        seen = self.fitted or UNSEEN
        scale = seen.network_px / self._diameter(spacing_um)
        margin = max(1, round(MARGIN / scale))
        return TileGrid(max(1, round(seen.tile_px / scale) - 2 * margin), margin)
