"""Tiny packages of the BioImage Model Zoo, made on the spot: real ONNX weights that two sums tell.

What is bright within one pixel is foreground, what is not bright within six a boundary: enough for
discs of 14 to 20 pixels that touch.
"""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import yaml
from numpy.typing import NDArray

RADIUS = 6
STEEP = 20.0
BRIGHT, DEEP = 0.45, 0.87
SCALE_RANGE = {
    "id": "scale_range",
    "kwargs": {"axes": ["channel", "y", "x"], "min_percentile": 1, "max_percentile": 99},
}
NAMES = {"b": "batch", "c": "channel", "y": "y", "x": "x"}


def weights(channels: int = 1) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernels (2, c, 13, 13) and biases (2,) of the convolution: logits of foreground, boundary."""
    far = np.hypot(*np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1])
    near, wide = (far < 1.5).astype(np.float32), (far <= RADIUS).astype(np.float32)
    kernels = np.stack([STEEP * near / near.sum(), -STEEP * wide / wide.sum()])
    biases = np.array([-STEEP * BRIGHT, STEEP * DEEP], np.float32)
    shared = np.repeat(kernels[:, None], channels, axis=1) / channels
    return shared.astype(np.float32), biases


def onnx_file(path: Path, axes: str = "bcyx", *, channels: int = 1) -> None:
    """Write the network; its input has `axes`, its output always b, c, y, x."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    kernels, biases = weights(channels)
    turned = [axes.index(a) for a in "bcyx"]
    nodes = [
        helper.make_node("Transpose", ["raw"], ["turned"], perm=turned),
        helper.make_node("Conv", ["turned", "kernels", "biases"], ["logits"], pads=[RADIUS] * 4),
        helper.make_node("Sigmoid", ["logits"], ["said"]),
    ]
    given = [channels if a == "c" else a for a in axes]
    graph = helper.make_graph(
        nodes,
        "sums",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("said", TensorProto.FLOAT, ["b", 2, "y", "x"])],
        [numpy_helper.from_array(kernels, "kernels"), numpy_helper.from_array(biases, "biases")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    save(model, path)


def package(
    folder: Path,
    *,
    axes: str = "bcyx",
    channels: int = 1,
    steps: tuple[dict[str, Any], ...] = (SCALE_RANGE,),
    after: tuple[dict[str, Any], ...] = (),
    size: int | dict[str, int] | None = None,
    halo: int | None = 8,
    changes: dict[str, Any] | None = None,
) -> Path:
    """Write a package and return its rdf.yaml; `size` is that of the input along y and x."""
    folder.mkdir(parents=True)
    onnx_file(folder / "weights.onnx", axes, channels=channels)
    size = {"min": 32, "step": 16} if size is None else size
    edge = size if isinstance(size, int) else 64
    pixels = np.random.default_rng(0).normal(500, 100, (1, channels, edge, edge))
    turned = pixels.astype(np.float32).transpose(["bcyx".index(a) for a in axes])
    np.save(folder / "input.npy", turned)
    np.save(folder / "output.npy", expected(folder / "weights.onnx", turned))
    (folder / "README.md").write_text("# A network of two sums\n\n# Validation\n\nNone.\n")
    inputs = [_axis(a, channels, size) for a in axes]
    outputs = [_axis(a, 2, {"tensor_id": "raw", "axis_id": a}) for a in "bcyx"]
    for axis in outputs[2:] if halo else []:
        axis["halo"] = halo
    about: dict[str, Any] = {
        "type": "model",
        "format_version": _newest(),
        "name": "Two sums",
        "description": "Foreground and boundary of bright discs.",
        "authors": [{"name": "A Test"}],
        "cite": [{"text": "None", "url": "https://example.org"}],
        "license": "MIT",
        "documentation": {"source": "README.md"},
        "tags": ["test"],
        "inputs": [_tensor("raw", "input.npy", inputs, preprocessing=list(steps))],
        "outputs": [_tensor("said", "output.npy", outputs, postprocessing=list(after))],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": 18}},
        **(changes or {}),
    }
    (folder / "rdf.yaml").write_text(yaml.safe_dump(about))
    return folder / "rdf.yaml"


def as_older(rdf: Path) -> Path:
    """Describe a package made by `package` with its defaults in version 0.4 of the format."""
    about = yaml.safe_load(rdf.read_text())
    kept = ("type", "name", "description", "authors", "cite", "license", "tags", "weights")
    scale = {"axes": "cyx", "mode": "per_sample", "min_percentile": 1, "max_percentile": 99}
    same = {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 1, 0, 0]}
    tensor = {"axes": "bcyx", "data_type": "float32"}
    sizes = {"min": [1, 1, 32, 32], "step": [0, 0, 16, 16]}
    older = {
        **{key: about[key] for key in kept},
        "format_version": "0.4.10",
        "documentation": "README.md",
        "timestamp": "2024-01-01T00:00:00",
        "test_inputs": ["input.npy"],
        "test_outputs": ["output.npy"],
        "inputs": [
            {"name": "raw", **tensor, "shape": sizes}
            | {"preprocessing": [{"name": "scale_range", "kwargs": scale}]}
        ],
        "outputs": [{"name": "said", **tensor, "shape": same, "halo": [0, 0, 8, 8]}],
    }
    rdf.write_text(yaml.safe_dump(older))
    return rdf


def zipped(rdf: Path) -> Path:
    """The package as one file, beside its folder."""
    path = rdf.parent.with_suffix(".zip")
    with ZipFile(path, "w") as file:
        for part in sorted(rdf.parent.iterdir()):
            file.write(part, part.name)
    return path


def expected(path: Path, raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Output for pixels that are scaled from the first to the 99th percentile of all of them."""
    from onnxruntime import InferenceSession

    low, high = np.percentile(raw, (1, 99))
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    scaled = ((raw - low) / (high - low + 1e-6)).astype(np.float32)
    return np.asarray(session.run(None, {"raw": scaled})[0])


def _newest() -> str:
    from bioimageio.spec.model.v0_5 import ModelDescr

    return str(ModelDescr.implemented_format_version)


def _axis(name: str, channels: int, size: int | dict[str, Any]) -> dict[str, Any]:
    if name == "b":
        return {"type": "batch"}
    if name == "c":
        return {"type": "channel", "channel_names": [f"c{k}" for k in range(channels)]}
    return {"type": "space", "id": name, "size": size}


def _tensor(name: str, file: str, axes: list[dict[str, Any]], **more: object) -> dict[str, Any]:
    return {"id": name, "axes": axes, "test_tensor": {"source": file}, **more}
