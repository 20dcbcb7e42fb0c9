"""The specification's own suites and the trees of other writers: verdicts, shapes, scales, types.

Decisions where the suites say less, or other, than the text of the specification:

- strict suites ask for what the text calls SHOULD (name, type, metadata, version of 0.4, colors):
  accepted, and said in `notes`.
- 0.4 mismatch_axes_units has a scale of two values for three axes and is called valid: the values
  are read as those of the space axes, with a warning.
- A custom or untyped axis beside y and x is read as channels, with a warning.
- 0.4 plates whose well path contradicts its indices are called valid: the path is believed where
  its parts are a row and a column, with a warning. 0.5 calls the same invalid.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import SHARED, needs_shared
from trees import image_attributes, put_array, put_group
from voxelmill.blocks import Box
from voxelmill.plugin import BadInput, StoreUnavailable
from voxelmill.store import inventory, open_dataset, open_image, read_box

SUITES = SHARED / "data" / "ngff_conformance"
TREES = SHARED / "data" / "zarr"


def _cases(kind: str) -> list[Any]:
    found = []
    for version in ("0.4", "0.5"):
        for strict in ("", "strict_"):
            path = SUITES / version / "tests" / f"{strict}{kind}_suite.json"
            if not path.is_file():
                continue
            for i, test in enumerate(json.loads(path.read_text())["tests"]):
                name = f"{version}-{strict}{test['formerly'].split('/')[-1]}-{i}"
                found.append(pytest.param(version, strict, test["data"], test["valid"], id=name))
    return found


def _refused(root: Path) -> str:
    with pytest.raises(BadInput) as error:
        open_image(str(root))
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(root.name)
    return text


def _put_arrays(root: Path, attributes: dict[str, Any], version: str) -> tuple[int, ...] | None:
    """Arrays of 12, 10, … under every level path that can be one; the shape of the first."""
    try:
        entry = attributes.get("ome", attributes)["multiscales"][0]
        names = [axis["name"] for axis in entry["axes"]]
        paths = [dataset["path"] for dataset in entry["datasets"]]
    except (KeyError, IndexError):
        return None
    shape = tuple(12 - 2 * i for i in range(len(names)))
    for level, path in enumerate(paths):
        put_array(root / str(path), [n - level for n in shape], version, names)
    return shape


@needs_shared
@pytest.mark.parametrize(("version", "strict", "data", "valid"), _cases("image"))
def test_image_suite(
    tmp_path: Path, version: str, strict: str, data: dict[str, Any], valid: bool
) -> None:
    root = tmp_path / "case.zarr"
    put_group(root, data, version)
    shape = _put_arrays(root, data, version)
    if not valid:
        _refused(root)
        return
    image = open_image(str(root))
    assert shape is not None
    assert open_dataset(str(root)).kind == "image"
    assert image.version == version
    assert image.dtype == "<u2"
    assert image.levels[0].shape == shape
    assert image.shape[3:] == shape[-2:]
    assert math.prod(image.shape) == math.prod(shape)
    entry = data.get("ome", data)["multiscales"][0]
    expected = [float(v) for v in entry["datasets"][0]["coordinateTransformations"][0]["scale"]]
    whole = entry.get("coordinateTransformations", [{"scale": [1] * len(shape)}])[0]["scale"]
    assert image.spacing_um[1:] == (expected[-2] * whole[-2], expected[-1] * whole[-1])
    recommended = {"name", "type", "metadata"} - set(entry)
    assert any("recommended" in note for note in image.notes) == bool(recommended)


@needs_shared
@pytest.mark.parametrize(("version", "strict", "data", "valid"), _cases("label"))
def test_label_suite(
    tmp_path: Path, version: str, strict: str, data: dict[str, Any], valid: bool
) -> None:
    root = tmp_path / "case.zarr"
    attributes = image_attributes("yx", version)
    if version == "0.4":
        attributes |= data
    else:
        attributes["ome"] |= data["ome"]
    put_group(root, attributes, version)
    put_array(root / "0", (6, 5), version, "yx")
    if valid or strict:
        image = open_image(str(root))
        assert image.shape == (1, 1, 1, 6, 5)
        if not valid:
            assert any("image-label" in note for note in image.notes)
    else:
        text = _refused(root)
        assert "image-label" in text


@needs_shared
@pytest.mark.parametrize(("version", "strict", "data", "valid"), _cases("plate"))
def test_plate_suite(
    tmp_path: Path, version: str, strict: str, data: dict[str, Any], valid: bool
) -> None:
    root = tmp_path / "case.zarr"
    put_group(root, data, version)
    if valid or strict:
        dataset = open_dataset(str(root))
        assert dataset.kind == "plate"
        assert [path for path, _ in dataset.problems] == ["A/1"] or data_has(data, "A1")
        assert len(dataset.rows) == len(dataset.columns) == 1
    else:
        with pytest.raises(BadInput) as error:
            open_dataset(str(root))
        assert "\n" not in str(error.value)
        assert "plate" in str(error.value)


def data_has(data: dict[str, Any], row: str) -> bool:
    plate = data.get("ome", data)["plate"]
    return row in [entry["name"] for entry in plate["rows"]]


@needs_shared
@pytest.mark.parametrize(("version", "strict", "data", "valid"), _cases("well"))
def test_well_suite(
    tmp_path: Path, version: str, strict: str, data: dict[str, Any], valid: bool
) -> None:
    root = tmp_path / "case.zarr"
    plate = {"rows": [{"name": "A"}], "columns": [{"name": "1"}, {"name": "2"}]}
    wells = [{"path": f"A/{c}", "rowIndex": 0, "columnIndex": c - 1} for c in (1, 2)]
    body = {"plate": {**plate, "wells": wells}}
    put_group(root, body if version == "0.4" else {"ome": {"version": "0.5", **body}}, version)
    put_group(root / "A" / "1", data, version)
    good = {"well": {"images": [{"path": "7"}]}}
    put_group(
        root / "A" / "2", good if version == "0.4" else {"ome": {"version": "0.5", **good}}, version
    )
    dataset = open_dataset(str(root))
    assert "A/2/7" in [ref.path for ref in dataset.images]
    if valid or strict:
        assert dataset.problems == ()
        assert dataset.images[0].path == "A/1/0"
        assert dataset.images[0].well == "A01"
    else:
        assert [path for path, _ in dataset.problems] == ["A/1"]
        assert "\n" not in dataset.problems[0][1]


@needs_shared
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_collection_examples(tmp_path: Path, version: str) -> None:
    examples = SUITES / version / "examples"
    name = ".zattrs" if version == "0.4" else "zarr.json"
    root = tmp_path / "case.zarr"
    for folder, source in ((root, "bf2raw/image.json"), (root / "OME", "ome/series-2.json")):
        folder.mkdir()
        (folder / name).write_text((examples / source).read_text())
    dataset = open_dataset(str(root))
    assert dataset.kind == "collection"
    assert [ref.path for ref in dataset.images] == ["0", "1"]
    (root / name).write_text((examples / "bf2raw" / "plate.json").read_text())
    assert open_dataset(str(root)).kind == "plate"


FRACTAL = "fractal/20200812-CardiomyocyteDifferentiation14-Cycle1_B_03_mip.zarr"
FIJI = "n5-fiji-java-matrix_v4"
NGIO = "ngio/images/test_image_"
VALID = "ome-zarr-examples/valid"
ONE = (1.0, 1.0, 1.0)
HALF = (1.0, 0.5, 0.5)
# tree, axes, shape (t, c, z, y, x), dtype, spacing (z, y, x), levels, stored chunks of level 0
EXPECTED = [
    (FRACTAL, "czyx", (1, 3, 1, 2160, 2560), "<u2", (1.0, 0.325, 0.325), 4, 0),
    (f"{FRACTAL}/labels/nuclei", "zyx", (1, 1, 1, 2160, 2560), "<u4", (1.0, 0.325, 0.325), 4, 1),
    (f"{FIJI}/2d_testing/2d_dataset_v4.ome.zarr", "yx", (1, 1, 1, 64, 64), "|u1", ONE, 2, 1),
    (f"{FIJI}/3d_testing/xyc/3d_dataset_v4.ome.zarr", "cyx", (1, 3, 1, 64, 64), "|u1", ONE, 2, 3),
    (f"{FIJI}/3d_testing/xyt/3d_dataset_v4.ome.zarr", "tyx", (4, 1, 1, 64, 64), "|u1", ONE, 2, 4),
    (f"{FIJI}/3d_testing/xyz/3d_dataset_v4.ome.zarr", "zyx", (1, 1, 16, 64, 64), "|u1", ONE, 2, 16),
    (
        f"{FIJI}/4d_testing/xyct/4d_dataset_v4.ome.zarr",
        "tcyx",
        (4, 3, 1, 64, 64),
        "|u1",
        ONE,
        2,
        12,
    ),
    (
        f"{FIJI}/4d_testing/xyzc/4d_dataset_v4.ome.zarr",
        "czyx",
        (1, 3, 16, 64, 64),
        "|u1",
        ONE,
        2,
        3,
    ),
    (
        f"{FIJI}/4d_testing/xyzt/4d_dataset_v4.ome.zarr",
        "tzyx",
        (4, 1, 16, 64, 64),
        "|u1",
        ONE,
        2,
        4,
    ),
    (f"{FIJI}/5d_testing/5d_dataset_v4.ome.zarr", "tczyx", (4, 3, 16, 64, 64), "|u1", ONE, 2, 12),
    (f"{NGIO}c1yx.zarr", "czyx", (1, 2, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{NGIO}cyx.zarr", "cyx", (1, 2, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{NGIO}czyx.zarr", "czyx", (1, 2, 3, 64, 64), "|u1", (2.0, 0.5, 0.5), 2, 0),
    (f"{NGIO}tcyx.zarr", "tcyx", (4, 2, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{NGIO}tczyx.zarr", "tczyx", (4, 2, 3, 64, 64), "|u1", (2.0, 0.5, 0.5), 2, 0),
    (f"{NGIO}tyx.zarr", "tyx", (4, 1, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{NGIO}tzyx.zarr", "tzyx", (4, 1, 3, 64, 64), "|u1", (2.0, 0.5, 0.5), 2, 0),
    (f"{NGIO}yx.zarr", "yx", (1, 1, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{NGIO}zyx.zarr", "zyx", (1, 1, 3, 64, 64), "|u1", (2.0, 0.5, 0.5), 2, 0),
    (f"{NGIO}tczyx.zarr/labels/label", "tzyx", (4, 1, 3, 64, 64), "|u1", (2.0, 0.5, 0.5), 2, 0),
    (f"{NGIO}yx.zarr/labels/label", "yx", (1, 1, 1, 64, 64), "|u1", HALF, 2, 0),
    (f"{VALID}/image-01.zarr", "yx", (1, 1, 1, 1000, 1000), "<f8", ONE, 1, 0),
    (f"{VALID}/image-02.zarr", "yx", (1, 1, 1, 200, 200), "<f8", ONE, 1, 4),
    (f"{VALID}/image-03.zarr", "zyx", (1, 1, 2, 100, 100), "<f8", ONE, 1, 4),
    (f"{VALID}/image-04.zarr", "zyx", (1, 1, 2, 64, 64), "<f8", ONE, 2, 0),
    ("ome-zarr-examples/warning/image-01.zarr", "yx", (1, 1, 1, 64, 64), "<i8", ONE, 2, 0),
]


@needs_shared
@pytest.mark.parametrize(
    ("tree", "axes", "shape", "dtype", "spacing", "levels", "stored"),
    EXPECTED,
    ids=[row[0].split("/", 1)[1][-40:] for row in EXPECTED],
)
def test_tree(
    tree: str,
    axes: str,
    shape: tuple[int, ...],
    dtype: str,
    spacing: tuple[float, ...],
    levels: int,
    stored: int,
) -> None:
    url = str(TREES / tree)
    assert open_dataset(url).images[0].path == ""
    image = open_image(url)
    assert (image.axes, image.shape, image.dtype) == (axes, shape, dtype)
    assert image.spacing_um == spacing
    assert len(image.levels) == levels
    chunks = inventory(image)
    assert chunks.stored == stored
    assert bool(chunks.missing) == (chunks.stored < chunks.expected)
    box = Box((0, 0, 0), shape[2:])  # type: ignore[arg-type]
    if chunks.complete:
        pixels = read_box(image, shape[0] - 1, range(shape[1]), box)
        assert pixels.shape == shape[1:]
        assert pixels.dtype == np.dtype(dtype).newbyteorder("=")
    else:
        with pytest.raises(StoreUnavailable, match="missing"):
            read_box(image, 0, [0], box)


@needs_shared
def test_every_tree_is_listed() -> None:
    known = {row[0] for row in EXPECTED}
    roots = {
        str(path.parent.relative_to(TREES))
        for path in TREES.rglob(".zattrs")
        if "multiscales" in json.loads(path.read_text()) and "invalid" not in path.parts
    }
    labels = {root for root in roots if "ngio" in root and root.endswith("labels/label")}
    plate = {root for root in roots if "plate-01" in root}
    assert roots - known - labels - plate == set()
    for root in sorted(labels):
        assert open_image(str(TREES / root)).shape[-1] == 64


@needs_shared
def test_example_plate() -> None:
    dataset = open_dataset(str(TREES / VALID / "plate-01.zarr"))
    assert [ref.well for ref in dataset.images] == ["A01", "A02", "B01", "B02"]
    assert {ref.acquisition for ref in dataset.images} == {1}
    assert {ref.plate for ref in dataset.images} == {"my_wonderful_plate"}
    assert (dataset.rows, dataset.columns) == (("A", "B"), ("1", "2"))
    assert len(dataset.warnings) == 2
    for ref in dataset.images:
        assert open_image(dataset.url, ref.path).shape == (1, 1, 1, 1000, 1000)


@needs_shared
@pytest.mark.parametrize(
    ("tree", "rule"),
    [
        ("image-01.zarr", "no multiscales, plate or bioformats2raw.layout"),
        ("image-02.zarr", "multiscales: []; must have at least 1 entries"),
        ("image-03.zarr", "no array '0'; datasets[].path must name an array"),
        ("image-04.zarr", "must have one for each of the 3 axes z, y, x"),
    ],
)
def test_invalid_example(tree: str, rule: str) -> None:
    assert rule in _refused(TREES / "ome-zarr-examples" / "invalid" / tree)


@needs_shared
def test_levels_of_other_type_are_noted() -> None:
    image = open_image(str(TREES / "ome-zarr-examples" / "warning" / "image-01.zarr"))
    assert any("differ in data type" in note for note in image.notes)


@needs_shared
@pytest.mark.parametrize("codec", ["raw", "zlib", "gzip", "blosc"])
def test_codecs_of_other_writers(tmp_path: Path, codec: str) -> None:
    source = TREES / "zarr_implementations" / "zarr.zr"
    with pytest.raises(BadInput, match=r"no zarr.json or .zattrs"):
        open_dataset(str(source))
    root = tmp_path / "case.zarr"
    put_group(root, image_attributes("zyx", "0.4"), "0.4")
    (root / "0").symlink_to(source / codec)
    image = open_image(str(root))
    assert (image.shape, image.dtype) == ((1, 1, 512, 512, 3), "|u1")
    assert inventory(image).complete
    pixels = read_box(image, 0, [0], Box((0, 0, 0), (512, 512, 3)))
    (root / "0").unlink()
    (root / "0").symlink_to(source / "raw")
    raw = read_box(open_image(str(root)), 0, [0], Box((0, 0, 0), (512, 512, 3)))
    np.testing.assert_array_equal(pixels, raw)
    assert pixels.max() > 100
