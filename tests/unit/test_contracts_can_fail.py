"""The contract suite itself: a sound plugin passes every check, each kind of broken one fails."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import ClassVar, Literal, Self

import numpy as np
import pytest
from scipy import ndimage

from unit import test_contracts as contract
from unit import test_contracts_features as feature_contract
from unit import test_contracts_qc as qc_contract
from voxelmill.features import Feature
from voxelmill.plugin import Array, Index, Labels, NotFitted, Pixels, Spacing
from voxelmill.qc import Metric
from voxelmill.segmenters import Segmenter


class Sound(Segmenter):
    """Connected parts above half of the brightest."""

    kind: Literal["sound"] = "sound"
    source: ClassVar[str] = "textbook thresholding"
    diameter_px: float
    level: float | None = None

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:
        """Half of the maximum, where not given."""
        level = max(50.0, float(overview.max()) / 2) if self.level is None else self.level
        return type(self)(diameter_px=self.diameter_px, level=level)

    def halo(self, spacing_um: Spacing) -> Index:
        """Three diameters."""
        return 0, 36, 36

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:
        """Label what is above the level."""
        if self.level is None:
            raise NotFitted("sound: no level. Call fit")
        return self.parts(image[0] > self.level)

    def parts(self, mask: Array) -> Labels:
        """Label connected parts."""
        labels: Labels = ndimage.label(mask)[0].astype(np.int32)
        return labels


class NoSource(Sound):  # noqa: D101
    source: ClassVar[str] = ""


class UnitlessLength(Sound):
    """Has a length without a unit."""

    radius: float = 3


class Wide(Sound):
    """Returns ids of 64 bits."""

    def parts(self, mask: Array) -> Labels:  # noqa: D102
        return super().parts(mask).astype(np.int64)  # type: ignore[return-value]


class Flat(Sound):
    """Drops an axis."""

    def parts(self, mask: Array) -> Labels:  # noqa: D102
        return super().parts(mask)[0]


class Writes(Sound):
    """Writes into its input."""

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:  # noqa: D102
        image -= image.min()
        return super().__call__(image, spacing_um)


CALLS = count()


class Random(Sound):
    """Numbers objects differently at each call."""

    def parts(self, mask: Array) -> Labels:  # noqa: D102
        labels = super().parts(mask)
        order = 1 + np.roll(np.arange(labels.max()), next(CALLS))
        return np.concatenate([[0], order])[labels].astype(np.int32)


class Refits(Sound):
    """Estimates again what is set already."""

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:  # noqa: D102
        return type(self)(diameter_px=self.diameter_px, level=float(overview.max()) / 2)


class PerBlock(Sound):
    """Estimates its threshold anew in every block."""

    def __call__(self, image: Pixels, spacing_um: Spacing, seeds: Labels | None = None) -> Labels:  # noqa: D102
        return self.parts(image[0] > image.mean())


class ShortHalo(Sound):
    """Looks two voxels around, and asks for none."""

    def halo(self, spacing_um: Spacing) -> Index:  # noqa: D102
        return 0, 0, 0

    def parts(self, mask: Array) -> Labels:  # noqa: D102
        return super().parts(ndimage.binary_erosion(mask, np.ones((1, 3, 3)), 2))


class Sees(Sound):
    """Finds objects where nothing is."""

    def fit(self, overview: Pixels, spacing_um: Spacing) -> Self:  # noqa: D102
        return type(self)(diameter_px=self.diameter_px, level=self.level or -1.0)


class Count(Feature):
    """Number of voxels of each object."""

    kind: Literal["count"] = "count"
    source: ClassVar[str] = "counting voxels"

    def columns(self, channels: Sequence[str]) -> dict[str, str]:
        """One column."""
        return {"AreaShape_Area": "px"}

    def __call__(
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        """Count."""
        return {"AreaShape_Area": np.unique(labels[labels > 0], return_counts=True)[1]}


class ByPosition(Count):
    """Rows in raster order, not by label."""

    def __call__(  # noqa: D102
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        ids, first, counts = np.unique(labels[labels > 0], return_index=True, return_counts=True)
        return {"AreaShape_Area": counts[np.argsort(first)] + 0 * ids}


class BoxDependent(Count):
    """Share of the box."""

    def __call__(  # noqa: D102
        self, labels: Labels, image: Mapping[str, Pixels], spacing_um: Spacing
    ) -> dict[str, Array]:
        return {k: v / labels.size for k, v in super().__call__(labels, image, spacing_um).items()}


class Mean(Metric):
    """Mean grey value."""

    kind: Literal["mean"] = "mean"
    source: ClassVar[str] = "arithmetic mean"

    def columns(self) -> dict[str, str]:
        """One column."""
        return {"Intensity_Mean": "intensity"}

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:
        """Average."""
        return {"Intensity_Mean": float(image.mean(dtype=np.float64))}


class Infinite(Mean):
    """Divides by the contrast."""

    def __call__(self, image: Pixels, spacing_um: Spacing) -> dict[str, float]:  # noqa: D102
        span = float(image.max()) - float(image.min())
        return {"Intensity_Mean": 1 / span if span else float("inf")}


PLANTED, EMPTY = (
    contract.test_finds_the_planted_objects,
    contract.test_finds_nothing_in_an_empty_image,
)


@pytest.mark.parametrize(
    ("check", "cls", "arguments"),
    [
        (contract.test_says_what_it_is_and_where_it_comes_from, NoSource, ()),
        (contract.test_lengths_name_their_unit, UnitlessLength, ()),
        (PLANTED, Wide, ("plane",)),
        (PLANTED, Flat, ("plane",)),
        (PLANTED, Writes, ("plane",)),
        (PLANTED, Random, ("volume",)),
        (EMPTY, Sees, ()),
        (contract.test_fit_is_idempotent_and_recorded, Refits, ()),
        (contract.test_blocks_do_not_change_the_result, PerBlock, ()),
        (contract.test_blocks_do_not_change_the_result, ShortHalo, ()),
        (feature_contract.test_rows_ascend_by_label, ByPosition, ("plane",)),
        (feature_contract.test_values_do_not_depend_on_the_box, BoxDependent, ("volume",)),
        (qc_contract.test_odd_images_do_not_crash, Infinite, (np.zeros((1, 8, 8), np.uint16),)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_a_broken_plugin_fails(
    check: Callable[..., None], cls: type, arguments: tuple[object, ...]
) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(cls, *arguments)


def test_a_sound_segmenter_passes() -> None:
    contract.test_is_a_frozen_configuration_that_survives_json(Sound)
    contract.test_says_what_it_is_and_where_it_comes_from(Sound)
    contract.test_lengths_name_their_unit(Sound)
    contract.test_fit_is_idempotent_and_recorded(Sound)
    contract.test_unfitted_works_or_says_so(Sound)
    PLANTED(Sound, "plane")
    PLANTED(Sound, "volume")
    EMPTY(Sound)
    contract.test_the_stored_type_does_not_matter(Sound, ">u2")
    contract.test_blocks_do_not_change_the_result(Sound)


def test_sound_measures_pass() -> None:
    feature_contract.test_rows_ascend_by_label(Count, "volume")
    feature_contract.test_values_do_not_depend_on_the_box(Count, "volume")
    feature_contract.test_no_objects_no_rows(Count, "plane")
    qc_contract.test_an_ordinary_image_has_numbers(Mean)
    qc_contract.test_odd_images_do_not_crash(Mean, np.zeros((1, 8, 8), np.uint16))
