"""Metrics of objects: planted debris, clumps, cut and merged objects are found, sound ones not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxelmill.qc import ObjectMetric
from voxelmill.qc.border import Border
from voxelmill.qc.count import Count
from voxelmill.qc.intensity_outliers import IntensityOutliers
from voxelmill.qc.merged import Merged
from voxelmill.qc.nuclei_per_cell import NucleiPerCell
from voxelmill.qc.seam import Seam
from voxelmill.qc.size_outliers import SizeOutliers

IMAGES, EACH = 20, 60
IMAGE = np.repeat(np.arange(IMAGES), EACH)
COUNTS = np.full(IMAGES, float(EACH))
Array = NDArray[np.generic]


def sound(seed: int = 0) -> dict[str, Array]:
    """Nuclei of a sound plate: sizes and brightness log-normal, round, a tenth at the border."""
    rng = np.random.default_rng(seed)
    n = IMAGES * EACH
    return {
        "AreaShape_Area": 300 * np.exp(rng.normal(0, 0.3, n)),
        "AreaShape_Solidity": 1 - rng.gamma(2, 0.015, n),
        "Intensity_MeanIntensity_DNA": 900 * np.exp(rng.normal(0, 0.35, n)),
        "Metadata_Border": rng.random(n) < 0.1,
        "Metadata_Seam": np.zeros(n, np.bool_),
    }


def values_of(metric: ObjectMetric, columns: dict[str, Array]) -> NDArray[np.float64]:
    read = {c: columns[c] for c in metric.reads(columns, ["DNA"])}
    (values,) = metric(read, IMAGE, COUNTS).values()
    return values


def flagged(metric: ObjectMetric, columns: dict[str, Array]) -> dict[str, list[int]]:
    read = {c: columns[c] for c in metric.reads(columns, ["DNA"])}
    flags = metric.flags(metric(read, IMAGE, COUNTS), COUNTS)
    return {fault: np.flatnonzero(hit).tolist() for fault, hit in flags.items() if hit.any()}


METRICS = [SizeOutliers(), IntensityOutliers(), Merged(), Border(), Seam(), Count()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: str(m.kind))
@given(seed=st.integers(0, 2**32))
def test_sound_objects_are_not_flagged(metric: ObjectMetric, seed: int) -> None:
    assert flagged(metric, sound(seed)) == {}


def first(percent: float, of: int = 4) -> NDArray[np.int64]:
    """Rows of the first objects of one image."""
    return np.arange(of * EACH, of * EACH + round(EACH * percent / 100))


def test_debris_and_clumps_are_size_outliers() -> None:
    columns = sound()
    columns["AreaShape_Area"][first(20)] = 5
    columns["AreaShape_Area"][first(40)[12:]] = 9000
    assert values_of(SizeOutliers(), columns)[4] == 40
    assert flagged(SizeOutliers(), columns) == {"SizeOutliers": [4]}


def test_volumes_have_sizes_too() -> None:
    columns = sound()
    columns["AreaShape_Volume"] = columns["AreaShape_Area"]
    columns["AreaShape_Volume"][first(40)] = 5
    columns["AreaShape_Area"] = np.full(IMAGE.size, np.nan)
    assert flagged(SizeOutliers(), columns) == {"SizeOutliers": [4]}
    del columns["AreaShape_Volume"]
    assert np.isnan(values_of(SizeOutliers(), columns)).all()


def test_dead_cells_are_intensity_outliers_but_a_bright_well_is_not() -> None:
    columns = sound()
    columns["Intensity_MeanIntensity_DNA"][IMAGE == 7] *= 20
    assert flagged(IntensityOutliers(), columns) == {}
    columns["Intensity_MeanIntensity_DNA"][first(30)] *= 20
    assert flagged(IntensityOutliers(), columns) == {"IntensityOutliers": [4]}
    assert flagged(IntensityOutliers(channels=("ER",)), columns) == {}


def test_merged_objects_are_large_and_dented() -> None:
    columns = sound()
    few = first(20)
    columns["AreaShape_Area"][few] = 700
    assert 4 not in flagged(Merged(), columns).get("Merged", [])
    columns["AreaShape_Solidity"][few] = 0.8
    assert values_of(Merged(), columns)[4] >= 20
    assert flagged(Merged(), columns) == {"Merged": [4]}
    columns["AreaShape_Area"][few] = 300
    assert flagged(Merged(), columns) == {}


def test_a_share_at_the_border_far_above_the_plates() -> None:
    columns = sound()
    columns["Metadata_Border"][first(45)] = True
    assert flagged(Border(), columns) == {"BorderObjects": [4]}
    # Small fields or large objects: many at the border of every image.
    columns["Metadata_Border"][:] = np.tile(np.arange(EACH) < EACH / 2, IMAGES)
    assert flagged(Border(), columns) == {}


def test_objects_that_a_seam_may_have_cut() -> None:
    columns = sound()
    columns["Metadata_Seam"][first(3)] = True
    assert values_of(Seam(), columns)[4] == pytest.approx(100 * 2 / EACH)
    assert flagged(Seam(), columns) == {"CutObjects": [4]}


def test_cells_without_a_nucleus_and_with_several() -> None:
    number = np.ones(IMAGE.size)
    number[first(40)], number[first(50, of=9)] = 0, 3
    metric, columns = NucleiPerCell(), {"Children_Nuclei_Count": number}
    none, one, several = metric(columns, IMAGE, COUNTS).values()
    assert (none[4], one[4], several[4]) == (40, 60, 0)
    assert (none[9], one[9], several[9]) == (0, 50, 50)
    assert flagged(metric, columns) == {"CellsWithoutNucleus": [4], "SeveralNuclei": [9]}


def test_cells_grown_from_nuclei_have_one_each_and_other_children_are_not_asked() -> None:
    own = np.arange(IMAGE.size) + 1
    metric = NucleiPerCell(nuclei="small_nuclei")
    columns = {"Metadata_ObjectNumber": own, "Metadata_Parent_SmallNuclei": own}
    assert metric.reads(columns, ()) == (), "subtracted from cells, cytoplasm has none"
    none, one, _ = metric(columns, IMAGE, COUNTS).values()
    assert (none == 0).all()
    assert (one == 100).all()
    spots = {**columns, "Metadata_Parent_SmallNuclei": np.ones_like(own)}
    assert all(np.isnan(v).all() for v in metric(spots, IMAGE, COUNTS).values())


@pytest.mark.parametrize(
    ("counts", "fault"),
    [(5, "TooFewObjects"), (0, "TooFewObjects"), (400, "TooManyObjects"), (50, ""), (190, "")],
)
def test_counts_against_the_plate(counts: int, fault: str) -> None:
    rng = np.random.default_rng(0)
    all_of = rng.normal(100, 10, 30).round()
    all_of[11] = counts
    none = np.zeros(0, np.int64)
    flags = Count().flags(Count()({}, none, all_of), all_of)
    found = {f: np.flatnonzero(hit).tolist() for f, hit in flags.items() if hit.any()}
    assert found == ({fault: [11]} if fault else {})
    few = all_of[9:15]
    assert np.isnan(Count()({}, none, few)["ObjectQuality_CountDeviation"]).all()
