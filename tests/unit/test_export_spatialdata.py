"""SpatialData, written and read back with the library itself (`make spatialdata`)."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exports import IMAGE, LOST, damaged_results, link, process, same_bits, table, write_nuclei
from voxelmill.blocks import Box
from voxelmill.export import spatialdata as ours
from voxelmill.layout import Layout
from voxelmill.plugin import Array, BadConfig
from voxelmill.steps.export import Wanted, export
from voxelmill.store.read import open_image, read_box


def installed() -> bool:
    try:
        return bool(version("spatialdata"))
    except PackageNotFoundError:
        return False


needs_library = pytest.mark.skipif(
    not installed(), reason="spatialdata is not installed: make spatialdata"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a plate of which one image is damaged, and its results."""
    return damaged_results(tmp_path_factory.mktemp("sd"), 5)


@pytest.fixture(autouse=True)
def _here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link(home, tmp_path)
    monkeypatch.chdir(tmp_path)


def written(results: str = "results", **wanted: Any) -> Any:  # noqa: ANN401 - SpatialData
    import spatialdata

    export(results, Wanted(spatialdata=Path("out.zarr"), **wanted), lambda _: None)
    return spatialdata.read_zarr("out.zarr")


def labels(root: str, path: str, t: int = 0) -> Array:
    image = open_image(root, path)
    z, y, x = image.shape[2:]
    return read_box(image, t, [0], Box((0, 0, 0), (z, y, x)))[0]


@needs_library
def test_labels_are_equal_and_the_table_annotates_them() -> None:
    import spatialdata
    from spatialdata.transformations import get_transformation

    found = written(sets=("cells", "nuclei"))
    layout = Layout(Path("results/p"))
    assert set(found.tables) == {"cells", "nuclei"}
    assert len(found.labels) == 7 * 2
    assert f"{LOST.replace('/', '_')}_nuclei" not in found.labels
    expected = table(layout, "nuclei")
    read = found.tables["nuclei"]
    features = [c for c in expected if not c.startswith("Metadata_")]
    assert same_bits(read.X, np.column_stack([expected[f] for f in features]))
    for path in dict.fromkeys(expected["Metadata_Image"]):
        name = f"{path.replace('/', '_')}_nuclei"
        pixels = np.asarray(found.labels[name].data)
        assert pixels.dtype == np.int32
        stored = labels(str(layout.labels), f"{path}/labels/nuclei")[0]
        assert np.array_equal(pixels, stored)
        area = "Nuclei_AreaShape_Area"
        values = spatialdata.get_values(area, sdata=found, element_name=name, table_name="nuclei")
        counts = np.bincount(stored.ravel())
        assert values[area].tolist() == counts[values.index.to_numpy()].tolist()
        assert len(values) == np.count_nonzero(counts[1:])
        scale = get_transformation(found.labels[name], path.replace("/", "_"))
        assert scale.to_affine_matrix(("y", "x"), ("y", "x"))[:2, :2].tolist() == [
            [0.65, 0.0], [0.0, 0.65],
        ]  # fmt: skip


@needs_library
def test_images_are_taken_in_on_request() -> None:
    found = written(sets=("nuclei",), images=True)
    image = found.images["A_02_0"]
    assert image.coords["c"].values.tolist() == ["DNA", "AGP", "ER"]
    stored = open_image("plate.zarr", "A/02/0")
    pixels = read_box(stored, 0, [0, 1, 2], Box((0, 0, 0), (1, 256, 256)))[:, 0]
    assert np.array_equal(np.asarray(image.data), pixels)


@needs_library
def test_time_points_and_planes() -> None:
    write_nuclei("tczyx", frames=2, depth=12)
    process(IMAGE, "series")
    found = written("series")
    assert set(found.labels) == {"image_t0_nuclei", "image_t1_nuclei"}
    for t in range(2):
        stored = labels("series/image/labels.ome.zarr", "labels/nuclei", t)
        assert np.array_equal(np.asarray(found.labels[f"image_t{t}_nuclei"].data), stored)
    regions = found.tables["nuclei"].obs["region"]
    assert set(regions) == set(found.labels)


@needs_library
def test_zipped_labels_and_images_without_objects() -> None:
    from voxelmill.store.write import Channel, write_image

    noise = np.random.default_rng(0).normal(200, 5, (1, 1, 1, 80, 90)).astype(np.uint16)
    write_image("image.zarr", noise, "cyx", (1.0, 1.0, 1.0), [Channel("DNA")])
    Path("sheet.tsv").write_text("dataset\turl\nimage\timage.zarr\n")
    process(IMAGE + "labels: zip\n", "zipped")
    found = written("zipped")
    assert not np.asarray(found.labels["image_nuclei"].data).any()
    assert list(found.tables) == []


@needs_library
def test_it_is_few_files() -> None:
    written(sets=("nuclei",))
    assert sum(p.is_file() for p in Path("out.zarr").rglob("*")) < 150


@pytest.mark.skipif(installed(), reason="spatialdata is installed")
def test_without_the_library_one_line_says_what_to_install() -> None:
    with pytest.raises(BadConfig, match=r"pip install voxelmill\[spatialdata\]"):
        export("results", Wanted(spatialdata=Path("out.zarr")), lambda _: None)


def test_versions_that_cannot_write_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"spatialdata": "0.7.0", "ome-zarr": "0.18.0"}
    monkeypatch.setattr(ours, "version", told.__getitem__)
    with pytest.raises(BadConfig, match=r"0\.7\.0 cannot write with ome-zarr 0\.18\.0"):
        ours.require()
    told["ome-zarr"] = "0.13.0"
    ours.require()
