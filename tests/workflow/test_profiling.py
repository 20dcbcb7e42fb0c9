"""pycytominer reads our tables unchanged: aggregate, normalise, select features."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycytominer import aggregate, feature_select, normalize

from voxelmill.configfile import load_config, load_settings
from voxelmill.features import features
from voxelmill.layout import Layout
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.measure import measure
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution

CONFIG = f"""
datasets: sheet.tsv
objects:
  nuclei: {{channel: DNA, segmenter: {{kind: watershed, diameter_um: 12}}}}
  cells: {{channel: AGP, segmenter: {{kind: propagate, seeds: nuclei}}}}
  cytoplasm: {{subtract: [cells, nuclei]}}
features: [{", ".join(f"{{kind: {kind}}}" for kind in features())}]
relations: [{{parent: cells, child: nuclei}}]
"""
STRATA = ["Metadata_Plate", "Metadata_Well"]


@pytest.mark.filterwarnings("ignore")  # pandas deprecates what pycytominer calls
def test_pycytominer_profiles_our_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_demo_plate(Path("plate.zarr"), wells=6, fields=1, size=400, faults=False)
    Path("config.yaml").write_text(CONFIG)
    Path("sheet.tsv").write_text("dataset\turl\nplate\tplate.zarr\n")
    scan(load_config("config.yaml"), "config.yaml")
    layout, settings, how = Layout(Path("results/plate")), load_settings("config.yaml"), Execution()
    batch, before = layout.batch("0000"), layout.record("segment", "0000")
    segment(batch, before, settings, how)
    measure(batch, before, layout.record("measure", "0000"), settings, how)
    for name in ("nuclei", "cells"):
        table = pd.read_parquet(layout.objects(name, "0000"))
        measured = [c for c in table if not c.startswith("Metadata_")]
        wells = aggregate(table, strata=STRATA)
        assert len(wells) == 6
        assert set(wells) == {*STRATA, *measured}
        area = f"{name.capitalize()}_AreaShape_Area"
        expected = table.groupby("Metadata_Well")[area].median()
        np.testing.assert_array_equal(wells[area], expected)
        normal = normalize(wells, method="standardize")
        assert normal[area].mean() == pytest.approx(0, abs=1e-9)
        assert normal[area].std(ddof=0) == pytest.approx(1)
        kept = feature_select(
            normal,
            operation=[
                "variance_threshold",
                "correlation_threshold",
                "drop_na_columns",
                "blocklist",
            ],
        )
        chosen = [c for c in kept if not c.startswith("Metadata_")]
        assert 5 < len(chosen) < len(measured)
        assert not kept[chosen].isna().any(axis=None)
