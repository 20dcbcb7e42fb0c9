"""One step of preprocessing, with fixed numbers: what becomes of a pixel depends on it alone."""

from collections.abc import Sequence
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from voxelmill.plugin import Array

Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]
Each: TypeAlias = tuple[float, ...]


class Step(BaseModel):
    """Gain, offset and limits, by channel; then, with `whole`, the fraction is dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: Each = Field((1.0,), description="factor of each channel, or one for all")
    offset: Each = Field((0.0,), description="what is then added")
    low: Each | None = Field(None, description="then the smallest value")
    high: Each | None = Field(None, description="then the largest value")
    whole: bool = Field(False, description="values are integers")

    @classmethod
    def over(cls, zero: Float64, width: Float64) -> Self:
        """The step that makes `zero` 0 and what lies `width` above it 1."""
        gain = 1 / width
        return cls(gain=tuple(gain.tolist()), offset=tuple((-zero * gain).tolist()))

    def __call__(self, values: Float64) -> Float64:
        """Apply to (c, y, x)."""
        found = values * _column(self.gain) + _column(self.offset)
        if self.low is not None:
            found = np.maximum(found, _column(self.low))
        if self.high is not None:
            found = np.minimum(found, _column(self.high))
        return np.trunc(found) if self.whole else found


def _column(numbers: Each) -> Float64:
    return np.array(numbers)[:, None, None]


def applied(steps: Sequence[Step], part: Array) -> Float32:
    """Pixels (c, y, x) as the network is to see them; what is no number is 0."""
    values = part.astype(np.float64)
    for step in steps:
        values = step(values)
    return np.nan_to_num(values.astype(np.float32))
