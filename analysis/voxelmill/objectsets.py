"""Object sets as the configuration names them: found in pixels, or made of two others.

`Segmented` says in which channels objects are found and by which segmenter; `Subtracted` that they
are those of one set less those of another.
"""

from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from voxelmill.choice import AnySegmenter, tagged
from voxelmill.execution import Model

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class Segmented(Model):
    """Objects found in one channel, or in several together."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)
    channel: str | tuple[str, ...] = Field(
        description="Channel name as in `voxelmill inspect`, or its index; a list of them where "
        "the segmenter takes several."
    )
    segmenter: AnySegmenter
    halo_px: int = Field(
        default=0,
        ge=0,
        description="Least context of a block along y and x (along z as far in µm), for objects "
        "longer than the segmenter expects; the report says when it is needed.",
    )

    @model_validator(mode="after")
    def _not_too_many_channels(self) -> Self:
        most, given = self.segmenter.most_channels, len(self.channels)
        if not 1 <= given <= most:
            raise ValueError(f"{given} channels; this segmenter takes 1 to {most}")
        return self

    @property
    def channels(self) -> tuple[str, ...]:
        """The channel, or all of them."""
        return (self.channel,) if isinstance(self.channel, str) else self.channel

    @property
    def needs(self) -> tuple[str, ...]:
        """Object sets that must exist before."""
        seeds = getattr(self.segmenter, "seeds", None)
        return (seeds,) if isinstance(seeds, str) else ()


class Subtracted(Model):
    """Objects of one set minus those of another, with the ids of the first."""

    subtract: tuple[Name, Name] = Field(description="[cells, nuclei] gives the cytoplasm.")

    @property
    def needs(self) -> tuple[str, ...]:
        """Object sets that must exist before."""
        return self.subtract


def _object_set_kind(value: object) -> str:
    subtracts = "subtract" in value if isinstance(value, dict) else isinstance(value, Subtracted)
    return "subtract" if subtracts else "segment"


if TYPE_CHECKING:
    ObjectSet: TypeAlias = Segmented | Subtracted
else:
    ObjectSet = tagged({"segment": Segmented, "subtract": Subtracted}, _object_set_kind, "set")
