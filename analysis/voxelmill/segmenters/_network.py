"""The one file that imports torch and cellpose: weights on disk → a function of tiles.

In: a file of Cellpose 3 or 4 (Cellpose-SAM). Out: a `Network`. Its keys are checked: cellpose
itself leaves what a file lacks at random.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voxelmill.plugin import BadConfig
from voxelmill.segmenters._weights import KEY_SAM, check_unchanged, fingerprint

Float32: TypeAlias = NDArray[np.float32]

OPTIONAL = {"diam_mean", "diam_labels"}
"""Keys that old files lack: the diameter is then the one of the model's name."""
DIAMETERS = {"nucleitorch_0": 17.0}
DIAMETER = 30.0
BASE = (32, 64, 128, 256)
"""Channels of the levels of Cellpose 3."""


@dataclass(frozen=True)
class Network:
    """A loaded network.

    `look` takes (n, channels, tile, tile) and returns (n, 3, tile, tile): flow along y and x,
    logit of the probability that a pixel is in an object.
    """

    version: int
    channels: int
    tile: int
    diameter: float
    """Pixels that objects have in what the network sees."""
    typical: float
    """Pixels that objects had in the images that it was trained on."""
    look: Callable[[Float32], Float32]


def _torch() -> Any:  # noqa: ANN401 - torch module
    try:
        import_module("cellpose")
        import torch
    except ImportError as error:
        raise BadConfig(
            f"cellpose: {error.name} is not installed here. Install voxelmill[cellpose] "
            "(make cellpose), or run Snakemake with --use-conda"
        ) from None
    return torch


def device_of(wanted: str) -> str:
    """``cuda`` or ``cpu``, of ``auto`` what there is.

    Raises
    ------
    BadConfig
        ``cuda`` is wanted and there is none.
    """
    there = _torch().cuda.is_available()
    if wanted == "cuda" and not there:
        raise BadConfig("cellpose: device cuda, but torch sees none here; allowed: auto, cpu")
    return "cuda" if there and wanted != "cpu" else "cpu"


_loading = threading.Lock()


def network(path: Path, sha256: str, device: str) -> Network:
    """Load a network, once in a process.

    Raises
    ------
    BadConfig
        Another file than at the start of the run, or no weights of an installed Cellpose.
    """
    with _loading:
        return _load(path, sha256, device)


@lru_cache(maxsize=2)
def _load(path: Path, sha256: str, device: str) -> Network:
    torch = _torch()
    check_unchanged(path, fingerprint(path), sha256)
    # Blocks run side by side already; a sum's order must not depend on the number of cores.
    torch.set_num_threads(1)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, OSError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise BadConfig(f"{path}: no weights that torch can read ({reason})") from None
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise BadConfig(f"{path}: no weights of Cellpose; needed: a dict of tensors")
    state = {key.removeprefix("module."): value for key, value in state.items()}
    return _sam(path, state, device) if KEY_SAM in state else _cnn(path, state, device)


def _cnn(path: Path, state: dict[str, Any], device: str) -> Network:
    """Cellpose 3: a residual U-Net."""
    from cellpose import version

    try:
        from cellpose.resnet_torch import CPnet
    except ImportError:
        raise _mismatch(path, 3, version) from None
    first = next((v for k, v in state.items() if k.startswith("downsample") and v.ndim == 4), None)
    if first is None:
        raise BadConfig(
            f"{path}: no weights of Cellpose 3 or 4 (keys {', '.join(list(state)[:3])})"
        )
    channels, mean = int(first.shape[1]), DIAMETERS.get(path.name, DIAMETER)
    net = CPnet([channels, *BASE], 3, sz=3, diam_mean=mean)
    _fill(path, net, state)
    typical = float(state["diam_labels"][0]) if "diam_labels" in state else mean
    mean = float(state["diam_mean"][0]) if "diam_mean" in state else mean
    return Network(3, channels, 224, mean, typical, _look(net, device))


def _sam(path: Path, state: dict[str, Any], device: str) -> Network:
    """Cellpose 4: Segment Anything's image encoder."""
    from cellpose import version

    try:
        from cellpose.vit import CPSAM
    except ImportError:
        raise _mismatch(path, 4, version) from None
    if "encoder.cls_token" in state:
        raise BadConfig(f"{path}: a DINO network; allowed: Cellpose-SAM (needs dinov3)")
    net = CPSAM()
    _fill(path, net, state)
    return Network(4, 3, 256, DIAMETER, DIAMETER, _look(net, device))


def _mismatch(path: Path, major: int, installed: str) -> BadConfig:
    extra = "cellpose" if major == 3 else "cellpose-sam"
    return BadConfig(
        f"{path}: weights of Cellpose {major}, installed is {installed}. "
        f"Run in an environment with voxelmill[{extra}]"
    )


def _fill(path: Path, net: Any, state: dict[str, Any]) -> None:  # noqa: ANN401 - torch module
    """Load weights into `net`, all of them."""
    wanted = {key: value.shape for key, value in net.state_dict().items()}
    lacking = sorted(set(wanted) - set(state) - OPTIONAL)
    more = sorted(set(state) - set(wanted))
    other = sorted(k for k in set(wanted) & set(state) if wanted[k] != state[k].shape)
    for what, keys in (("lacks", lacking), ("has unknown", more), ("has other shapes of", other)):
        if keys:
            raise BadConfig(
                f"{path}: {what} {len(keys)} keys ({', '.join(keys[:3])}). Fetch it anew"
            )
    net.load_state_dict(state, strict=False)


def _look(net: Any, device: str) -> Callable[[Float32], Float32]:  # noqa: ANN401 - torch module
    import torch

    net.eval().to(device)

    def look(tiles: Float32) -> Float32:
        with torch.inference_mode():
            found = net(torch.from_numpy(tiles).to(device))[0]
            return np.asarray(found.float().cpu().numpy())

    return look
