"""What segmenters with a network share: where it runs, where a block lies, planes only."""

from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import Field

from voxelmill.kernels.tilegrid import Place
from voxelmill.plugin import Array, BadInput, Index, Pixels
from voxelmill.segmenters import Segmenter

Where: TypeAlias = tuple[Place, Place]


class Tiled(Segmenter):
    """Base of segmenters that look at tiles of a fixed grid over a plane."""

    base_bytes: ClassVar[int] = 700 << 20
    planes: ClassVar[bool] = True
    model: str = Field(description="file that the network is read from")
    min_size_px: int = Field(15, ge=0, description="smallest object in pixels")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the network runs")
    sha256: str = Field("", description="of what is read; found at the start of a run")
    origin: Index = Field((0, 0, 0), description="set by the engine for each block")
    extent: Index = Field((0, 0, 0), description="set by the engine for each block")

    def at(self, origin: Index, extent: Index) -> Self:
        """Return the segmenter for a block that starts at `origin` of an image of `extent`."""
        return self.model_copy(update={"origin": origin, "extent": extent})

    def plane(self, image: Pixels) -> tuple[Array, Where]:
        """The one plane of a block (c, y, x), its position in the image and the image's extent.

        Raises
        ------
        BadInput
            There are several.
        """
        _, depth, height, width = image.shape
        if depth > 1:
            kind = type(self).model_fields["kind"].default
            raise BadInput(f"{kind}: {depth} planes; allowed: 1. Segment planes")
        _, y, x = self.extent if any(self.extent) else (1, height, width)
        return image[:, 0], (self.origin[1:], (y, x))
