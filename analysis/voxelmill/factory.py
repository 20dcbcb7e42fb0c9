"""Plugins by their kind, for the Python API: what the configuration writes as ``{kind: …}``."""

from collections.abc import Mapping

from voxelmill.configfile import parse
from voxelmill.features import Feature, features
from voxelmill.plugin import BadConfig, P
from voxelmill.segmenters import Segmenter, segmenters


def segmenter(kind: str, **parameters: object) -> Segmenter:
    """Make a segmenter by its kind, as in the configuration's ``segmenter: {kind: …}``.

    Raises
    ------
    BadConfig
        No such kind, or a parameter breaks a rule.
    """
    return _make(segmenters(), "segmenter", kind, parameters)


def feature(kind: str, **parameters: object) -> Feature:
    """Make a feature family by its kind, as in the configuration's ``features: [{kind: …}]``.

    Raises
    ------
    BadConfig
        No such kind, or a parameter breaks a rule.
    """
    return _make(features(), "feature", kind, parameters)


def _make(
    classes: Mapping[str, type[P]], what: str, kind: str, parameters: Mapping[str, object]
) -> P:
    if kind not in classes:
        raise BadConfig(f"{what} '{kind}': no such kind; allowed: {', '.join(classes)}")
    return parse(classes[kind], dict(parameters), f"{what} '{kind}'")
