"""From metrics to verdicts: of images by their objects, of wells by images, of plates by wells."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from voxelmill.aggregation import medians_by
from voxelmill.batch import Item
from voxelmill.config import QC, Settings
from voxelmill.objectquality import ObjectQuality, object_quality
from voxelmill.objectrows import ObjectRows
from voxelmill.ownership import at_border
from voxelmill.platequality import PlateQuality, plate_quality
from voxelmill.plugin import StoreUnavailable
from voxelmill.qc import Finding, Judgement, Metric, ObjectMetric, Plate, PlateMetric
from voxelmill.steps.run import plate_verdict
from voxelmill.tables import write_table
from voxelmill.verdict import Verdict, well_verdict

SETTINGS: dict[str, Any] = {
    "objects": {
        "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}},
        "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
        "cytoplasm": {"subtract": ["cells", "nuclei"]},
    }
}


@pytest.mark.parametrize(
    ("images", "verdict", "reason"),
    [
        (["pass", "pass"], "pass", ""),
        (["pass", "warn", "warn"], "warn", "2 of 3 images flagged"),
        (["fail", "warn", "pass"], "warn", "1 of 3 images fail"),
        (["fail", "warn", "pass", "fail"], "fail", "2 of 4 images fail"),
        (["fail"], "fail", "1 of 1 images fail"),
    ],
)
def test_a_well_fails_with_half_of_its_images(
    images: list[Verdict], verdict: str, reason: str
) -> None:
    assert well_verdict(images) == (verdict, reason)


def test_what_is_excluded_counts_for_a_well_only_if_nothing_is_left() -> None:
    assert well_verdict([], 3) == ("fail", "3 of 3 images excluded")
    assert well_verdict(["pass"], 3) == ("pass", "")
    assert well_verdict([]) == ("pass", "")


def test_medians_by_group() -> None:
    values = {"x": np.array([4.0, np.nan, 1, 9, 2]), "y": np.full(5, np.nan)}
    found = medians_by(np.array([2, 2, 0, 0, 2]), 4, values)
    np.testing.assert_array_equal(found["x"], [5, np.nan, 3, np.nan])
    assert np.isnan(found["y"]).all()
    assert medians_by(np.zeros(0, np.int64), 0, {"x": np.zeros(0)})["x"].size == 0


def test_objects_at_the_border() -> None:
    rows = np.zeros((4, 11), np.int64)
    rows[:, 4:7] = [[0, 0, 3], [0, 2, 1], [0, 1, 1], [0, 1, 1]]
    rows[:, 7:10] = [[1, 9, 8], [1, 10, 8], [1, 9, 20], [1, 9, 8]]
    assert at_border(rows, (1, 10, 20)).tolist() == [True, True, True, False]
    assert at_border(rows, (5, 11, 21)).tolist() == [True] * 4, "of a volume, the first plane too"
    rows[3, 4], rows[3, 7] = 2, 4
    assert at_border(rows, (5, 11, 21))[3].item() is False


def objects(files: list[Path], images: list[list[int]]) -> None:
    """Tables of batches: image numbers of each, ten objects an image; DNA only in the first."""
    for k, (file, numbers) in enumerate(zip(files, images, strict=True)):
        image = np.repeat(numbers, 10)
        rng = np.random.default_rng(numbers)
        table: dict[str, Any] = {
            "Metadata_Image": [f"A/{i}/0" for i in image],
            "Metadata_Timepoint": np.zeros(image.size, np.int64),
            "Metadata_ObjectNumber": np.arange(1, image.size + 1),
            "Metadata_Seam": image == 3,
            "Nuclei_AreaShape_Area": image * 100.0 + np.tile(np.arange(10), len(numbers)),
        }
        if k == 0:
            table["Nuclei_Intensity_MeanIntensity_DNA"] = rng.normal(9, 1, image.size)
        write_table(file, table)


def judged(tmp_path: Path, batches: list[list[int]], qc: object = None) -> ObjectQuality:
    files = [tmp_path / f"{i}-{len(batches)}.parquet" for i in range(len(batches))]
    objects(files, batches)
    frames = [(f"A/{i}/0", 0) for i in range(1, 7)]
    rows = ObjectRows(files, "Nuclei")
    sizes = rows.counts()
    counts = np.array([sizes.get(f, 0.0) for f in frames])
    counts[5] = np.nan
    return object_quality(
        Settings.model_validate(SETTINGS | ({"qc": qc} if qc else {})),
        frames,
        {"nuclei": rows},
        {"nuclei": counts},
    )


def test_images_are_judged_by_their_objects_whatever_the_batches(tmp_path: Path) -> None:
    found = judged(tmp_path, [[1, 2, 3], [4, 6]])
    assert found.faults == [[], [], ["Nuclei: CutObjects"], [], [], []]
    seam = found.columns["ObjectQuality_PercentSeam_Nuclei"]
    np.testing.assert_array_equal(seam, [0, 0, 100, 0, np.nan, np.nan])
    assert found.units["ObjectQuality_PercentSeam_Nuclei"] == "%"
    assert found.unjudged == [
        "Nuclei: merged needs AreaShape_Solidity, AreaShape_Area (AreaShape_Volume)",
        "Nuclei: border needs Metadata_Border: measure again",
    ]
    again = judged(tmp_path, [[1], [2, 3], [4, 6]])
    for column, values in found.columns.items():
        if "Intensity" not in column:
            np.testing.assert_array_equal(again.columns[column], values)


def test_columns_that_some_batches_lack_and_batches_without_objects(tmp_path: Path) -> None:
    objects([tmp_path / "0.parquet", tmp_path / "1.parquet"], [[1, 2], []])
    rows = ObjectRows([tmp_path / "1.parquet", tmp_path / "0.parquet"], "Nuclei")
    assert rows.counts() == {("A/1/0", 0): 10, ("A/2/0", 0): 10}
    assert rows.features == ["AreaShape_Area", "Intensity_MeanIntensity_DNA"]
    read = rows.read(rows.features)
    assert {c: v.size for c, v in read.items()} == dict.fromkeys(rows.features, 20)
    assert rows.rows_of({("A/1/0", 0): 7, ("A/2/0", 0): 4}).tolist() == [7] * 10 + [4] * 10
    (tmp_path / "0.parquet").write_bytes(b"no table")
    with pytest.raises(StoreUnavailable, match="Delete it and run again"):
        ObjectRows([tmp_path / "0.parquet"], "Nuclei").counts()


def test_which_sets_are_judged(tmp_path: Path) -> None:
    only = {"metrics": [{"kind": "seam", "sets": ["cells"]}]}
    assert judged(tmp_path, [[1, 2, 3, 4, 6]], only).columns == {}
    wrong = {"qc": {"metrics": [{"kind": "seam", "sets": ["spots"]}]}}
    with pytest.raises(ValidationError, match="no object set 'spots'; there are: nuclei, cells"):
        Settings.model_validate(SETTINGS | wrong)


def test_metrics_start_from_the_defaults() -> None:
    usual = QC()
    assert {*map(type, usual.metrics)} == {*map(type, QC(metrics=["default"]).metrics)}
    changed = QC(metrics=[{"kind": "seam", "max_percent": 7}, "default"])
    assert sorted(m.kind for m in changed.metrics) == sorted(m.kind for m in usual.metrics)
    assert changed.metrics[0].max_percent == 7
    levels = [len(usual.of(level)) for level in (Metric, ObjectMetric, PlateMetric)]
    assert min(levels) > 0
    assert sum(levels) == len(usual.metrics)


def test_limits_of_plates_do_not_read_pixels_again() -> None:
    one, other = (
        Settings(qc={"metrics": ["default", {"kind": "failed_wells", "max_percent": p}]})
        for p in (10, 20)
    )
    assert one.part("qc") == other.part("qc")
    assert one.part("aggregate") != other.part("aggregate")


class Told(PlateMetric):
    """Says what it is told of the wells that it sees."""

    verdict: Verdict = "warn"

    def __call__(self, plate: Plate) -> Judgement:
        """One finding, and the first well faulty."""
        hit = np.arange(len(plate.wells)) == 0
        finding = Finding("told", float(len(plate.wells)), "1", self.verdict, " ".join(plate.wells))
        undefined = Finding("undefined", float("nan"))
        return Judgement((finding, undefined), {"Nuclei: Odd": hit}, ("told: half",))


def tables(plates: list[str]) -> tuple[list[Item], dict[str, Any], dict[str, Any]]:
    """Two wells a plate, two images a well; the second well is excluded."""
    items = [
        Item(f"{p}/B/0{c}/{s}", p, f"B0{c}", "B", f"0{c}", str(s), None, 1)
        for p in plates for c in (1, 2) for s in (0, 10)
    ]  # fmt: skip
    images = {
        "Metadata_Plate": [i.plate for i in items],
        "Metadata_Count_Nuclei": np.arange(len(items), dtype=float),
    }
    wells = {
        "Metadata_Plate": [p for p in plates for _ in "12"],
        "Metadata_Well": [w for _ in plates for w in ("B01", "B02")],
        "Metadata_Excluded": ["", "lost"] * len(plates),
        "Metadata_Verdict": ["warn", "fail"] * len(plates),
        "Metadata_dose": [None, "3"] * len(plates),
        "Metadata_Count_Nuclei": np.arange(2.0 * len(plates)),
    }
    return items, images, wells


class Kept(PlateMetric):
    """Keeps what it has seen."""

    seen: ClassVar[list[Plate]] = []

    def __call__(self, plate: Plate) -> Judgement:
        """Nothing is wrong."""
        self.seen.append(plate)
        return Judgement()


def test_a_plate_is_made_of_the_tables() -> None:
    items, images, wells = tables(["P"])
    keeper = Kept()
    plate_quality([keeper], items[::-1], images, wells, ["Metadata_Count_Nuclei", "Other"])
    (of,) = keeper.seen
    assert of.wells == ("B01", "B02")
    assert (of.row.tolist(), of.column.tolist()) == ([1, 1], [0, 1])
    np.testing.assert_array_equal(of.values["Metadata_Count_Nuclei"], [0, np.nan])
    assert of.labels["Metadata_dose"] == ["", "3"]
    assert of.verdicts == ("warn", "pass"), "an excluded well has been dealt with"
    assert of.technical == ("Metadata_Count_Nuclei",)
    assert of.well.tolist() == [1, 1, 0, 0]
    assert of.order.tolist() == [3, 2, 1, 0]


def test_faults_findings_and_verdict_of_two_plates() -> None:
    items, images, wells = tables(["P", "Q"])
    found = plate_quality([Told(), Told(verdict="fail")], items, images, wells, [])
    assert found.faults == [["Nuclei: Odd"] * 2, [], ["Nuclei: Odd"] * 2, []]
    assert found.unjudged == ["P: told: half"] * 2 + ["Q: told: half"] * 2
    told = found.as_json()
    assert told["verdict"]["plate"] == "fail"
    assert told["verdict"]["reasons"][0] == "told: P: B01 B02"
    assert told["findings"][2] == {
        "name": "told", "value": 2.0, "unit": "1", "verdict": "fail", "text": "P: B01 B02"
    }  # fmt: skip
    assert told["findings"][1]["value"] is None


def test_nothing_wrong_is_a_pass() -> None:
    assert PlateQuality().as_json() == {"verdict": {"plate": "pass", "reasons": []}, "findings": []}


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ({}, []),
        ({"plate": "pass", "reasons": []}, ["  plate verdict: pass"]),
        ({"plate": "warn", "reasons": ["drift: x"]}, ["  plate verdict: warn: drift: x"]),
        (
            {"plate": "fail", "reasons": ["Z': y", "a", "b"]},
            ["  plate verdict: fail: Z': y (and 2 more: see the report)"],
        ),
    ],
)
def test_the_end_of_a_run_says_the_verdict(verdict: dict[str, Any], says: list[str]) -> None:
    assert plate_verdict(verdict) == says
