"""Cellpose with real networks: checked before use, loaded once, the same in any blocks.

The dynamics are tested in `test_flows`, the grid of tiles in `test_tilegrid`; both need no torch.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import samples
import stand_ins
from engine_runs import one_set, run_engine, workers
from shared import SHARED, needs_shared
from voxelmill.config import Settings
from voxelmill.plugin import BadConfig, BadInput
from voxelmill.segmenters import _network, _weights
from voxelmill.segmenters.cellpose import Cellpose

WEIGHTS = SHARED / "models" / "nuclei_cellpose3"
FIELDS = SHARED / "data" / "nuclei2d" / "bbbc039_validation"
ENVIRONMENTS = Path(__file__).resolve().parents[2] / "workflow" / "envs"
UNIT = (1.0, 1.0, 1.0)


@pytest.fixture
def torch() -> Any:  # noqa: ANN401 - torch module
    pytest.importorskip("cellpose", reason="cellpose is not installed: make cellpose")
    return pytest.importorskip("torch", reason="PyTorch is not installed: make cellpose")


@pytest.fixture
def random_weights(tmp_path: Path, torch: Any) -> Path:  # noqa: ANN401 - torch module
    """Weights of Cellpose 3 that have seen nothing."""
    resnet = pytest.importorskip("cellpose.resnet_torch", reason="Cellpose 3 is not installed")
    torch.manual_seed(0)
    path = tmp_path / "random"
    torch.save(resnet.CPnet([2, *_network.BASE], 3, sz=3).state_dict(), path)
    return path


@pytest.fixture
def stand_in() -> Iterator[None]:
    stand_ins.install()
    yield
    stand_ins.remove()


def load(path: Path) -> _network.Network:
    return _network.network(path, _weights.fingerprint(path), "cpu")


def test_a_path_that_is_not_there_is_refused_before_any_job(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"no file .*/weights; .*Put them there"):
        Cellpose(model=str(tmp_path / "weights")).prepared()


def test_a_name_says_what_to_fetch_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    with pytest.raises(BadConfig, match=rf"Fetch https://.*/nucleitorch_0 to {tmp_path}/nuclei"):
        Cellpose(model="nuclei").prepared()
    with pytest.raises(BadConfig, match=rf"Fetch https://.*/cpsam to {tmp_path}/cpsam"):
        Cellpose(model="cpsam").prepared()
    (tmp_path / "nucleitorch_0").write_bytes(b"weights")
    assert _weights.weights("nuclei") == tmp_path / "nucleitorch_0"
    assert len(Cellpose(model="nuclei").prepared().sha256) == 64


def test_the_whole_configuration_is_prepared(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"1")
    spec = {"channel": ["AGP", "DNA"], "segmenter": {"kind": "cellpose", "model": str(path)}}
    settings = Settings.model_validate({"objects": {"cells": spec}})
    assert settings.channels() == ["AGP", "DNA"]
    before = settings.prepared().part("segment")
    path.write_bytes(b"2")
    assert settings.prepared().part("segment") != before, "other weights are another setting"
    too_many = {**spec, "channel": ["a", "b", "c"]}
    with pytest.raises(ValueError, match="3 channels; this segmenter takes 1 to 2"):
        Settings.model_validate({"objects": {"cells": too_many}})


def test_weights_that_do_not_fit_are_refused(random_weights: Path, torch: Any) -> None:  # noqa: ANN401
    state = torch.load(random_weights, weights_only=True)
    cases: dict[str, Any] = {
        "lacks 1 keys": {k: v for k, v in state.items() if k != "output.2.weight"},
        "has unknown 1 keys": {**state, "more": torch.zeros(1)},
        "has other shapes of 1 keys": {**state, "output.2.bias": torch.zeros(7)},
        "no weights of Cellpose 3 or 4": {"a": torch.zeros(1)},
        "a dict of tensors": [1, 2],
        "weights of Cellpose 4, installed is 3": {**state, "W2": torch.zeros(1)},
    }
    for number, (text, content) in enumerate(cases.items()):
        path = random_weights.with_name(f"case{number}")
        torch.save(content, path)
        with pytest.raises(BadConfig, match=text):
            load(path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(BadConfig, match="no weights that torch can read"):
        load(path)


def test_a_file_that_changes_during_a_run_is_refused(random_weights: Path) -> None:
    seen = _weights.fingerprint(random_weights)
    random_weights.write_bytes(random_weights.read_bytes() + b"0")
    with pytest.raises(BadConfig, match=r"sha256 .*at the start .*Run again"):
        _network.network(random_weights, seen, "cpu")


def test_the_network_is_loaded_once_for_all_blocks(
    random_weights: Path,
    torch: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    loads: list[object] = []
    original = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: loads.append(a) or original(*a, **k))
    pixels = np.random.default_rng(0).integers(0, 999, (1, 1, 1, 150, 130)).astype(np.uint16)
    segmenter = Cellpose(model=str(random_weights), diameter_px=60, batch=1)
    with workers(2) as crew:
        run_engine(tmp_path / "run", pixels, one_set(segmenter), crew, block=(1, 70))
    assert len(loads) == 1


def test_volumes_and_too_many_channels_are_refused(stand_in: None) -> None:
    fitted = Cellpose(model=str(Path(__file__))).fit(np.zeros((1, 1, 40, 40)), UNIT)
    with pytest.raises(BadInput, match="5 planes; allowed: 1"):
        fitted(np.zeros((1, 5, 40, 40)), UNIT)
    with pytest.raises(BadInput, match="3 channels; the weights take 2"):
        fitted(np.zeros((3, 1, 40, 40)), UNIT)


def test_without_a_gpu_it_says_how_long_it_takes(random_weights: Path, torch: Any) -> None:  # noqa: ANN401
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    note = Cellpose(model=str(random_weights)).note(64_000_000, 2)
    assert "no GPU here; 64 Mpx" in note
    assert "10 min on 2 cores" in note
    with pytest.raises(BadConfig, match="device cuda, but torch sees none"):
        Cellpose(model=str(random_weights), device="cuda").fit(np.zeros((1, 1, 9, 9)), UNIT)


def field(size: tuple[int, int]) -> NDArray[np.uint16]:
    """Two channels (1, 2, 1, y, x) of touching discs 12 px wide."""
    labels = samples.balls((1, *size), samples.PLANE, samples.DIAMETER_PX)
    return np.stack([samples.photograph(labels, seed)[0] for seed in (1, 2)])[None]


def test_blocks_batches_and_workers_do_not_change_a_byte(stand_in: None, tmp_path: Path) -> None:
    pixels = field((300, 340))
    segmenter = Cellpose(model=str(Path(__file__)), diameter_px=12)
    spec = one_set(segmenter)
    two = {"nuclei": spec["nuclei"].model_copy(update={"channel": ("0", "1")})}
    for objects in (spec, two):
        made = []
        for number, block in enumerate([4096, 97, 61]):
            with workers(1 + number) as crew:
                folder = tmp_path / f"{len(objects)}{number}{objects is two}"
                made.append(run_engine(folder, pixels, objects, crew, block=(1, block)))
        assert made[0].index()[-1, 0] > 100
        for other in made[1:]:
            np.testing.assert_array_equal(other.labels["nuclei"], made[0].labels["nuclei"])
    batched = segmenter.model_copy(update={"batch": 7})
    with workers(2) as crew:
        found = run_engine(tmp_path / "batch", pixels, one_set(batched), crew, block=(1, 97))
        alone = run_engine(tmp_path / "alone", pixels, spec, crew)
    np.testing.assert_array_equal(found.labels["nuclei"], alone.labels["nuclei"])


@needs_shared
def test_real_nuclei_are_found_in_four_fields(torch: Any) -> None:  # noqa: ANN401
    assert torch
    cv2 = pytest.importorskip("cv2")
    from benchmarks.matching import compare, pool

    segmenter = Cellpose(model=str(WEIGHTS)).prepared()
    counts = []
    for file in sorted((FIELDS / "images").glob("*.tif"))[:4]:
        image = cv2.imread(str(file), -1)[None, None]
        labels = segmenter.fit(image, UNIT)(image, UNIT)[0]
        counts.append(compare(cv2.imread(str(FIELDS / "labels" / file.name), -1), labels))
    assert len(counts) == 4
    assert pool(counts).f1() >= 0.80


@needs_shared
def test_a_real_field_is_the_same_in_blocks(torch: Any, tmp_path: Path) -> None:  # noqa: ANN401
    assert torch
    cv2 = pytest.importorskip("cv2")
    file = min((FIELDS / "images").glob("*.tif"))
    pixels = cv2.imread(str(file), -1)[None, None, None, :400, :460]
    objects = one_set(Cellpose(model=str(WEIGHTS)))
    with workers(2) as crew:
        whole = run_engine(tmp_path / "whole", pixels, objects, crew)
        parts = run_engine(tmp_path / "parts", pixels, objects, crew, block=(1, 256))
    assert whole.index()[-1, 0] > 30
    np.testing.assert_array_equal(parts.labels["nuclei"], whole.labels["nuclei"])
    (found,) = whole.result.found.values()
    assert found.fitted["sha256"] == json.loads(json.dumps(found.fitted))["sha256"]
    assert len(found.fitted["sha256"]) == 64


def test_cellpose_sam_with_random_weights(tmp_path: Path, torch: Any) -> None:  # noqa: ANN401
    vit = pytest.importorskip("cellpose.vit", reason="installed is Cellpose 3, not 4")
    torch.manual_seed(0)
    path = tmp_path / "random"
    torch.save(vit.CPSAM().state_dict(), path)
    segmenter = Cellpose(model=str(path), batch=1)
    image = np.random.default_rng(0).integers(0, 999, (2, 1, 200, 200)).astype(np.uint16)
    fitted = segmenter.fit(image, UNIT)
    assert fitted.fitted is not None
    assert fitted.fitted.tile_px == 256
    labels = fitted(image, UNIT)
    assert labels.shape == (1, 200, 200)
    np.testing.assert_array_equal(fitted(image, UNIT), labels)


def test_the_workflow_takes_the_environment_that_the_weights_need(tmp_path: Path) -> None:
    def config(*models: str) -> Settings:
        objects = {
            f"set{i}": {"channel": "0", "segmenter": {"kind": "cellpose", "model": model}}
            for i, model in enumerate(models)
        }
        return Settings.model_validate({"objects": objects})

    for name, key in (("three", "output.2.weight"), ("four", "W2")):
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("archive/data.pkl", f"X{key}q")
    three, four = str(tmp_path / "three"), str(tmp_path / "four")
    assert config(three).environment() == config("nuclei").environment() == "cellpose3"
    assert config(four).environment() == config("cpsam").environment() == "cellpose-sam"
    assert Settings().environment() == "voxelmill"
    with pytest.raises(ValueError, match="cellpose-sam and cellpose3; one a run"):
        config(three, four).environment()
    for name in ("cellpose3", "cellpose-sam", "voxelmill"):
        assert (ENVIRONMENTS / f"{name}.yaml").is_file()
