"""What every plugin promises, checked over whatever is discovered; here: all, and segmenters."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import samples
import stand_ins
from voxelmill.blocks import Grid
from voxelmill.features import features
from voxelmill.plugin import Labels, NotFitted, Pixels, Plugin, Spacing
from voxelmill.qc import metrics
from voxelmill.segmenters import Segmenter, segmenters

PLUGINS = [*segmenters().values(), *features().values(), *metrics().values()]
SEGMENTERS = list(segmenters().values())
SHAPES = {"plane": ((1, 96, 96), samples.PLANE), "volume": ((12, 64, 64), samples.VOLUME)}
LENGTH = re.compile(
    r"(^|_)(diameter|radius|sigma|distance|width|height|depth|length|size|reach|grow|margin|window|"
    r"area|volume)(_|$)"
)
UNIT = re.compile(r"_(um|px|voxels|bytes)\d?$")


@pytest.fixture(autouse=True, scope="module")
def _no_weights_needed() -> Iterator[None]:
    stand_ins.install()
    yield
    stand_ins.remove()


def every(classes: list[type[Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "cls", classes, ids=lambda c: str(c.model_fields["kind"].default)
    )


@every(PLUGINS)
def test_is_a_frozen_configuration_that_survives_json(cls: type[Plugin]) -> None:
    plugin = samples.minimal(cls)
    assert cls.model_validate_json(plugin.model_dump_json()) == plugin
    with pytest.raises(ValidationError, match="frozen"):
        plugin.kind = "other"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match=r"[Ee]xtra"):
        cls.model_validate({**plugin.model_dump(), "no_such_key": 1})
    assert hash(plugin) == hash(samples.minimal(cls))


@every(PLUGINS)
def test_says_what_it_is_and_where_it_comes_from(cls: type[Plugin]) -> None:
    assert len((cls.__doc__ or "").split()) >= 3
    assert len(cls.source) > 10
    assert cls.__doc__ != Plugin.__doc__


@every(PLUGINS)
def test_lengths_name_their_unit(cls: type[Plugin]) -> None:
    schema = cls.model_json_schema()["properties"]
    numeric = [n for n, field in schema.items() if re.search(r"number|integer", str(field))]
    assert [n for n in numeric if LENGTH.search(n) and not UNIT.search(n)] == []


def sample(cls: type[Segmenter], name: str) -> tuple[Pixels, Spacing, Labels | None]:
    """Pixels, spacing and, for a segmenter that grows seeds, the seeds."""
    shape, spacing = SHAPES[name]
    labels = samples.balls(shape, spacing, samples.DIAMETER_PX)
    seeds = samples.balls(shape, spacing, samples.DIAMETER_PX / 2)
    grows = "seeds" in cls.model_fields
    return samples.photograph(labels), spacing, samples.read_only(seeds) if grows else None


def call(
    segmenter: Segmenter, image: Pixels, spacing: Spacing, seeds: Labels | None = None
) -> Labels:
    try:
        return segmenter(image, spacing, seeds)
    except ModuleNotFoundError as error:
        samples.skip_without_library(error)
        raise


def check_labels(labels: Labels, image: Pixels) -> None:
    assert labels.dtype == np.int32
    assert labels.dtype.isnative
    assert labels.shape == image.shape[1:]
    assert labels.min() >= 0


@every(SEGMENTERS)
def test_fit_is_idempotent_and_recorded(cls: type[Segmenter]) -> None:
    image, spacing, _ = sample(cls, "plane")
    fitted = samples.minimal(cls).fit(image, spacing)
    assert type(fitted) is cls
    assert fitted.fit(image // 2 + 7, spacing) == fitted
    assert cls.model_validate_json(fitted.model_dump_json()) == fitted
    assert samples.minimal(cls).fit(image, spacing) == fitted


@every(SEGMENTERS)
def test_unfitted_works_or_says_so(cls: type[Segmenter]) -> None:
    image, spacing, seeds = sample(cls, "plane")
    try:
        check_labels(call(samples.minimal(cls), image, spacing, seeds), image)
    except NotFitted as error:
        assert "fit" in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", SHAPES)
@every(SEGMENTERS)
def test_finds_the_planted_objects(cls: type[Segmenter], name: str) -> None:
    if cls.planes and name == "volume":
        pytest.skip(f"{cls.__name__} takes single planes")
    image, spacing, seeds = sample(cls, name)
    segmenter = samples.minimal(cls).fit(image, spacing)
    before = image.copy()
    labels = call(segmenter, samples.read_only(image), spacing, seeds)
    check_labels(labels, image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(call(segmenter, image, spacing, seeds), labels)
    planted, found = len(samples.centres(labels.shape, 22)), len(np.unique(labels)) - 1
    assert planted / 2 <= found <= 2 * planted
    if cls.keeps_ids and seeds is not None:
        assert set(np.unique(labels)) <= set(np.unique(seeds))
        kept = (seeds > 0) & (labels > 0)
        np.testing.assert_array_equal(labels[kept], seeds[kept])


@every(SEGMENTERS)
def test_finds_nothing_in_an_empty_image(cls: type[Segmenter]) -> None:
    image, spacing, seeds = sample(cls, "plane")
    none = None if seeds is None else np.zeros_like(seeds)
    for empty in (np.full_like(image, 20), np.zeros_like(image)):
        for overview in (image, empty):
            labels = call(samples.minimal(cls).fit(overview, spacing), empty, spacing, none)
            check_labels(labels, empty)
            assert not labels.any()


@pytest.mark.parametrize("how", samples.STORED_AS)
@every(SEGMENTERS)
def test_the_stored_type_does_not_matter(cls: type[Segmenter], how: str) -> None:
    image, spacing, seeds = sample(cls, "plane")
    expected = call(samples.minimal(cls).fit(image, spacing), image, spacing, seeds)
    other = samples.as_stored(image, how)
    found = call(samples.minimal(cls).fit(other, spacing), other, spacing, seeds)
    check_labels(found, image)
    assert np.mean((found > 0) == (expected > 0)) > 0.99
    if how in (">u2", "strided"):
        np.testing.assert_array_equal(found, expected)


def same_objects(one: Labels, two: Labels) -> bool:
    """Whether two label images are equal up to the choice of ids."""
    pairs = np.unique(np.stack([one.ravel(), two.ravel()]), axis=1)
    return len(pairs.T) == len(np.unique(one)) == len(np.unique(two)) and not (
        np.any((pairs[0] == 0) != (pairs[1] == 0))
    )


@pytest.mark.parametrize(("one", "two", "same"), [
    ([0, 1, 1, 2], [0, 7, 7, 3], True),
    ([0, 1, 1, 2], [0, 7, 7, 7], False),
    ([0, 1, 1, 1], [0, 7, 7, 3], False),
    ([0, 1, 1, 2], [5, 0, 0, 2], False),
])  # fmt: skip
def test_same_objects(one: list[int], two: list[int], same: bool) -> None:
    assert same_objects(np.array(one), np.array(two)) == same


@every([cls for cls in SEGMENTERS if cls.exact])
def test_blocks_do_not_change_the_result(cls: type[Segmenter]) -> None:
    spacing = samples.PLANE
    halo = samples.minimal(cls).halo(spacing)
    assert max(halo) <= 20 * samples.DIAMETER_PX, "a halo carries objects, not whole images"
    side = max(200, 2 * max(halo) + 72)
    labels = samples.balls((1, side, side), spacing, samples.DIAMETER_PX)
    seeds = samples.balls(labels.shape, spacing, samples.DIAMETER_PX / 2)
    grown = seeds if "seeds" in cls.model_fields else None
    image = samples.photograph(labels)
    segmenter = samples.minimal(cls).fit(image, spacing)
    whole = call(segmenter, image, spacing, grown)
    assert whole.any()
    for block in Grid(labels.shape, (1, 64, 64), segmenter.halo(spacing)):
        read = block.read.slices
        part = segmenter.at(block.read.start, labels.shape)
        found = call(part, image[:, *read], spacing, None if grown is None else grown[read])
        core, expected = found[block.core.within(block.read).slices], whole[block.core.slices]
        if cls.keeps_ids:
            np.testing.assert_array_equal(core, expected)
        assert same_objects(core, expected), f"block {block.index} differs"
