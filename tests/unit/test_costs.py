"""Costs from a calibration: they grow with what there is to do, and say what they are worth."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill import __version__, calibration
from voxelmill.calibration import (
    assumed,
    calibration_path,
    cpu_model,
    load_calibration,
    save_calibration,
)
from voxelmill.config import Settings
from voxelmill.costs import Costs, load_costs, plugin_key
from voxelmill.extent import Extent
from voxelmill.features import features
from voxelmill.home import home
from voxelmill.layout import BATCH_STEPS, DATASET_STEPS
from voxelmill.plugin import BadConfig, OutputExists
from voxelmill.qc import metrics
from voxelmill.segmenters import segmenters
from voxelmill.sizes import diameter_px, objects_of

STEPS = (*BATCH_STEPS, *DATASET_STEPS)
OBJECTS: dict[str, Any] = {
    "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}},
    "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
    "cytoplasm": {"subtract": ["cells", "nuclei"]},
}
SETTINGS = Settings.model_validate({"objects": OBJECTS})
FIELD = Extent((1, 3, 1, 1080, 1080), "<u2", (1.0, 0.65, 0.65))
extents = st.builds(
    Extent,
    st.tuples(
        st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), *[st.integers(16, 4000)] * 2
    ),
    st.just("<u2"),
    st.just((1.0, 0.65, 0.65)),
)


@given(extents, st.integers(0, 4))
def test_a_larger_image_never_costs_less(extent: Extent, axis: int) -> None:
    t, c, z, y, x = (n + (i == axis) for i, n in enumerate(extent.shape))
    larger = replace(extent, shape=(t, c, z, y, x))
    for step in STEPS:
        less, more = (Costs().image(step, e, SETTINGS) for e in (extent, larger))
        assert 0 <= less <= more * (1 + 1e-12), "sums in another order"


def test_more_to_do_costs_more() -> None:
    costs = Costs()
    one = Settings.model_validate({"objects": {"nuclei": OBJECTS["nuclei"]}})
    rich = Settings.model_validate(
        {"objects": OBJECTS, "features": ["shape", "intensity", "texture", "colocalization"]}
    )
    for step in ("segment", "measure"):
        assert costs.image(step, FIELD, one) < costs.image(step, FIELD, SETTINGS)
    for step in ("measure", "aggregate"):
        assert costs.image(step, FIELD, SETTINGS) < 0.9 * costs.image(step, FIELD, rich)
    few = rich.model_copy(update={"features": (features()["texture"](only=("*_Contrast_*",)),)})
    all_ = rich.model_copy(update={"features": (features()["texture"](),)})
    assert costs.image("measure", FIELD, few) < costs.image("measure", FIELD, all_)


def test_threads_share_all_but_the_serial_part() -> None:
    found = Costs(assumed().model_copy(update={"serial": {"qc": 0.5, "segment": 0.0}}))
    start = found.seconds("segment", 0, SETTINGS)
    assert found.seconds("segment", 100, SETTINGS, 4) - start == pytest.approx(25)
    assert found.seconds("segment", 100, SETTINGS, 1) - start == pytest.approx(100)
    qc = found.seconds("qc", 100, SETTINGS, 4) - found.seconds("qc", 0, SETTINGS)
    assert qc == pytest.approx(100 * (0.5 + 0.5 / 4))


def test_a_report_shows_so_many_images_and_no_more() -> None:
    found = Costs()
    some, all_, more = (found.work("report", [(FIELD, n)], SETTINGS) for n in (48, 384, 4800))
    rows = found.found.image["report"]
    assert more - all_ == pytest.approx((4800 - 384) * rows)
    # With many of them each is smaller.
    assert all_ - 384 * rows < 2 * (some - 48 * rows)
    assert some == pytest.approx(48 * (rows + found.found.image["thumbnail"]))
    plain = Settings.model_validate({"objects": {"nuclei": OBJECTS["nuclei"]}})
    assert found.work("report", [(FIELD, 48)], plain) < some
    assert found.work("report", [], SETTINGS) == 0


def test_every_plugin_is_known_where_nothing_was_measured() -> None:
    kinds = {f"{group} {kind}" for group, found in (
        ("metric", metrics()), ("segmenter", segmenters()), ("feature", features())
    ) for kind in found}  # fmt: skip
    assert kinds <= set(assumed().plugins)
    assert Costs().unmeasured(SETTINGS) == []
    assert Costs().source == "not calibrated: assumed"


def test_a_plugin_that_was_not_measured_is_named() -> None:
    part = {k: v for k, v in assumed().plugins.items() if k != "segmenter propagate"}
    found = Costs(assumed().model_copy(update={"plugins": part}))
    assert found.unmeasured(SETTINGS) == ["segmenter propagate"]
    assert found.image("segment", FIELD, SETTINGS) == Costs().image("segment", FIELD, SETTINGS)


def test_a_segmenter_with_its_settings_comes_before_its_kind() -> None:
    segmenter = segmenters()["watershed"].model_validate({"diameter_um": 12})
    slow = assumed().plugins["segmenter watershed"].model_copy(update={"voxel": 1.0})
    key = plugin_key(segmenter, exact=True)
    found = Costs(assumed().model_copy(update={"plugins": {**assumed().plugins, key: slow}}))
    assert found.rate(segmenter).voxel == 1.0
    other = segmenters()["watershed"].model_validate({"diameter_um": 13})
    assert found.rate(other).voxel < 1.0


def test_a_stale_calibration_is_used_and_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "home", lambda part: tmp_path / part)
    (tmp_path / "profiles" / "local").mkdir(parents=True)
    assert load_calibration(None) is None
    assert "voxelmill calibrate" in load_costs(None).warnings[0]
    good = assumed().model_copy(update={"voxelmill": __version__, "cpu": cpu_model()})
    save_calibration(calibration_path(None), good)
    assert load_costs(None) == Costs(good, f"calibrated on {cpu_model()}", ())
    stale = good.model_copy(update={"voxelmill": "0.0.1", "cpu": "6502", "quiet": False})
    save_calibration(calibration_path(None), stale)
    found = load_costs(None)
    assert found.source == "calibrated on 6502"
    assert found.found == stale
    assert [text.partition(",")[0] for text in found.warnings] == [
        "calibrated with voxelmill 0.0.1",
        "calibrated on 6502",
        "calibrated while other programs ran: waiting for the file system is not counted",
    ]


def test_a_calibration_lies_beside_the_site_file(tmp_path: Path) -> None:
    assert calibration_path("roihu") == home("profiles") / "slurm" / "roihu.calibration.json"
    site = tmp_path / "mine.yaml"
    site.write_text((home("profiles") / "slurm" / "roihu.yaml").read_text())
    assert load_costs(str(site)).source == "not calibrated: assumed"
    save_calibration(tmp_path / "mine.calibration.json", assumed())
    assert load_costs(str(site)).source == "calibrated on a slow core"
    with pytest.raises(BadConfig, match="no file"):
        load_costs("nowhere")


def test_a_damaged_calibration_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "mine.yaml"
    site.write_text((home("profiles") / "slurm" / "roihu.yaml").read_text())
    for text in ("{", json.dumps({"cpu": "x"}), "[]"):
        (tmp_path / "mine.calibration.json").write_text(text)
        with pytest.raises(BadConfig, match=r"mine\.calibration\.json"):
            load_costs(str(site))


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputExists, match="--out"):
        save_calibration(tmp_path / "file" / "calibration.json", assumed())


def test_the_processor_is_named(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9965\nprocessor\t: 1\n")
    assert cpu_model(info) == "AMD EPYC 9965"
    assert cpu_model(tmp_path / "none")


def test_objects_follow_from_the_diameter() -> None:
    nuclei, cells, cytoplasm = SETTINGS.objects.values()
    sizes = {diameter_px(FIELD, SETTINGS, spec) for spec in (nuclei, cells, cytoplasm)}
    assert sizes == {12 / 0.65}
    wide = replace(FIELD, shape=(1, 3, 1, 2160, 1080))
    assert objects_of(wide, SETTINGS) == pytest.approx(2 * objects_of(FIELD, SETTINGS))
    assert 300 < objects_of(FIELD, SETTINGS) / 3 < 400
