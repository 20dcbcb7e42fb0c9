"""The one file that imports bioimageio.core and onnxruntime: a package → a function of tiles.

In: which package, and where it runs. Out: a `Network`. ONNX weights are run here, because
bioimageio.core 0.11 gives no way to set the number of threads; others, and the postprocessing, by
bioimageio.core.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import Array, BadConfig
from voxelmill.segmenters._package import Choice, Package, Parts, read
from voxelmill.segmenters._tensors import ORDER, OTHER, axes

Float32: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[Array], Array]
"""The network itself: arrays with the axes of the package's input and output."""


@dataclass(frozen=True)
class Network:
    """A loaded network.

    `look` takes preprocessed (n, channels, tile, tile) and returns (n, outputs, tile, tile), after
    the package's postprocessing; nearer to the edge than the margin it may be 0.
    """

    package: Package
    look: Callable[[Float32], Float32]


_loading = threading.Lock()


def network(choice: Choice, device: str) -> Network:
    """Load a network, once in a process; `device` is auto, cpu or cuda.

    Raises
    ------
    BadConfig
        Another package than at the start of the run, one that cannot be run, or no such device.
    """
    with _loading:
        return _load(choice, device)


@lru_cache(maxsize=2)
def _load(choice: Choice, device: str) -> Network:
    parts = read(choice)
    load = _onnx if parts.format == "onnx" else _torch
    run = load(parts, choice.path, device)
    return Network(parts.package, _look(parts, run, _post(parts)))


def _chosen(device: str, there: bool, framework: str) -> str:
    if device == "cuda" and not there:
        raise BadConfig(f"bioimageio: device cuda, but {framework} sees none; allowed: auto, cpu")
    return "cuda" if there and device != "cpu" else "cpu"


def _onnx(parts: Parts, path: Path, device: str) -> Run:
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    there = "CUDAExecutionProvider" in ort.get_available_providers()
    provider = "CUDA" if _chosen(device, there, "onnxruntime") == "cuda" else "CPU"
    options = ort.SessionOptions()
    # Blocks run side by side already; a sum's order must not depend on the number of cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = parts.model.weights.onnx
    broken = state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf
    try:
        source = weights.get_reader().read()
        if weights.external_data is not None:
            source = str(weights.source.absolute())  # beside it lies the rest
        session = ort.InferenceSession(source, options, [f"{provider}ExecutionProvider"])
    except (OSError, ValueError, state.NoSuchFile, state.NotImplemented, *broken) as error:
        raise BadConfig(f"{path}: no weights that onnxruntime can read ({error})") from None
    name = session.get_inputs()[0].name
    wanted = session.get_outputs()[parts.number].name

    def run(tiles: Array) -> Array:
        try:
            return np.asarray(session.run([wanted], {name: tiles})[0])
        except broken as error:
            raise _unfit(path, tiles, error) from None

    return run


def _torch(parts: Parts, path: Path, device: str) -> Run:
    import torch
    from bioimageio.core import Tensor
    from bioimageio.core.backends import create_model_adapter

    chosen = _chosen(device, torch.cuda.is_available(), "torch")
    torch.set_num_threads(1)  # as above
    wanted: list[Any] = [parts.format]
    try:
        adapter = create_model_adapter(
            parts.model, devices=[chosen], weight_format_priority_order=wanted
        )
    except (ImportError, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise BadConfig(f"{path}: no {parts.format} weights that load here ({error})") from None
    seen, said = str(parts.input.id), str(parts.output.id)
    names = [str(a.id) for a in parts.input.axes]

    def run(tiles: Array) -> Array:
        try:
            found = adapter.forward({seen: Tensor.from_numpy(tiles, dims=names)})
        except RuntimeError as error:
            raise _unfit(path, tiles, error) from None
        return np.asarray(found[said].to_numpy())

    return run


def _unfit(path: Path, tiles: Array, error: Exception) -> BadConfig:
    return BadConfig(
        f"{path}: the network fails on {tiles.shape} ({error}). Set batch: 1, or {OTHER}"
    )


def _post(parts: Parts) -> Run:
    """The postprocessing of the output."""
    from bioimageio.core import Sample, Tensor
    from bioimageio.core.proc_ops import get_proc

    steps = [get_proc(step, parts.output) for step in parts.output.postprocessing]
    names = [str(a.id) for a in parts.output.axes]
    member = parts.output.id

    def post(found: Array) -> Array:
        sample = Sample(members={member: Tensor.from_numpy(found, dims=names)}, stat={}, id=None)
        for step in steps:
            step(sample)
        return np.asarray(sample.members[member].to_numpy())

    return post


def _look(parts: Parts, run: Run, post: Run) -> Callable[[Float32], Float32]:
    before, after = axes(parts.input), axes(parts.output)
    kind = np.dtype(_kind(parts.input))
    single = next((a.size == 1 for a in parts.input.axes if a.type == "batch"), True)
    shape = parts.package.outputs, parts.package.tile, parts.package.tile

    def look(tiles: Float32) -> Float32:
        out = np.zeros((len(tiles), *shape), np.float32)
        step = 1 if single else len(tiles)
        for k in range(0, len(tiles), step):
            given = _given(tiles[k : k + step], before).astype(kind)
            found = _taken(post(run(given)), after)
            edge = (shape[1] - found.shape[2]) // 2
            out[k : k + step, :, edge : shape[1] - edge, edge : shape[2] - edge] = found
        return out

    return look


def _kind(tensor: Any) -> str:  # noqa: ANN401 - a description of bioimageio
    """Type of the numbers that the network takes."""
    last = tensor.preprocessing[-1]
    return str(getattr(last.kwargs, "dtype", "float32"))


def _given(tiles: Array, names: tuple[str, ...]) -> Array:
    """Tiles (b, c, y, x) with the axes of a package; what it lacks has one element."""
    lacking = [a for a in ORDER if a not in names]
    turned = tiles.transpose([ORDER.index(a) for a in (*names, *lacking)])
    return np.ascontiguousarray(turned.reshape(turned.shape[: len(names)]))


def _taken(found: Array, names: tuple[str, ...]) -> Array:
    """The way back."""
    every = (*names, *(a for a in ORDER if a not in names))
    wide = found.reshape(found.shape + (1,) * (len(every) - len(names)))
    return wide.transpose([every.index(a) for a in ORDER])
