"""Packages of the BioImage Model Zoo, by bioimageio.core and onnxruntime, while offline."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine_runs import one_set, run_engine, workers
from voxelmill.plugin import BadConfig, BadInput, Labels, NotFitted, Pixels
from voxelmill.segmenters._packagefile import fingerprint
from voxelmill.segmenters.bioimageio import BioImageIO

ABSENT = "not installed; pip install voxelmill[bioimageio] onnx"
core = pytest.importorskip("bioimageio.core", reason=f"bioimageio.core {ABSENT}")
pytest.importorskip("onnxruntime", reason=f"onnxruntime {ABSENT}")
pytest.importorskip("onnx", reason=f"onnx {ABSENT}")

import model_packages  # noqa: E402 - needs onnx

UM = (1.0, 1.0, 1.0)
DIAMETER = 14


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a job opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def rdf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_packages.package(tmp_path_factory.mktemp("zoo") / "sums")


def image(size: int = 400, seed: int = 0) -> tuple[Pixels, Labels]:
    """Pixels (1, 1, y, x) of pairs of touching discs, and the truth."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    truth = np.zeros((size, size), np.int32)
    for cy in range(20, size - 20, 36):
        for cx in range(20, size - 20, 44):
            jitter = rng.uniform(-3, 3, 2)
            for side in (-1, 1):
                far = np.hypot(y - cy - jitter[0], x - cx - jitter[1] - side * 0.48 * DIAMETER)
                truth[(far <= DIAMETER / 2) & (truth == 0)] = truth.max() + 1
    noisy = np.where(truth > 0, 800, 200) + rng.normal(0, 20, truth.shape)
    return np.clip(noisy, 0, 65535).astype(np.uint16)[None, None], truth


def segmenter(rdf: Path, **more: object) -> BioImageIO:
    return BioImageIO.model_validate({"model": str(rdf), "diameter_px": DIAMETER, **more})


def labels(found: BioImageIO, pixels: Pixels) -> Labels:
    return found.fit(pixels, UM)(pixels, UM)[0]


def right(found: Labels, truth: Labels) -> float:
    """Share of the planted objects that an object covers with IoU above 0.7."""
    pairs, counts = np.unique(np.stack([truth.ravel(), found.ravel()]), axis=1, return_counts=True)
    sizes = np.bincount(truth.ravel()), np.bincount(found.ravel())
    iou = counts / (sizes[0][pairs[0]] + sizes[1][pairs[1]] - counts)
    return float(np.sum((iou > 0.7) & pairs.all(axis=0)) / truth.max())


def test_the_package_is_a_real_one(rdf: Path) -> None:
    summary = core.test_model(rdf)
    assert summary.status == "passed", summary.format()


def test_finds_planted_objects_that_touch(rdf: Path) -> None:
    pixels, truth = image()
    found = labels(segmenter(rdf), pixels)
    assert right(found, truth) > 0.95
    assert abs(int(found.max()) - int(truth.max())) <= 0.03 * truth.max()
    merged = labels(segmenter(rdf, boundary=-1), pixels)
    assert merged.max() < 0.6 * truth.max()


def test_a_folder_its_file_and_a_zip_are_the_same_package(rdf: Path) -> None:
    pixels, _ = image(200)
    expected = labels(segmenter(rdf), pixels)
    for path in (rdf.parent, model_packages.zipped(rdf)):
        np.testing.assert_array_equal(labels(segmenter(path), pixels), expected)


def test_the_older_format_is_read_too(rdf: Path, tmp_path: Path) -> None:
    older = model_packages.as_older(model_packages.package(tmp_path / "older"))
    pixels, _ = image(200)
    np.testing.assert_array_equal(labels(segmenter(older), pixels), labels(segmenter(rdf), pixels))


@pytest.mark.parametrize("axes", ["byxc", "cbxy"])
def test_the_order_of_axes_does_not_matter(rdf: Path, tmp_path: Path, axes: str) -> None:
    pixels, _ = image(200)
    other = model_packages.package(tmp_path / axes, axes=axes)
    expected = labels(segmenter(rdf), pixels)
    np.testing.assert_array_equal(labels(segmenter(other), pixels), expected)


def test_blocks_and_batches_do_not_change_a_bit(tmp_path: Path) -> None:
    rdf = model_packages.package(tmp_path / "small", size=64)
    pixels, truth = image(410)
    found = []
    for number, (block, batch) in enumerate([(64, 1), (96, 4), (2048, 3)]):
        with workers() as crew:
            made = run_engine(
                tmp_path / str(number),
                pixels[None],
                one_set(segmenter(rdf, batch=batch)),
                crew,
                block=(1, block),
                shard=(1, 2048, 2048),
            )
        found.append(made.labels["nuclei"])
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])
    assert right(found[0][0, 0], truth) > 0.95


def test_two_channels_and_no_more_or_fewer(tmp_path: Path) -> None:
    rdf = model_packages.package(tmp_path / "two", channels=2)
    pixels, truth = image(200)
    assert right(labels(segmenter(rdf), np.repeat(pixels, 2, axis=0)), truth) > 0.9
    with pytest.raises(BadConfig, match="1 channels; the package takes 2"):
        segmenter(rdf).fit(pixels, UM)


def test_a_channel_of_distances_separates_objects_too(rdf: Path) -> None:
    """The negative of the boundary, by postprocessing, as a map that is high in the middle."""
    turn = {"id": "scale_linear", "kwargs": {"axis": "channel", "gain": [1, -5], "offset": [0, 5]}}
    deep = model_packages.package(rdf.parent.parent / "deep", after=(turn,))
    pixels, truth = image(200)
    found = labels(segmenter(deep, distances=1, seed_threshold=2.5), pixels)
    assert right(found, truth) > 0.95


