"""The five lines of the README: open, segment, measure; lazily, in any Dask client."""

import gc
import json
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from distributed import Client

import voxelmill
from samples import PLANE, VOLUME, balls, photograph
from simple_segmenters import Bigger, Components, whole_image
from voxelmill import api
from voxelmill.arrayends import ArraySource, SourceArray
from voxelmill.batch import Batch, Item
from voxelmill.blocks import Box
from voxelmill.config import Settings
from voxelmill.objectsets import Segmented
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.steps.demo import write_demo_plate
from voxelmill.steps.segment import segment as segment_step
from voxelmill.steps.work import Execution
from voxelmill.store.labels import read_labels
from voxelmill.store.write import write_image

FAMILIES = [voxelmill.feature(kind) for kind in ("shape", "intensity")]


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plate") / "plate.zarr"
    write_demo_plate(path, wells=1, fields=1, size=300, faults=False)
    return path


@pytest.fixture(scope="module")
def image(plate: Path) -> xr.DataArray:
    return voxelmill.open_image(str(plate), "A/01/0")


def test_an_opened_image_is_lazy_and_named(image: xr.DataArray) -> None:
    assert image.dims == tuple("tczyx")
    assert isinstance(image.data, da.Array)
    assert list(image.c.values) == ["DNA", "AGP", "ER"]
    np.testing.assert_allclose(image.x.values, 0.65 * np.arange(300))
    assert image.attrs["spacing_um"] == (1.0, 0.65, 0.65)
    assert image.dtype == np.uint16


@pytest.mark.parametrize(
    "key",
    [
        np.s_[0, 0, 0, 10:20, 5],
        np.s_[0, :, 0, ::7, ::-1],
        np.s_[:, [2, 0], :, 250:, 3:4],
        np.s_[0, 1, 0, [1, 5, 280], 2:4],
        np.s_[..., -3:, -1],
        np.s_[..., 7:7, :],
    ],
    ids=str,
)
def test_any_part_can_be_read(image: xr.DataArray, key: tuple[object, ...]) -> None:
    np.testing.assert_array_equal(image.data[key].compute(), image.values[key])


def test_several_chunks_times_and_planes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 2**16, (2, 2, 3, 40, 50)).astype(np.uint16)
    write_image(str(tmp_path / "i"), pixels, "tczyx", (2, 1, 1), ["a", "b"])
    monkeypatch.setattr(api, "CHUNK", 17)
    opened = voxelmill.open_image(str(tmp_path / "i"))
    assert opened.data.numblocks == (2, 2, 1, 3, 3)
    np.testing.assert_array_equal(opened.values, pixels)
    np.testing.assert_array_equal(
        opened.sel(c="b")[1, 2, 16:18, ::2].values, pixels[1, 1, 2, 16:18, ::2]
    )


def test_five_lines_give_the_labels_of_the_workflow(
    plate: Path, image: xr.DataArray, tmp_path: Path
) -> None:
    labels = voxelmill.segment(
        image.sel(c="DNA"), voxelmill.segmenter("watershed", diameter_um=12), block=100
    )
    table = voxelmill.measure(labels, image, block=90)
    assert labels.dims == tuple("tzyx")
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels.x, image.x)
    item = Item("A/01/0", "", "A01", "A", "01", "0", None, 90_000)
    batch = tmp_path / "d" / "batches" / "0000.json"
    batch.parent.mkdir(parents=True)
    batch.write_text(json.dumps(Batch("d", str(plate), "0000", (item,)).as_json()))
    settings = Settings(
        objects={
            "nuclei": Segmented(
                channel="DNA", segmenter=voxelmill.segmenter("watershed", diameter_um=12)
            )
        }
    )
    segment_step(batch, tmp_path / "out.json", settings, Execution())
    stored = read_labels(
        str(tmp_path / "d/labels.ome.zarr"), "A/01/0", "nuclei", 0, Box((0, 0, 0), (1, 300, 300))
    )
    np.testing.assert_array_equal(labels.values[0], stored)
    assert table["ObjectNumber"].tolist() == list(range(1, stored.max() + 1))
    assert len(table["ObjectNumber"]) > 3
    sizes = np.bincount(stored.ravel())[1:]
    np.testing.assert_array_equal(table["AreaShape_Area"], sizes)
    assert "Intensity_MeanIntensity_ER" in table


def scene() -> np.ndarray:
    return photograph(balls((1, 90, 100), PLANE, 8, 14))


def test_explicit_arrays_of_fewer_axes_agree() -> None:
    pixels, made = scene(), []
    for array in (pixels[0, 0], pixels[0], pixels, pixels[None], da.from_array(pixels[0, 0], 40),
                  xr.DataArray(pixels[0, 0], dims=("y", "x")),
                  xr.DataArray(pixels[0, 0].T, dims=("x", "y"))):  # fmt: skip
        labels = voxelmill.segment(
            array, voxelmill.segmenter("watershed", diameter_px=8), block=64, spacing_um=PLANE
        )
        assert labels.shape == (1, 1, 90, 100)
        made.append(labels.values)
    assert made[0].max() > 10
    for other in made[1:]:
        np.testing.assert_array_equal(other, made[0])


def test_labels_are_lazy_and_outlive_the_call() -> None:
    labels = voxelmill.segment(scene(), Components())
    part = labels.isel(t=0, z=0, y=slice(10, 30), x=[3, 40])
    assert isinstance(part.data, da.Array)
    values = labels.values
    del labels
    gc.collect()
    np.testing.assert_array_equal(part.values, values[0, 0, 10:30][:, [3, 40]])
    with dask.config.set(scheduler="synchronous"):
        assert int(part.max()) == values[0, 0, 10:30][:, [3, 40]].max()


