"""Networks of the BioImage Model Zoo that say of every pixel how deep in an object it lies.

In: as many channels as the model takes. Out: objects. The network sees tiles of a fixed grid over
the whole plane, normalised by numbers fitted once; what it says becomes integers, and these
objects (see ``kernels/instances``). Nothing depends on blocks or workers.
"""

import math
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from voxelmill.kernels.instances import LIMIT, Int32, above, instances, levels
from voxelmill.kernels.tilegrid import Float32, TileGrid, over_tiles
from voxelmill.plugin import BadConfig, Index, Labels, NotFitted, Pixels, Spacing
from voxelmill.segmenters._bioimageio import Network, network
from voxelmill.segmenters._fixed import fixed
from voxelmill.segmenters._package import Choice, Package
from voxelmill.segmenters._packagefile import fingerprint, package
from voxelmill.segmenters._step import Step, applied
from voxelmill.segmenters._tiled import Tiled

LARGEST = 3.0
"""Diameters up to which objects are the same in any block."""
FAR = 1.0
"""Diameters that an object reaches beyond its core."""
HOLE = 0.5
"""Largest hole that is filled in an object, in diameters."""
EDGE = 2
"""Pixels around an object and its surroundings that decide where it ends."""


class Known(BaseModel):
    """What a run has found of the image and of the package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Step, ...] = Field(description="preprocessing, with the image's statistics")
    tile_px: int = Field(description="edge of what the network sees at once")
    margin_px: int = Field(description="pixels on each side of it that are not used")


UNKNOWN = Known(steps=(), tile_px=192, margin_px=24)
"""Before a run has looked."""


class BioImageIO(Tiled):
    """Objects by a model of the BioImage Model Zoo, from a package on disk."""

    voxel_bytes: ClassVar[float] = 42.0
    most_channels: ClassVar[int] = 4
    kind: Literal["bioimageio"] = "bioimageio"
    model: str = Field(description="path to a package: a .zip, a folder, or the rdf.yaml in it")
    output: str | None = Field(None, description="name of the output; default: the first")
    foreground: int = Field(0, ge=0, description="channel of the output that is high in objects")
    boundary: int | None = Field(
        None,
        ge=-1,
        description="channel that is high where objects end; -1: none. Default: 1, if there is one "
        "and neither distances nor foreground is set",
    )
    distances: int | None = Field(
        None, ge=0, description="instead: channel with the distance to the object's end"
    )
    threshold: float = Field(0.5, description="foreground above it is in objects")
    seed_threshold: float = Field(
        0.5, description="foreground minus boundary, or distance, above it is the core of an object"
    )
    diameter_um: float | None = Field(None, gt=0, description="typical object diameter in µm")
    diameter_px: float | None = Field(
        None, gt=0, description="the same in pixels along x, for images without a pixel size"
    )
    batch: int = Field(
        1, ge=1, le=256, description="tiles that the network sees at a time; some models take one"
    )
    weights_format: Literal["onnx", "torchscript", "pytorch_state_dict"] | None = Field(
        None, description="default: the first that the package has; the last runs its Python code"
    )
    fitted: Known | None = Field(
        None, description="numbers of the image and the package; give them to fix them"
    )
    packages: ClassVar[tuple[str, ...]] = ("bioimageio.core", "onnxruntime", "torch")
    source: ClassVar[str] = (
        "Ouyang et al. 2022, doi:10.1101/2022.06.07.495102; cores grown by least distance"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [n for n in ("diameter_um", "diameter_px") if getattr(self, n) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "no diameter"
            raise ValueError(f"{found} given; set exactly one of diameter_um, diameter_px")
        if self.distances is not None and self.boundary not in (None, -1):
            raise ValueError("boundary and distances given; set one of them")
        if self.boundary == self.foreground:
            raise ValueError(f"boundary and foreground are channel {self.boundary}; set another")
        return self

    def prepared(self) -> Self:
        """Find the package, and note its digest.

        Raises
        ------
        BadConfig
            It is not there.
        """
        return self.model_copy(update={"sha256": fingerprint(package(self.model))})

    def environment(self) -> str:
        """The one with bioimageio.core."""
        return "bioimageio"

    def sized(self, spacing_um: Spacing) -> Self:
        """The diameter in µm, if it is given in pixels."""
        um = self._diameter(spacing_um) * spacing_um[2]
        return self.model_copy(update={"diameter_um": um, "diameter_px": None})

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Fix the preprocessing by the image's statistics.

        Raises
        ------
        BadConfig
            The package cannot be run, or not on this image.
        """
        if self.fitted is not None:
            return self
        sha256 = self.sha256 or fingerprint(package(self.model))
        found = self._network(len(overview), sha256).package
        self._said(found)
        seen = Known(steps=fixed(found.steps, overview), tile_px=found.tile, margin_px=found.margin)
        return self.model_copy(update={"fitted": seen, "sha256": sha256})

    def halo(self, spacing_um: Spacing) -> Index:
        """Of any object up to three diameters long, what is near, with all tiles that show it."""
        size = (LARGEST + FAR) * self._diameter(spacing_um)
        far = math.ceil(size) + EDGE + self._grid().reach
        return 0, far, far

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Segment one block.

        Raises
        ------
        NotFitted
            ``fit`` was not called.
        BadInput
            It is a volume.
        BadConfig
            The package takes another number of channels.
        """
        if self.fitted is None:
            raise NotFitted("BioImageIO: no fitted numbers. Call fit first.")
        plane, where = self.plane(image)
        net = self._network(len(image), self.sha256)
        used = [self.foreground, *self._said(net.package)]
        empty = np.zeros(len(used), np.float32)
        empty[0] = -LIMIT
        fields = over_tiles(
            plane,
            self._grid(),
            where,
            partial(applied, self.fitted.steps),
            lambda tiles: net.look(tiles)[:, used],
            empty,
            self.batch,
        )
        return self._objects(fields, math.ceil(self._diameter(spacing_um)))[None]

    def _objects(self, fields: Float32, size: int) -> Int32:
        """Objects of about `size` pixels of what the network said."""
        deep = levels(fields[0])
        mask = above(deep, self.threshold)
        if self.distances is not None:
            deep = levels(fields[1])
        elif len(fields) > 1:
            deep -= levels(fields[1])
        core = above(deep, self.seed_threshold)
        least = max(self.min_size_px, 1)
        return instances(mask, core, math.ceil(FAR * size), math.ceil(HOLE * size), least)

    def _said(self, found: Package) -> list[int]:
        """The channel of the output besides the foreground, if there is one."""
        boundary = self.boundary
        if boundary is None and self.foreground == 0 and found.outputs > 1:
            boundary = 1
        second = boundary if self.distances is None else self.distances
        used = [] if second in (None, -1) else [second]
        for channel in (self.foreground, *used):
            if channel >= found.outputs:
                raise BadConfig(
                    f"bioimageio: channel {channel} of the output; the package has {found.outputs}."
                    " Set foreground, boundary or distances"
                )
        return used

    def _network(self, channels: int, sha256: str) -> Network:
        """The network, which takes this number of channels."""
        net = network(self._choice(sha256), self.device)
        if net.package.channels != channels:
            raise BadConfig(
                f"bioimageio: {channels} channels; the package takes {net.package.channels}. "
                "Give as many in channel:"
            )
        return net

    def _choice(self, sha256: str) -> Choice:
        return Choice(package(self.model), sha256, self.output, self.weights_format)

    def _diameter(self, spacing_um: Spacing) -> float:
        """Diameter of the objects in pixels along x."""
        if self.diameter_um is not None:
            return self.diameter_um / spacing_um[2]
        return float(self.diameter_px or 1.0)

    def _grid(self) -> TileGrid:
        seen = self.fitted or UNKNOWN
        return TileGrid(seen.tile_px - 2 * seen.margin_px, seen.margin_px)
