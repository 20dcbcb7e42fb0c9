"""All steps in a row, called directly, on images that are unlike a plate of nuclei."""

from pathlib import Path

import numpy as np
import pytest

from voxelmill.configfile import load_config, load_settings
from voxelmill.layout import Layout
from voxelmill.plugin import Array, StoreUnavailable
from voxelmill.steps.aggregate import aggregate
from voxelmill.steps.check import check
from voxelmill.steps.measure import measure
from voxelmill.steps.qc import qc
from voxelmill.steps.report import report
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.cache import chunk_cache
from voxelmill.store.write import Channel, write_image
from voxelmill.synthetic import nuclei_image
from voxelmill.tables import read_table

CONFIG = """
datasets: sheet.tsv
objects:
  nuclei: {channel: 0, segmenter: {kind: watershed, diameter_px: 14}}
  cells: {channel: 1, segmenter: {kind: propagate, seeds: nuclei, max_distance_px: 6}}
  cytoplasm: {subtract: [cells, nuclei]}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(image: Array, axes: str) -> Layout:
    """Write `image` (t, c, z, y, x) with `axes`, and run every step on it."""
    channels = [Channel(str(i)) for i in range(image.shape[1])]
    write_image("image.zarr", image, axes, (1.0, 1.0, 1.0), channels)
    Path("config.yaml").write_text(CONFIG)
    Path("sheet.tsv").write_text("dataset\turl\nimage\timage.zarr\n")
    scan(load_config("config.yaml"), "config.yaml")
    layout, settings = Layout(Path("results/image")), load_settings("config.yaml")
    batch, how = layout.batch("0000"), Execution()
    qc(batch, layout.record("qc", "0000"), settings, how)
    segment(batch, layout.record("segment", "0000"), settings, how)
    measured = layout.record("measure", "0000")
    measure(batch, layout.record("segment", "0000"), measured, settings, how)
    aggregate([batch], layout.record("aggregate"), settings)
    report([batch], layout.record("report"), settings)
    return layout


def two_channels(image: Array) -> Array:
    return np.stack([image, image])[None]


def test_an_image_without_objects_gives_empty_tables_with_all_columns() -> None:
    noise = np.random.default_rng(0).normal(200, 5, (1, 80, 90)).astype(np.uint16)
    layout = run(two_channels(noise), "cyx")
    nuclei = read_table(layout.objects("nuclei", "0000"))
    assert len(nuclei["Metadata_Image"]) == 0
    assert {"Nuclei_AreaShape_Area", "Nuclei_Intensity_MeanIntensity_1"} <= set(nuclei)
    assert read_table(layout.wells)["Metadata_Count_Nuclei"].tolist() == [0]
    assert layout.report.exists()


def test_a_volume_is_measured_in_volumes() -> None:
    image, _ = nuclei_image((20, 90, 90), 12, 14.0, 1)
    layout = run(two_channels(image), "czyx")
    cells = read_table(layout.objects("cells", "0000"))
    assert len(cells["Metadata_Image"]) > 5
    assert (cells["Cells_AreaShape_Volume"] > 300).all()
    assert np.array_equal(cells["Metadata_ObjectNumber"], cells["Metadata_Parent_Nuclei"])


def test_every_time_point_has_its_own_ids() -> None:
    frames = [two_channels(nuclei_image((1, 90, 90), 8, 14.0, seed)[0]) for seed in (1, 2, 3)]
    layout = run(np.concatenate(frames), "tcyx")
    nuclei = read_table(layout.objects("nuclei", "0000"))
    for t in range(3):
        ids = nuclei["Metadata_ObjectNumber"][nuclei["Metadata_Timepoint"] == t]
        assert ids.size > 3
        assert np.array_equal(ids, np.arange(1, ids.size + 1))


def test_no_chunk_of_an_image_of_one_block_is_kept() -> None:
    image, _ = nuclei_image((1, 90, 90), 8, 14.0, 1)
    before = chunk_cache().bytes
    run(two_channels(image), "cyx")
    assert chunk_cache().bytes == before, "no other block wants it"


def test_check_refuses_tables_of_labels_that_were_replaced() -> None:
    image, _ = nuclei_image((1, 90, 90), 8, 14.0, 1)
    layout = run(two_channels(image), "cyx")
    verdict = Path("results/check.json")
    check([layout.record("aggregate")], verdict, 0)
    assert verdict.exists()
    record = layout.record("segment", "0000")
    record.write_text(record.read_text().replace("sha256", "sha-256"))
    with pytest.raises(ValueError, match="labels that were replaced"):
        check([layout.record("aggregate")], verdict, 0)


def test_check_names_what_is_quarantined() -> None:
    image, _ = nuclei_image((1, 90, 90), 8, 14.0, 1)
    chunk = Path("image.zarr/0/c/0/0/0")
    layout = run(two_channels(image), "cyx")
    chunk.unlink()
    settings, how = load_settings("config.yaml"), Execution()
    segment(layout.batch("0000"), layout.record("segment", "0000"), settings, how)
    measure(
        layout.batch("0000"),
        layout.record("segment", "0000"),
        layout.record("measure", "0000"),
        settings,
        how,
    )
    aggregate([layout.batch("0000")], layout.record("aggregate"), settings)
    with pytest.raises(StoreUnavailable, match="1 images quarantined; allowed: 0"):
        check([layout.record("aggregate")], Path("results/check.json"), 0)
    assert not (layout.labels / "labels").exists()