def test_volumes_and_time() -> None:
    truth = balls((6, 40, 50), VOLUME, 8, 14)
    stack = np.stack([photograph(truth)[0], np.zeros_like(truth)]).astype(np.uint16)[:, None]
    mask = np.where(stack > 60, stack, 0)
    labels = voxelmill.segment(mask, Components(reach=(6, 14, 14)), block=20, spacing_um=VOLUME)
    np.testing.assert_array_equal(labels.values[0], whole_image(mask[0, 0]))
    assert not labels.values[1].any()
    table = voxelmill.measure(labels, mask, spacing_um=VOLUME)
    assert set(table["Timepoint"]) == {0}
    assert "AreaShape_Volume" in table


def test_seeds() -> None:
    image = np.zeros((1, 20, 30), np.uint8)
    image[0, 5:9, 5:9] = image[0, 12:15, 20:25] = 9
    seeds = np.zeros((1, 20, 30), np.uint16)
    seeds[0, 6, 6], seeds[0, 13, 22] = 40_000, 7
    for name in ("nuclei", "objects", "seeds"):
        grown = voxelmill.segment(image, Bigger(seeds=name), seeds=seeds, block=16)
        wanted = Bigger()(image[None], PLANE, seeds.astype(np.int32))
        np.testing.assert_array_equal(grown.values[0], wanted)


SEEDS = np.ones((1, 90, 100), np.int32)


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        (None, "no seeds given"),
        (SEEDS[:, :50], r"\(1, 1, 50, 100\); the image has \(1, 1, 90, 100\)"),
        (SEEDS[:, :1, :1], "the image has"),
        (SEEDS * 1.0, "float64"),
        (-SEEDS, "-1 to 0; allowed: ids 0 to 2147483647"),
        (SEEDS.astype(np.int64) * 2**31, "2147483648"),
    ],
)
def test_seeds_that_do_not_fit(seeds: np.ndarray | None, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        voxelmill.segment(scene(), Bigger(), seeds=seeds)


def test_kinds_that_are_not_there() -> None:
    with pytest.raises(BadConfig, match=r"allowed: .*watershed"):
        voxelmill.segmenter("watershd")
    with pytest.raises(BadConfig, match="diameter_nm"):
        voxelmill.segmenter("watershed", diameter_nm=3)
    with pytest.raises(BadConfig, match=r"allowed: .*shape"):
        voxelmill.feature("shap")


def test_mistakes(image: xr.DataArray) -> None:
    with pytest.raises(BadInput, match=r"3 channels; allowed: 1. Pick one: image.sel\(c='DNA'\)"):
        voxelmill.segment(image, Components())
    with pytest.raises(BadInput, match="seeds given; allowed: none"):
        voxelmill.segment(scene(), Components(), seeds=SEEDS)
    with pytest.raises(BadInput, match="axes Y, X; allowed: y, x"):
        voxelmill.segment(xr.DataArray(scene()[0, 0], dims=("Y", "X")), Components())
    with pytest.raises(BadInput, match="1 axes"):
        voxelmill.segment(scene()[0, 0, 0], Components())
    with pytest.raises(BadInput, match="the image has"):
        voxelmill.measure(SEEDS[:, :50], scene())


def test_tables_do_not_depend_on_blocks() -> None:
    image = np.concatenate([scene(), scene()[:, :, ::-1]])
    labels = (
        voxelmill.segment(image[:1], voxelmill.segmenter("watershed", diameter_px=8)).values * 3
    )
    one, *others = [
        voxelmill.measure(labels, image, FAMILIES, block=block, workers=workers)
        for block, workers in ((2048, 1), (16, 2), (37, 3), (64, 1))
    ]
    assert one["ObjectNumber"].tolist() == [int(i) for i in np.unique(labels) if i]
    for other in others:
        assert list(other) == list(one)
        for column, values in one.items():
            assert values.dtype == other[column].dtype
            assert values.tobytes() == other[column].tobytes(), column


def test_nothing_to_measure() -> None:
    table = voxelmill.measure(np.zeros((20, 30), np.int32), np.zeros((20, 30), np.uint8))
    assert all(len(values) == 0 for values in table.values())
    full = voxelmill.measure(np.ones((20, 30), np.int32), np.zeros((20, 30), np.uint8))
    assert list(table) == list(full)


def test_the_active_client_does_the_work() -> None:
    with Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ) as client:
        labels = voxelmill.segment(scene(), Components(), block=50)
        voxelmill.measure(labels, scene(), block=50)
        ran = {key for keys in client.run(lambda dask_worker: list(dask_worker.state.log)).values()
               for key in map(str, keys)}  # fmt: skip
        assert any("voxelmill-" in key for key in ran)
        assert client.status == "running"
        assert labels.max().compute() == labels.values.max()


def test_the_array_face_of_a_source_indexes_like_numpy() -> None:
    pixels = np.random.default_rng(0).integers(0, 99, (2, 3, 4, 11, 12))
    face = SourceArray(ArraySource(pixels, PLANE), pixels.dtype)
    every = slice(None)
    for key in (
        (every, [2, 0], every, slice(1, 9, 3), slice(None, None, -2)),
        (1, 2, 3, slice(4, 5), [0, 11, 5]),
        (slice(1, 2), every, slice(0, 0), every, 7),
    ):
        wanted = pixels
        for axis in reversed(range(5)):
            wanted = wanted[(every,) * axis + (key[axis],)]
        np.testing.assert_array_equal(face[key], wanted)
