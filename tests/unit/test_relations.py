"""Parents by most voxels, children counted, and both in the tables of a run."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voxelmill.config import Settings
from voxelmill.configfile import load_config, load_settings
from voxelmill.kernels.measure_parents import parents_of
from voxelmill.layout import Layout
from voxelmill.steps.measure import measure
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.write import Channel, write_image
from voxelmill.tables import read_table, units

Labels = NDArray[np.int32]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 9, 12), (4, 6, 5)]))
def test_parent_is_the_most_frequent_label(seed: int, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(seed)
    children = rng.choice([0, 3, 5, 2**31 - 1], shape).astype(np.int32)
    parents = rng.choice([0, 0, 1, 2, 70_000], shape).astype(np.int32)
    expected = []
    for child in np.unique(children[children > 0]):
        counts = Counter(parents[(children == child) & (parents > 0)].tolist())
        expected.append(min(counts, key=lambda p: (-counts[p], p)) if counts else 0)
    assert parents_of(children, parents).tolist() == expected


CONFIG = """
datasets: sheet.tsv
objects:
  cells: {channel: 0, segmenter: {kind: threshold, diameter_px: 36, value: 50}}
  spots: {channel: 1, segmenter: {kind: threshold, diameter_px: 3, value: 50}}
features: [{kind: shape, only: [AreaShape_Area]}]
relations: [{parent: cells, child: spots}]
"""


def test_spots_in_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = np.zeros((1, 2, 1, 96, 96), np.uint16)
    image[0, 0, 0, 4:40, 4:40] = image[0, 0, 0, 50:90, 50:90] = 100
    for y, x in ((8, 8), (20, 30), (60, 60), (80, 8)):
        image[0, 1, 0, y : y + 3, x : x + 3] = 100
    write_image("a.zarr", image, "cyx", (1.0, 1.0, 1.0), [Channel("0"), Channel("1")])
    Path("config.yaml").write_text(CONFIG)
    Path("sheet.tsv").write_text("dataset\turl\na\ta.zarr\n")
    scan(load_config("config.yaml"), "config.yaml")
    layout, given_, how = Layout(Path("results/a")), load_settings("config.yaml"), Execution()
    batch, before = layout.batch("0000"), layout.record("segment", "0000")
    segment(batch, before, given_, how)
    measure(batch, before, layout.record("measure", "0000"), given_, how)
    cells = read_table(layout.objects("cells", "0000"))
    spots = read_table(layout.objects("spots", "0000"))
    assert cells["Cells_Children_Spots_Count"].tolist() == [2, 1]
    assert spots["Metadata_Parent_Cells"].tolist() == [1, 1, 2, 0]
    assert [c for c in cells if c.startswith("Cells_")] == [
        "Cells_AreaShape_Area",
        "Cells_Children_Spots_Count",
    ]
    assert units(layout.objects("cells", "0000"))["Cells_Children_Spots_Count"] == "1"


@pytest.mark.parametrize(
    ("relation", "text"),
    [
        ({"parent": "cells", "child": "dots"}, "no object set 'dots'; there are: cells"),
        ({"parent": "cells", "child": "cells"}, "'cells' is its own parent"),
    ],
)
def test_relations_that_make_no_sense(relation: dict[str, str], text: str) -> None:
    cells = {"channel": "0", "segmenter": {"kind": "threshold", "diameter_px": 5}}
    with pytest.raises(ValueError, match=text):
        Settings.model_validate({"objects": {"cells": cells}, "relations": [relation]})
