"""Images stored in another order of axes, or as booleans, come out as their usual copies do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trees import write_image
from voxelmill.blocks import Box
from voxelmill.configfile import load_config, load_settings
from voxelmill.export.filelist import _pixels as listed
from voxelmill.labelsource import stored_labels
from voxelmill.layout import Layout
from voxelmill.plugin import BadInput
from voxelmill.steps.measure import measure
from voxelmill.steps.scan import scan
from voxelmill.steps.segment import segment
from voxelmill.steps.work import Execution
from voxelmill.store.read import Image, open_image, read_box
from voxelmill.tables import read_table

CONFIG = """
datasets: sheet.tsv
objects:
  cells: {channel: 0, segmenter: {kind: threshold, diameter_um: 6, value: 50}}
features: [{kind: shape}, {kind: intensity, only: ["Intensity_MeanIntensity_*"]}]
"""
SCALE = {"c": 1.0, "z": 2.0, "y": 0.5, "x": 0.25}
SIZES = {"c": 2, "z": 5, "y": 40, "x": 56}
NAMES = ("Metadata_Dataset", "Metadata_Plate")
Run = tuple[Image, NDArray[Any], dict[str, Any]]


def run(name: str, pixels: NDArray[Any], letters: str) -> Run:
    """Segment and measure one image: its label image, the pixels of that, and the table."""
    scale = [SCALE[a] for a in letters]
    write_image(Path(f"{name}.zarr"), pixels, letters, "0.5", scale=scale)
    Path("config.yaml").write_text(CONFIG)
    Path("sheet.tsv").write_text(f"dataset\turl\n{name}\t{name}.zarr\n")
    scan(load_config("config.yaml"), "config.yaml")
    layout, given, how = Layout(Path("results") / name), load_settings("config.yaml"), Execution()
    batch, before = layout.batch("0000"), layout.record("segment", "0000")
    segment(batch, before, given, how)
    measure(batch, before, layout.record("measure", "0000"), given, how)
    image = open_image(str(layout.labels), "labels/cells")
    labels = read_box(image, 0, [0], Box((0, 0, 0), image.shape[2:]), sparse=True)
    table = read_table(layout.objects("cells", "0000"))
    return image, labels, {c: v for c, v in table.items() if c not in NAMES}


def blobs(letters: str) -> NDArray[np.uint16]:
    """Two unequal blocks in an image with axes `letters`."""
    pixels = np.zeros([SIZES[a] for a in letters], np.uint16)
    for start, size, value in ((5, 9, 100), (25, 11, 200)):
        box = {"y": slice(start, start + size), "x": slice(start + 2, start + 2 * size)}
        pixels[tuple(box.get(a, slice(None)) for a in letters)] = value
    return pixels


@pytest.mark.parametrize(("stored", "usual"), [("xy", "yx"), ("cxyz", "czyx"), ("cyxz", "czyx")])
def test_segmented_as_the_transposed_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: str, usual: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = blobs(usual)
    image, labels, table = run("usual", pixels, usual)
    turned = pixels.transpose([usual.index(a) for a in stored])
    other, same, rows = run("turned", turned, stored)
    assert labels.max() == 2
    np.testing.assert_array_equal(same, labels)
    assert other.axes == image.axes == usual.lstrip("c")
    assert other.shape == image.shape
    assert other.spacing_um == image.spacing_um
    assert list(rows) == list(table)
    for column, values in table.items():
        np.testing.assert_array_equal(rows[column], values, err_msg=column)


def test_booleans_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(globals(), "CONFIG", CONFIG.replace("50", "0.5"))
    mask = blobs("yx") > 0
    _, labels, table = run("bytes", mask.astype(np.uint8), "yx")
    _, same, rows = run("booleans", mask, "yx")
    assert labels.max() == 2
    np.testing.assert_array_equal(same, labels)
    for column, values in table.items():
        np.testing.assert_array_equal(rows[column], values, err_msg=column)


def test_a_mask_is_no_label_image(tmp_path: Path) -> None:
    write_image(tmp_path / "i.zarr", blobs("yx") > 0, "yx", "0.5")
    with pytest.raises(BadInput, match=r"\|b1; integers"):
        stored_labels(str(tmp_path / "i.zarr"), "")


def test_a_file_list_says_sizes_as_stored(tmp_path: Path) -> None:
    write_image(tmp_path / "i.zarr", blobs("xy"), "xy", "0.5", scale=[0.25, 0.5])
    row = listed(open_image(str(tmp_path / "i.zarr")))
    assert (row["axes"], row["shape"], row["pixel_size_um"]) == ("xy", "56 x 40", "0.25 x 0.5")
