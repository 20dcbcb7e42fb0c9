"""The plugins that `voxelmill calibrate` times one by one, on one made-up field.

In: a plate with that field. Out: calls by name: ``metric focus``, ``segmenter watershed`` and, with
one channel and with all, ``feature shape 1``, ``feature shape 3``.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from voxelmill.blocks import Box
from voxelmill.config import Settings
from voxelmill.costs import plugin_key
from voxelmill.features import Feature, features
from voxelmill.kernels.measure import indexed
from voxelmill.objectsets import Segmented
from voxelmill.plugin import Labels, P, Pixels, Spacing
from voxelmill.qc import Metric, metrics
from voxelmill.segmenters import Segmenter, segmenters
from voxelmill.store.read import open_image, read_box

Calls = dict[str, Callable[[], object]]
DIAMETER_UM = 12.0
SETS: Mapping[str, Any] = {
    "nuclei": {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": DIAMETER_UM}},
    "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
    "cytoplasm": {"subtract": ["cells", "nuclei"]},
}
ARGUMENTS = {"diameter_um": DIAMETER_UM, "seeds": "nuclei", "above": 500.0}
"""Settings of segmenters that have such."""
NETWORK_EDGE = 512
"""Of what networks are given: they are slow."""


def plugin_calls(plate: Path, config: str = "") -> Calls:
    """Return calls of all plugins that need no more settings, and of the segmenters of `config`."""
    image = open_image(str(plate), "A/01/0")
    whole, spacing = Box((0, 0, 0), image.shape[2:]), image.spacing_um
    read = partial(read_box, image, 0, range(len(image.channels)), whole)
    pixels = read()
    nuclei = _segment(_default("watershed"), pixels[:1], spacing)
    cells = _segment(_default("propagate"), pixels[1:2], spacing, nuclei)
    calls: Calls = {"read": read}
    for metric in made(metrics()):
        calls[plugin_key(metric)] = partial(_judge, metric, pixels, spacing)
    for segmenter, exact in segmenters_of(config):
        seeds = nuclei if segmenter.keeps_ids else None
        part = pixels[:1] if seeds is None else pixels[1:2]
        if is_network(segmenter):
            part = part[..., :NETWORK_EDGE, :NETWORK_EDGE]
        calls[plugin_key(segmenter, exact=exact)] = partial(
            _segment, segmenter, part, spacing, seeds
        )
    images = [dict(zip(image.channels[:n], pixels, strict=False)) for n in (1, len(pixels))]
    for family in made(features()):
        for channels in images:
            calls[f"{plugin_key(family)} {len(channels)}"] = partial(
                _measure, family, (nuclei, cells), channels, spacing
            )
    return calls


def is_network(segmenter: Segmenter) -> bool:
    """Whether a segmenter needs a model."""
    return "model" in type(segmenter).model_fields


def segmenters_of(config: str) -> list[tuple[Segmenter, bool]]:
    """Segmenters with what settings they need; True: those of `config`, with their own."""
    objects = Settings.model_validate_json(config).objects if config else {}
    given = [spec.segmenter for spec in objects.values() if isinstance(spec, Segmented)]
    return [*((s, False) for s in made(segmenters())), *((segmenter, True) for segmenter in given)]


def _default(kind: str) -> Segmenter:
    (found,) = made({kind: segmenters()[kind]})
    return found


def made(classes: Mapping[str, type[P]]) -> list[P]:
    """Make one of each, with ARGUMENTS where it takes them."""
    found = []
    for cls in classes.values():
        # One that needs settings which are not known here (a model, somebody's plugin) is left out.
        with suppress(ValidationError):
            found.append(
                cls.model_validate({k: v for k, v in ARGUMENTS.items() if k in cls.model_fields})
            )
    return found


def _segment(
    segmenter: Segmenter, pixels: Pixels, spacing: Spacing, seeds: Labels | None = None
) -> Labels:
    return segmenter.sized(spacing).fit(pixels, spacing)(pixels, spacing, seeds)


def _judge(metric: Metric, pixels: Pixels, spacing: Spacing) -> None:
    for channel in pixels:
        metric(channel, spacing)


def _measure(
    family: Feature, sets: Sequence[Labels], channels: Mapping[str, Pixels], spacing: Spacing
) -> None:
    """Measure beside other families, which have made the index of objects already."""
    for labels in sets:
        with indexed(labels):
            family(labels, channels, spacing)
