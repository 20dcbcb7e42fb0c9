"""Metrics of plates: planted effects are found, clean plates not flagged, formulas are right."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from plates import COUNT, counts, plate
from voxelmill.qc import Finding, Plate, PlateMetric
from voxelmill.qc._plate import place_of
from voxelmill.qc._robust import chi_square, differ, polish, ranks, two_sided
from voxelmill.qc.controls import Controls
from voxelmill.qc.drift import Drift, slope, spearman
from voxelmill.qc.edge import Edge
from voxelmill.qc.failed_wells import FailedWells
from voxelmill.qc.outlier_wells import OutlierWells
from voxelmill.qc.position import Position

LAYOUT: list[PlateMetric] = [Position(), Edge(), Drift(), OutlierWells()]
CHANNELS = ("DNA", "AGP", "ER")
ROWS, COLUMNS = np.mgrid[:16, :24]


def bad(metric: PlateMetric, of: Plate) -> list[Finding]:
    return [f for f in metric(of).findings if f.verdict != "pass"]


def clean(seed: int, shape: tuple[int, int] = (16, 24)) -> dict[str, NDArray[np.float64]]:
    """A plate without any effect: counts of two sets, backgrounds of three channels."""
    rng = np.random.default_rng([seed, 1])
    found = {COUNT: counts(seed, shape), "Metadata_Count_Spots": counts(seed + 1, shape, 30, 0.2)}
    for channel in CHANNELS:
        found[f"ImageQuality_Background_{channel}"] = rng.lognormal(5, 0.1, shape)
    return found


@pytest.mark.parametrize(("shape", "plates"), [((16, 24), 200), ((8, 12), 200), ((4, 6), 200)])
def test_clean_plates_give_no_false_alarm(shape: tuple[int, int], plates: int) -> None:
    alarms = sum(
        any(bad(metric, of) for metric in LAYOUT)
        for of in (plate(clean(seed, shape), shape) for seed in range(plates))
    )
    assert alarms / plates < 0.02


def test_a_tenth_of_active_wells_is_no_effect_of_position() -> None:
    for seed in range(20):
        values = counts(seed)
        values[np.random.default_rng(seed).random(values.shape) < 0.1] *= 0.4
        of = plate({COUNT: values})
        assert not [f for metric in LAYOUT[:3] for f in bad(metric, of)]


EDGE = (ROWS % 15 == 0) | (COLUMNS % 23 == 0)


@pytest.mark.parametrize(
    ("factor", "metric", "name", "others"),
    [
        (1 - 0.25 * EDGE, Edge(), "edge effect", {"row effect", "column effect"}),
        (1 + 0.3 * ROWS / 15, Position(), "row effect", {"drift"}),
        (1 + 0.3 * COLUMNS / 23, Position(), "column effect", set()),
        (1 - 0.3 * (COLUMNS == 7), Position(), "column effect", {"outlier wells"}),
        (1 + 0.4 * (24 * ROWS + COLUMNS) / 384, Drift(), "drift", {"row effect"}),
    ],
    ids=["edge", "rows", "columns", "one column", "drift"],
)
def test_planted_effects_are_found(
    factor: NDArray[np.float64], metric: PlateMetric, name: str, others: set[str]
) -> None:
    for seed in range(10):
        of = plate({COUNT: counts(seed) * factor})
        assert name in [f.name for f in bad(metric, of)]
        found = {f.name for m in LAYOUT for f in bad(m, of)}
        assert found <= {name} | others, seed


def test_an_effect_is_sized_in_words() -> None:
    (found,) = bad(Edge(), plate({COUNT: counts(0) * (1 - 0.25 * EDGE)}))
    assert -30 < found.value < -20
    assert found.unit == "%"
    assert found.text.startswith("count of Nuclei: -2")
    (found,) = bad(Position(), plate({COUNT: counts(0) * (1 - 0.3 * (COLUMNS == 7))}))
    assert found.text.endswith("column 8 is the farthest off")
    (found,) = bad(Position(), plate({COUNT: counts(0) * (1 - 0.3 * (ROWS == 15))}))
    assert found.text.endswith("row P is the farthest off")
    (found,) = bad(Drift(), plate({COUNT: counts(0) * np.linspace(1, 1.4, 384).reshape(16, 24)}))
    assert found.value == pytest.approx(100 * 0.4 / 1.2, abs=6)


def test_drift_by_acquisitions_and_by_a_column_of_the_plate_map() -> None:
    values = counts(1)
    when = np.random.default_rng(2).permutation(384)
    falling = values * (1.3 - 0.5 * when.reshape(16, 24) / 383)
    labels = {"Metadata_Minute": [str(t) for t in when]}
    of = plate({COUNT: falling}, labels=labels)
    assert not bad(Drift(), of)
    (found,) = bad(Drift(order="Metadata_Minute"), of)
    assert found.value < -30
    judged = Drift(order="Metadata_Hour")(of)
    assert judged.unjudged == ("drift: no plate map column 'Metadata_Hour' of numbers",)
    twice = Plate(
        **{
            **vars(of),
            "values": {COUNT: values.ravel()},
            "images": {COUNT: np.concatenate([values.ravel(), values.ravel() * 0.7])},
            "well": np.tile(np.arange(384), 2),
            "acquisition": np.repeat([0, 1], 384),
            "order": np.arange(768),
        }
    )
    (found,) = bad(Drift(), twice)
    assert found.text.endswith(")")
    assert "768 wells" in found.text


@pytest.mark.parametrize("value", [0.0, 20.0, 4000.0])
def test_outlier_wells_are_named(value: float) -> None:
    values = counts(3)
    values[1, 4] = value
    of = plate({COUNT: values})
    (found,) = bad(OutlierWells(), of)
    assert (found.value, found.text) == (1, "count of Nuclei: B05")
    hit = OutlierWells()(of).faults["Nuclei: OutlierCount"]
    assert [of.wells[i] for i in np.flatnonzero(hit)] == ["B05"]


def test_an_empty_well_is_an_outlier_however_counts_spread() -> None:
    values = np.linspace(150, 550, 96).reshape(8, 12)
    assert not bad(OutlierWells(), plate({COUNT: values}, (8, 12)))
    values[0, 0] = 2
    assert bad(OutlierWells(), plate({COUNT: values}, (8, 12)))


def test_a_second_population_is_nobodys_outlier() -> None:
    background = np.where(COLUMNS < 6, 900.0, 300.0) + counts(0, mean=10)
    of = plate({"ImageQuality_Background_DNA": background})
    assert not bad(OutlierWells(), of)
    assert bad(Position(), of)


def test_excluded_and_absent_wells_do_not_count() -> None:
    values = counts(3)
    values[0] = np.nan
    for metric in LAYOUT:
        assert not bad(metric, plate({COUNT: values}))
    half = plate({COUNT: counts(3, (4, 12))}, (4, 12))
    assert half.shape == (8, 12)
    assert Edge()(half).unjudged == ()


def test_what_cannot_be_judged_says_why() -> None:
    small = plate({COUNT: counts(0, (3, 4))}, (3, 4))
    assert Position()(small).unjudged == ("rows and columns: 12 wells; at least 24",)
    assert Edge()(small).unjudged == ("edge: 12 wells; at least 16",)
    one = Position(features=("Nuclei_X",))(plate({COUNT: counts(0)}))
    assert one.unjudged == ("rows and columns: no column 'Nuclei_X' in the well table",)
    scattered = counts(0)
    scattered[np.random.default_rng(0).random(scattered.shape) > 0.12] = np.nan
    (line,) = Position()(plate({COUNT: scattered})).unjudged
    assert line.endswith("wells are too scattered")
    nowhere = Plate(**{**vars(small), "row": small.row * 0 - 1})
    assert [m(nowhere).unjudged for m in LAYOUT[:3]] == [
        ("rows and columns: not a plate",), ("edge: not a plate",), ("drift: not a plate",)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "verdict"), [(0, "pass"), (1, "warn"), (24, "warn"), (25, "fail")]
)
def test_failed_wells(failed: int, verdict: str) -> None:
    of = plate({}, (8, 12))
    verdicts = ("fail",) * failed + ("warn",) * 2 + ("pass",) * (94 - failed)
    (found,) = FailedWells()(Plate(**{**vars(of), "verdicts": verdicts})).findings
    assert (found.verdict, found.value) == (verdict, pytest.approx(100 * failed / 96, abs=1e-4))


CONTROL = ["Positive", "negative ", "", "x"] * 24


def controls(high: Sequence[float], low: Sequence[float], said: Sequence[str] = CONTROL) -> Plate:
    """96 wells: `high` and `low`, repeated over the controls of each kind; others are far off."""
    feature = np.full(96, 1e6)
    feature[0::4], feature[1::4] = np.resize(high, 24), np.resize(low, 24)
    values = {"Nuclei_Intensity_X": feature.reshape(8, 12), "Nuclei_Intensity_Y": np.full(96, 2.0)}
    return plate(values, (8, 12), {"Metadata_Control": said})


floats = st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 3)), min_size=24, max_size=24)


@given(high=floats, low=floats)
def test_z_prime_and_ssmd_against_the_formulas(high: list[float], low: list[float]) -> None:
    found = Controls(feature="Nuclei_Intensity_X")(controls(high, low)).findings
    difference = np.mean(high) - np.mean(low)
    spread_high, spread_low = np.std(high, ddof=1), np.std(low, ddof=1)
    if abs(difference) < 1e-6 or spread_high + spread_low < 1e-6:
        return
    z_prime, ssmd = (f.value for f in found)
    wanted = 1 - 3 * (spread_high + spread_low) / abs(difference)
    assert z_prime == pytest.approx(wanted, rel=2e-5, abs=1e-5)
    wanted = difference / math.sqrt(spread_high**2 + spread_low**2)
    assert ssmd == pytest.approx(wanted, rel=2e-5, abs=1e-5)


def test_robust_controls_bear_a_lost_well() -> None:
    rng = np.random.default_rng(0)
    high, low = rng.normal(100, 2, 24), rng.normal(20, 2, 24)
    high[5] = 20
    plain, robust = (
        Controls(feature="Nuclei_Intensity_X", robust=r)(controls(high, low)).findings[0].value
        for r in (False, True)
    )
    assert plain < 0.5 < 0.75 < robust
    middles = np.median(high) - np.median(low)
    spreads = [stats.median_abs_deviation(v, scale=1 / 1.4826) for v in (high, low)]
    assert robust == pytest.approx(1 - 3 * sum(spreads) / middles, rel=1e-4)


@pytest.mark.parametrize(("apart", "verdict"), [(200.0, "pass"), (30.0, "warn"), (10.0, "fail")])
def test_verdict_of_controls(apart: float, verdict: str) -> None:
    rng = np.random.default_rng(0)
    of = controls(rng.normal(apart, 3, 24), rng.normal(0, 3, 24))
    z_prime, _ = Controls(feature="Nuclei_Intensity_X")(of).findings
    assert z_prime.verdict == verdict
    halved = Controls(feature="Nuclei_Intensity_X / Nuclei_Intensity_Y")(of).findings
    assert halved[0].value == pytest.approx(z_prime.value, rel=1e-4)
    named, _ = Controls()(of).findings
    assert named.verdict == "pass"
    assert "the best of 1 features, not judged" in named.text
    assert named.value == z_prime.value


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (Controls(column="role"), "the plate map has no column 'role'"),
        (
            Controls(feature="Nuclei_Intensity_Z"),
            "no column 'Nuclei_Intensity_Z' in the well table",
        ),
        (Controls(feature="Nuclei_Intensity_X / Z"), "no column 'Z' in the well table"),
        (Controls(positive=("drug",)), "0 wells with values of each kind; at least 3"),
        (Controls(feature="Nuclei_Intensity_Y"), "24 wells with values of each kind"),
    ],
)
def test_controls_that_cannot_be_judged(metric: Controls, says: str) -> None:
    judged = metric(controls([5, 6, 7], [1, 2, 3]))
    assert judged.findings == ()
    (line,) = judged.unjudged
    assert line.startswith(f"controls: {says}")


@given(st.lists(st.sampled_from([0.0, 1.0, 1.5, 7.0, -2.0]), min_size=4, max_size=40))
def test_ranks_correlation_and_slope_against_scipy(values: list[float]) -> None:
    array = np.asarray(values)
    np.testing.assert_array_equal(ranks(array), stats.rankdata(array))
    if np.ptp(array):
        wanted = stats.spearmanr(array, np.arange(array.size)).statistic
        assert spearman(array) == pytest.approx(wanted, abs=1e-12)
    else:
        assert spearman(array) == 0
    assert slope(array) == pytest.approx(stats.theilslopes(array).slope, abs=1e-12)


@given(st.integers(0, 2**32), st.integers(2, 9))
def test_the_rank_test_against_scipy(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.resize(np.arange(groups), 60))
    values = (rng.normal(0, 1, 60) + rng.choice([0, 0.6]) * group).round(1)
    p = stats.kruskal(*(values[group == g] for g in range(groups))).pvalue
    for false_alarms in (1e-4, 0.01, 0.2):
        if abs(math.log(p / false_alarms)) > 1e-6:
            assert differ(values, group, false_alarms) == (p < false_alarms)


@pytest.mark.parametrize("freedom", [1, 3, 11, 23, 47])
@pytest.mark.parametrize("alpha", [1e-4, 1e-2])
def test_quantiles_against_scipy(freedom: int, alpha: float) -> None:
    assert chi_square(freedom, alpha) == pytest.approx(stats.chi2.isf(alpha, freedom))
    assert two_sided(alpha) == pytest.approx(stats.norm.isf(alpha / 2))


def test_median_polish_against_tukeys_algorithm() -> None:
    """Rows and columns that are planted exactly come back, whatever a few wells say."""
    rows, columns = np.array([3.0, -1, 0, 0, 7]), np.array([0.0, 10, -4, 0, 0, 1, 2])
    grid = 50 + rows[:, None] + columns
    grid[2, 3] += 900
    grid[0, 0] = np.nan
    overall, found_rows, found_columns, left = polish(grid)
    np.testing.assert_allclose(found_rows, rows - np.median(rows), atol=1e-9)
    np.testing.assert_allclose(found_columns, columns - np.median(columns), atol=1e-9)
    assert overall == pytest.approx(50 + np.median(rows) + np.median(columns))
    assert left[2, 3] == pytest.approx(900)


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [("A", "01", (0, 0)), ("P", "24", (15, 23)), ("AF", "48", (31, 47)), ("2", "3", (1, 2)),
     ("", "", (-1, -1)), ("x1", "left", (-1, -1))],
)  # fmt: skip
def test_places_of_wells(row: str, column: str, place: tuple[int, int]) -> None:
    assert place_of(row, column) == place