def test_statistics_are_those_of_the_image_not_of_a_tile(rdf: Path) -> None:
    pixels, _ = image(300)
    fitted = segmenter(rdf).fit(pixels, UM)
    assert fitted.fitted is not None
    low, high = np.percentile(pixels, (1, 99))
    np.testing.assert_allclose(fitted.fitted.steps[0].gain, 1 / (high - low + 1e-6))
    assert fitted.fit(pixels // 2, UM) == fitted
    assert BioImageIO.model_validate_json(fitted.model_dump_json()) == fitted


@pytest.mark.parametrize(
    ("size", "halo", "tile", "margin"),
    [
        (None, None, 256, 32),
        (None, 8, 256, 8),
        (64, None, 64, 8),
        ({"min": 64, "step": 100}, 4, 264, 4),
    ],
)
def test_tiles_are_those_of_the_package(
    tmp_path: Path, size: int | dict[str, int] | None, halo: int | None, tile: int, margin: int
) -> None:
    rdf = model_packages.package(tmp_path / "p", size=size, halo=halo)
    fitted = segmenter(rdf).fit(image(100)[0], UM).fitted
    assert fitted is not None
    assert (fitted.tile_px, fitted.margin_px) == (tile, margin)


def test_torchscript_weights_say_the_same(rdf: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    kernels, biases = model_packages.weights()
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 13, padding=6), torch.nn.Sigmoid())
    net[0].weight.data, net[0].bias.data = torch.from_numpy(kernels), torch.from_numpy(biases)
    said = {"torchscript": {"source": "weights.pt", "pytorch_version": "2.0"}}
    other = model_packages.package(rdf.parent.parent / "script", changes={"weights": said})
    torch.jit.script(net).save(other.parent / "weights.pt")
    pixels, _ = image(200)
    found, expected = labels(segmenter(other), pixels), labels(segmenter(rdf), pixels)
    assert found.max() == expected.max()
    assert np.mean((found > 0) == (expected > 0)) > 0.999


def test_a_changed_package_is_refused(tmp_path: Path) -> None:
    rdf = model_packages.package(tmp_path / "p")
    pixels, _ = image(100)
    ready = segmenter(rdf).prepared()
    assert ready.sha256 == fingerprint(rdf)
    weights = rdf.parent / "weights.onnx"
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert segmenter(rdf).prepared().sha256 != ready.sha256
    with pytest.raises(BadConfig, match=r"at the start .*Run again"):
        ready.fit(pixels, UM)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("no/such/folder", "Fetch the package 'folder' from https://bioimage.io"),
        ("affable-shark", "jobs never download"),
        ("https://example.org/rdf.yaml", "Fetch https://example.org/rdf.yaml"),
    ],
)
def test_what_is_not_on_disk_is_refused(model: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        segmenter(Path()).model_copy(update={"model": model}).prepared()


MEAN = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x"]}}
LOCAL = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
REMOTE = {"weights": {"onnx": {"source": "https://example.org/w.onnx", "opset_version": 18}}}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": (MEAN,)}, "'zero_mean_unit_variance' over axes x"),
        ({"steps": ({"id": "sigmoid"},)}, "preprocessing 'sigmoid'"),
        ({"after": (LOCAL,)}, "postprocessing 'zero_mean_unit_variance'"),
        ({"changes": REMOTE}, "weights at https://example.org/w.onnx"),
        ({"changes": {"inputs": []}}, "invalid package"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_block(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    rdf = model_packages.package(tmp_path / "p", **settings)
    with pytest.raises(BadConfig, match=said):
        segmenter(rdf).fit(image(100)[0], UM)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"boundary": 2}, "channel 2 of the output; the package has 2"),
        ({"output": "other"}, "no output 'other'; allowed: said"),
        ({"weights_format": "torchscript"}, "no weights 'torchscript'; allowed: onnx"),
    ],
)
def test_what_the_package_lacks_is_refused(rdf: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        segmenter(rdf, **settings).fit(image(100)[0], UM)


def test_files_that_are_no_package_are_refused(tmp_path: Path) -> None:
    for name, content in (("a.zip", b"no archive"), ("a.yaml", b"- 1"), ("b.txt", b"\xff\x00{")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadConfig, match="package"):
            segmenter(tmp_path / name).fit(image(100)[0], UM)
    with pytest.raises(BadConfig, match=r"has no rdf.yaml or bioimageio.yaml"):
        segmenter(tmp_path).prepared()
    broken = model_packages.package(tmp_path / "p")
    (broken.parent / "weights.onnx").write_bytes(b"no graph")
    with pytest.raises(BadConfig, match="no weights that onnxruntime can read"):
        segmenter(broken).fit(image(100)[0], UM)


def test_a_volume_and_an_unfitted_one_are_refused(rdf: Path) -> None:
    pixels, _ = image(100)
    with pytest.raises(NotFitted, match="Call fit first"):
        segmenter(rdf)(pixels, UM)
    with pytest.raises(BadInput, match="2 planes; allowed: 1"):
        segmenter(rdf).fit(pixels, UM)(np.repeat(pixels, 2, axis=1), UM)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"diameter_um": 5.0}, "set exactly one"),
        ({"boundary": 0}, "boundary and foreground are channel 0"),
        ({"boundary": 1, "distances": 1}, "set one of them"),
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        segmenter(Path("p"), **settings)
