"""Config fields that hold a plugin: the union of all discovered ones, picked by ``kind``.

A bare kind (``features: [shape]``) means the plugin with its defaults.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, Union

from pydantic import BeforeValidator, Discriminator, Tag

from voxelmill.features import Feature, features
from voxelmill.plugin import Plugin
from voxelmill.qc import Check, checks
from voxelmill.segmenters import Segmenter, segmenters

DEFAULT_METRICS = (
    *("focus", "saturation", "background", "empty", "blur", "detail", "signal", "debris"),
    *("count", "size_outliers", "intensity_outliers", "merged", "border", "seam"),
    "nuclei_per_cell",
    *("position", "edge", "drift", "controls", "outlier_wells", "failed_wells"),
)
"""QC metrics of images, of objects, of plates."""
Level = TypeVar("Level", bound=Check)


def _kind(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else None


def _spell_out(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def with_defaults(value: object) -> object:
    """Metrics of which one is ``default``: all of the defaults in its place.

    Kinds that are given beside it stand for the default's own.
    """
    if not isinstance(value, list | tuple) or "default" not in value:
        return value
    given = {_kind(_spell_out(item)) for item in value} - {"default"}
    kept = [kind for kind in DEFAULT_METRICS if kind not in given]
    place = value.index("default")
    return [*value[:place], *kept, *value[place + 1 :]]


def tagged(branches: Mapping[str, type], pick: Callable[[object], str | None], what: str) -> Any:  # noqa: ANN401
    """Union of `branches`, of which `pick` names the one a raw value belongs to.

    pydantic's plain union reports errors of every branch; this one only those of the branch meant.
    """
    options = tuple(Annotated[cls, Tag(tag)] for tag, cls in branches.items())
    if len(options) == 1:
        return options[0]
    union: Any = Union[options]  # noqa: UP007
    choice = Discriminator(
        pick,
        custom_error_type="choice",
        custom_error_message=f"no such {what}; allowed: {', '.join(branches)}",
    )
    return Annotated[union, choice]


def _plugins(classes: Mapping[str, type[Plugin]], what: str) -> Any:  # noqa: ANN401
    union = tagged(classes, _kind, what)
    return Annotated[union, BeforeValidator(_spell_out)]


if TYPE_CHECKING:
    AnySegmenter: TypeAlias = Segmenter
    AnyFeature: TypeAlias = Feature
    AnyMetric: TypeAlias = Check
else:
    AnySegmenter = _plugins(segmenters(), "segmenter kind")
    AnyFeature = _plugins(features(), "feature kind")
    AnyMetric = _plugins(checks(), "QC metric kind")
