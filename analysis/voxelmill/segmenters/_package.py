"""A package of the BioImage Model Zoo on disk → what its network takes and gives.

In: a folder or .zip with weights and an rdf.yaml. Out: a `Package`. It is read without the checks
that fetch what it links to, and refused if its weights are a link: bioimageio would download them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from voxelmill.plugin import BadConfig
from voxelmill.segmenters._fixed import Described
from voxelmill.segmenters._packagefile import fingerprint
from voxelmill.segmenters._tensors import OTHER, axes, channels, tiling
from voxelmill.segmenters._weights import check_unchanged

FORMATS = ("onnx", "torchscript", "pytorch_state_dict")
"""Weights that can be run; of several the first."""
POINTWISE = (
    "ensure_dtype", "sigmoid", "softmax", "binarize", "clip", "scale_linear",
    "fixed_zero_mean_unit_variance",
)  # fmt: skip
"""Postprocessing of which each pixel's result depends on that pixel alone."""


@dataclass(frozen=True)
class Package:
    """What a package says of itself."""

    channels: int
    outputs: int
    """Channels of the output."""
    tile: int
    """Edge of what the network sees at once, in pixels."""
    margin: int
    """Pixels of it on each side that are not to be used."""
    steps: tuple[Described, ...]
    """Preprocessing."""


@dataclass(frozen=True)
class Choice:
    """Which package, and what of it; `sha256` is what its files must have."""

    path: Path
    sha256: str
    output: str | None = None
    weights_format: str | None = None


@dataclass(frozen=True)
class Parts:
    """A package, and those parts of its description that running it needs."""

    package: Package
    model: Any
    format: str
    input: Any
    output: Any
    number: int
    """Position of the output among all."""


def read(choice: Choice) -> Parts:
    """Read a package's description.

    Raises
    ------
    BadConfig
        Another package than at the start of the run, or one that cannot be run here.
    """
    path = choice.path
    check_unchanged(path, fingerprint(path), choice.sha256)
    model = _description(path)
    if len(model.inputs) != 1:
        raise BadConfig(f"{path}: {len(model.inputs)} inputs; allowed: 1. {OTHER}")
    ids = [str(o.id) for o in model.outputs]
    if choice.output is not None and choice.output not in ids:
        raise BadConfig(f"{path}: no output '{choice.output}'; allowed: {', '.join(ids)}")
    number = 0 if choice.output is None else ids.index(choice.output)
    seen, said = model.inputs[0], model.outputs[number]
    for step in said.postprocessing:
        if step.id not in POINTWISE or _percentile(step):
            raise BadConfig(
                f"{path}: postprocessing '{step.id}'; allowed: {', '.join(POINTWISE)}, by fixed "
                f"numbers. {OTHER}"
            )
    tile, margin = tiling(path, seen, said)
    steps = tuple((str(p.id), _settings(p, seen)) for p in seen.preprocessing)
    found = Package(channels(seen), channels(said), tile, margin, steps)
    return Parts(found, model, _format(path, model, choice), seen, said, number)


def _description(path: Path) -> Any:  # noqa: ANN401 - bioimageio has a class for each version
    """The description, in the newest version of the format."""
    from bioimageio.spec import InvalidDescr, ValidationContext, load_description
    from bioimageio.spec.model.v0_5 import ModelDescr

    with ValidationContext(perform_io_checks=False, log_warnings=False):
        try:
            model = load_description(path, format_version="latest", perform_io_checks=False)
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise BadConfig(f"{path}: no package that bioimageio can read ({error})") from None
    if isinstance(model, InvalidDescr):
        raise BadConfig(f"{path}: invalid package ({model.get_reason()}). Fetch it anew")
    if not isinstance(model, ModelDescr):
        raise BadConfig(f"{path}: a {model.type}; allowed: a model. {OTHER}")
    return model


def _format(path: Path, model: Any, choice: Choice) -> str:  # noqa: ANN401
    """Weights to run, all of which lie in the package."""
    there = [f for f in FORMATS if getattr(model.weights, f) is not None]
    wanted = choice.weights_format or (there[0] if there else "")
    if wanted not in there:
        found = f"no weights '{wanted}'" if wanted else "other weights"
        raise BadConfig(f"{path}: {found}; allowed: {', '.join(there or FORMATS)}. {OTHER}")
    weights = getattr(model.weights, wanted)
    parts = (
        weights,
        getattr(weights, "external_data", None),
        getattr(weights, "architecture", None),
    )
    for part in parts:
        source = str(getattr(part, "source", ""))
        if source.startswith(("http:", "https:")):
            raise BadConfig(
                f"{path}: weights at {source} (jobs never download); allowed: in the package. "
                "Fetch the package as a .zip"
            )
    return wanted


def _percentile(step: Any) -> bool:  # noqa: ANN401
    return any(v is not None and "percentile" in k for k, v in step.kwargs.model_dump().items())


def _settings(step: Any, tensor: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Settings of a step, with axes by one letter."""
    letters = dict(zip((str(a.id) for a in tensor.axes), axes(tensor), strict=True))
    found = step.kwargs.model_dump(mode="json")
    if found.get("axes") is not None:
        found["axes"] = [letters[a] for a in found["axes"]]
    if "axis" in found:
        found["axis"] = letters.get(found["axis"], found["axis"])
    return dict(found)
