"""From rows to wells: medians, verdicts, names of wells, plate maps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxelmill.aggregation import group_medians, group_rows, judge, normal_well
from voxelmill.plugin import Array, BadInput
from voxelmill.qc import Metric, metrics
from voxelmill.steps.gather import channels_of, read_plate_map

NAN = float("nan")


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from([NAN, 1.0, 2.5, -3.0]))))
def test_medians_leave_out_nan(pairs: list[tuple[str, float]]) -> None:
    keys = [("P", well) for well, _ in pairs]
    found = group_medians(keys, {"x": np.array([v for _, v in pairs], float)})
    assert list(found) == list(dict.fromkeys(keys))
    for _, well in found:
        values = sorted(v for w, v in pairs if w == well and v == v)
        middle = len(values) // 2
        wanted = (values[middle] + values[~middle]) / 2 if values else NAN
        np.testing.assert_array_equal(found["P", well]["x"], wanted)


def test_rows_by_key_in_order_of_appearance() -> None:
    found = group_rows([("P", "B"), ("P", "A"), ("P", "B"), ("Q", "B")])
    assert {k: v.tolist() for k, v in found.items()} == {
        ("P", "B"): [0, 2], ("P", "A"): [1], ("Q", "B"): [3]
    }  # fmt: skip
    assert list(found) == [("P", "B"), ("P", "A"), ("Q", "B")]


class Above(Metric):
    """Faulty above `limit`."""

    kind: Literal["above"] = "above"
    limit: float = 5

    def columns(self) -> dict[str, str]:
        """One."""
        return {"ImageQuality_X": "1"}

    def flags(self, values: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """Judge by the limit."""
        return {f"Above{self.limit:g}": values["ImageQuality_X"] > self.limit}


def test_faults_by_channel_and_metric() -> None:
    table = {"ImageQuality_X_DNA": [1, 9, NAN], "ImageQuality_X_ER": [7, 9, 0]}
    faults = judge([Above(), Above(limit=8)], ["DNA", "ER"], table, 3)
    assert faults == [
        ["ER: Above5"],
        ["DNA: Above5", "DNA: Above8", "ER: Above5", "ER: Above8"],
        [],
    ]
    assert judge([Above()], ["DNA"], {}, 0) == []


def test_every_metric_survives_a_plate_of_nan() -> None:
    """Images of other channels leave NaN behind; they are no fault."""
    found = [metric() for metric in metrics().values()]
    table = {f"{c}_DNA": np.full(4, NAN) for m in found for c in m.columns()}
    assert judge(found, ["DNA"], table, 4) == [[]] * 4


def test_channels_are_found_behind_the_names_of_all_metrics() -> None:
    names = [c for metric in metrics().values() for c in metric().columns()]
    channels = ["DNA", "w 2", "Alexa_488", "0"]
    columns = [f"{name}_{channel}" for channel in channels for name in names]
    assert channels_of(columns, names) == channels


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [("B3", "B03"), ("b03", "B03"), (" b003 ", "B03"), ("AA12", "AA12"), ("H112", "H112"),
     ("P-Q", "P-Q"), ("12", "12"), ("", ""), (" left ", "left")],
)  # fmt: skip
def test_normal_well(given_: str, wanted: str) -> None:
    assert normal_well(given_) == wanted


def plate_map(folder: Path, text: str) -> Path:
    (folder / "map.csv").write_text(text, encoding="utf-8")
    return folder / "map.csv"


@pytest.mark.parametrize("text", [
    "well,drug,Metadata_dose\na1,x,1\nB02,,2\n",
    "\ufeffMetadata_Well\tdrug\tMetadata_dose\nA01\tx\t1\nb2\t\t2\n",
])  # fmt: skip
def test_plate_map(tmp_path: Path, text: str) -> None:
    assert read_plate_map(plate_map(tmp_path, text)) == {
        "A01": {"Metadata_drug": "x", "Metadata_dose": "1"},
        "B02": {"Metadata_drug": "", "Metadata_dose": "2"},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("place,drug\nA1,x\n", "columns place, drug; allowed: one is called 'well'"),
        ("place,drug\nA1,x,more\n", "columns place, drug; allowed: one is called 'well'"),
        ("well,drug\nA1,x\nA01,y\n", "well A01 twice"),
        ("well,drug\nA1,x,more\n", "A01: more values than columns"),
        ("", "is empty; allowed: a header with 'well'"),
    ],
)
def test_a_wrong_plate_map(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as error:
        read_plate_map(plate_map(tmp_path, text))
    assert str(error.value).startswith(str(tmp_path / "map.csv"))


def test_a_plate_map_of_a_spreadsheet_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_bytes("well,drug\nA1,x\n".encode("utf-16"))
    with pytest.raises(BadInput, match="not UTF-8"):
        read_plate_map(tmp_path / "map.csv")
