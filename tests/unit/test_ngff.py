"""Metadata → dataclasses: scales and units, axes, channel names, versions, and the refusals."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import calls
from trees import axes_of, image_attributes
from voxelmill.ngff import (
    Image,
    WellPlace,
    build_image,
    parse_array,
    parse_group,
    parse_multiscale,
    parse_plate,
)
from voxelmill.ngff.units import is_standard, micrometres
from voxelmill.plugin import BadInput


def _document(attributes: dict[str, Any], version: str) -> bytes:
    if version == "0.4":
        return json.dumps(attributes).encode()
    return json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}).encode()


def _array(shape: tuple[int, ...], **more: object) -> bytes:
    return json.dumps(
        {
            "zarr_format": 2,
            "shape": shape,
            "chunks": shape,
            "dtype": "<u2",
            "compressor": None,
            "filters": None,
            "fill_value": 0,
            "order": "C",
            **more,
        }
    ).encode()


def _image(attributes: dict[str, Any], shape: tuple[int, ...]) -> Image:
    group = parse_group(_document(attributes, "0.4"), "0.4", "i.zarr")
    levels = parse_multiscale(group).paths
    arrays = [parse_array(_array(shape), "0.4", "i.zarr/0") for _ in levels]
    return build_image(group, arrays, "/data/i.zarr", "")


# Factors from UDUNITS-2 / SI, in metres, written down independently of the package.
METRES = {
    "yoctometer": 1e-24, "zeptometer": 1e-21, "attometer": 1e-18, "femtometer": 1e-15,
    "picometer": 1e-12, "angstrom": 1e-10, "nanometer": 1e-9, "micrometer": 1e-6,
    "millimeter": 1e-3, "centimeter": 1e-2, "inch": 0.0254, "decimeter": 0.1, "foot": 0.3048,
    "yard": 0.9144, "meter": 1, "hectometer": 100, "kilometer": 1e3, "mile": 1609.344,
    "megameter": 1e6, "gigameter": 1e9, "terameter": 1e12, "petameter": 1e15,
    "parsec": 3.0856775814913673e16, "exameter": 1e18, "zettameter": 1e21, "yottameter": 1e24,
}  # fmt: skip


@pytest.mark.parametrize("unit", sorted(METRES))
def test_units_of_the_specification(unit: str) -> None:
    factor = micrometres(unit)
    assert factor == pytest.approx(METRES[unit] * 1e6, rel=1e-12)
    assert is_standard(unit)
    image = _image(image_attributes("zyx", "0.4", scale=(2, 3, 5), unit=unit), (4, 5, 6))
    assert image.spacing_um == pytest.approx((2 * factor, 3 * factor, 5 * factor))
    assert image.warnings == ()


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("micron", 1),
        ("\u00b5m", 1),
        ("\u03bcm", 1),
        ("um", 1),
        ("micrometers", 1),
        ("Micrometer", 1),
        ("nm", 1e-3),
        ("nanometre", 1e-3),
        ("mm", 1e3),
    ],
)
def test_usual_spellings(unit: str, factor: float) -> None:
    assert micrometres(unit) == factor
    assert not is_standard(unit)


def test_units_differ_between_axes() -> None:
    attributes = image_attributes("zyx", "0.4", scale=(2, 325, 0.000325))
    axes = attributes["multiscales"][0]["axes"]
    axes[1]["unit"], axes[2]["unit"] = "nanometer", "millimeter"
    assert _image(attributes, (4, 5, 6)).spacing_um == pytest.approx((2.0, 0.325, 0.325))


@pytest.mark.parametrize(
    ("unit", "scale", "said"),
    [
        (None, (1, 1), "no pixel size along y, x: 1 µm assumed"),
        (None, (0.5, 0.5), "no unit along y, x: 0.5, 0.5 read as micrometres"),
        ("pixel", (0.5, 0.5), "unknown unit 'pixel'"),
    ],
)
def test_no_pixel_size(unit: str | None, scale: tuple[float, float], said: str) -> None:
    image = _image(image_attributes("yx", "0.4", scale=scale, unit=unit), (5, 6))
    assert image.spacing_um == (1.0, *scale)
    assert any(said in warning for warning in image.warnings)
    assert all("diameter_px" in warning for warning in image.warnings)


def test_scales_multiply() -> None:
    attributes = image_attributes("czyx", "0.4", ("a", "b"), (1, 2, 0.25, 0.5))
    whole = [{"type": "scale", "scale": [1, 3, 10, 100]}]
    attributes["multiscales"][0]["coordinateTransformations"] = whole
    image = _image(attributes, (2, 3, 4, 5))
    assert image.spacing_um == (6.0, 2.5, 50.0)
    assert image.levels[1].spacing_um == (6.0, 5.0, 100.0)


def test_translation_is_allowed_after_scale_only() -> None:
    attributes = image_attributes("yx", "0.4")
    steps = attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    steps.append({"type": "translation", "translation": [3, 4]})
    assert _image(attributes, (5, 6)).spacing_um == (1.0, 0.5, 0.5)
    steps.reverse()
    with pytest.raises(BadInput, match="scale must come before translation"):
        _image(attributes, (5, 6))


def _changed(member: str, value: object) -> dict[str, Any]:
    """Return a good image with one member of its multiscale replaced, by dotted path."""
    attributes = image_attributes("czyx", "0.4")
    target: Any = attributes["multiscales"][0]
    *parents, last = [int(p) if p.isdecimal() else p for p in member.split(".")]
    for part in parents:
        target = target[part]
    target[last] = value
    return attributes


SCALE = "datasets.0.coordinateTransformations.0.scale"


@pytest.mark.parametrize(
    ("member", "value", "rule"),
    [
        ("axes", axes_of("zcyx"), "must be ordered time, channel, space"),
        ("axes", axes_of("ctyx"), "must be ordered time, channel, space"),
        ("axes.1", {"name": "q", "type": "channel"}, "at most one axis that is channel"),
        ("axes.0.name", 3, "must be a string"),
        ("datasets.0.path", "../0", "stays inside its group"),
        ("datasets.0.path", "/etc", "stays inside its group"),
        ("datasets.0.path", "", "stays inside its group"),
        (SCALE, [1, 1, 0, 1], "above 0"),
        (SCALE, [1, -1, 1, 1], "above 0"),
        (SCALE, [1, 1], "one value for each of the 4 axes"),
        (SCALE, [1, 1, 1, 1, 1], "one value for each of the 4 axes"),
        (SCALE, [1, 1, 1, float("nan")], "must be finite"),
        (SCALE, [1, 1, 1, True], "must be a number"),
        (SCALE, "0.5", "must be a list"),
        ("version", "0.3", "must be 0.4"),
        ("version", 0.4, "must be 0.4"),
    ],
)
def test_refusals(member: str, value: object, rule: str) -> None:
    with pytest.raises(BadInput, match=rule) as error:
        _image(_changed(member, value), (2, 3, 4, 5))
    text = str(error.value)
    assert text.startswith("i.zarr: multiscales[0]")
    assert "\n" not in text


def test_long_values_are_cut() -> None:
    with pytest.raises(BadInput) as error:
        _image(_changed("version", "x\n" * 9999), (2, 3, 4, 5))
    assert len(str(error.value)) < 160
    assert "\n" not in str(error.value)


def test_levels_must_shrink() -> None:
    group = parse_group(_document(image_attributes("yx", "0.4", "ab"), "0.4"), "0.4", "i.zarr")
    arrays = [parse_array(_array(shape), "0.4", "i.zarr") for shape in ((4, 4), (8, 8))]
    with pytest.raises(BadInput, match="from the highest resolution"):
        build_image(group, arrays, "i.zarr", "")


def _named(labels: list[object], count: int = 3) -> Image:
    channels = [{} if label is None else {"label": label} for label in labels]
    attributes = image_attributes("cyx", "0.4", omero={"channels": channels})
    return _image(attributes, (count, 5, 6))


def test_channel_names() -> None:
    assert _image(image_attributes("cyx", "0.4"), (3, 5, 6)).channels == ("0", "1", "2")
    image = _named(["DNA", "ER", "AGP"])
    assert (image.channels, image.warnings) == (("DNA", "ER", "AGP"), ())
    assert _named(["DNA", None, ""]).channels == ("DNA", "1", "2")
    few = _named(["DNA"])
    assert few.channels == ("DNA", "1", "2")
    assert few.warnings == ("omero names 1 channels, the image has 3",)
    assert _named(["a", "b", "c", "d"]).channels == ("a", "b", "c")
    repeated = _named(["GFP", "DNA", "GFP"])
    assert repeated.channels == ("GFP_0", "DNA", "GFP_2")
    assert "repeat" in repeated.warnings[0]
    with pytest.raises(BadInput, match=r"omero\.channels\[1\]\.label: 7; must be a string"):
        _named(["a", 7, "c"])


@settings(deadline=None)
@given(labels=st.lists(st.sampled_from(["a", "a_0", "a_1", "0", "1", "", "b"]), max_size=6))
def test_channel_names_are_distinct(labels: list[str]) -> None:
    image = _named(list(labels), 4)
    assert len(set(image.channels)) == len(image.channels) == 4
    assert all(image.channels)
    for i, label in enumerate(labels[:4]):
        if label and labels[:4].count(label) == 1 and label not in "0123":
            assert image.channels[i] == label


def test_custom_axis_is_read_as_channels() -> None:
    attributes = image_attributes("cyx", "0.4")
    attributes["multiscales"][0]["axes"][0] = {"name": "angle", "type": "array"}
    image = _image(attributes, (3, 5, 6))
    assert (image.axes, image.shape) == ("cyx", (1, 3, 1, 5, 6))
    assert image.warnings == ("axis 'angle' is read as channels",)


def test_axes_with_other_names() -> None:
    attributes = image_attributes("zyx", "0.4", scale=(4, 2, 1))
    for axis, name in zip(
        attributes["multiscales"][0]["axes"], ("slice", "row", "col"), strict=True
    ):
        axis["name"] = name
    image = _image(attributes, (3, 5, 6))
    assert (image.axes, image.spacing_um) == ("zyx", (4.0, 2.0, 1.0))
    assert "slice, row, col are read as z, y, x" in image.warnings[0]


@pytest.mark.parametrize(
    ("document", "version", "rule"),
    [
        (b"{", "0.4", "must be JSON"),
        (b"[]", "0.4", "must be a JSON object"),
        (b"\xff\xfe", "0.5", "must be JSON"),
        (b"[" * 100_000, "0.4", "must be JSON"),
        (b"{}", "0.4", "no multiscales, plate or bioformats2raw.layout"),
        (b'{"ome": {"version": "0.5"}}', "0.4", "must lie in a zarr.json"),
        (b'{"zarr_format": 3, "node_type": "array"}', "0.5", "is a Zarr array"),
        (b'{"zarr_format": 3, "node_type": "group"}', "0.5", "attributes.ome"),
        (_document({"multiscales": []}, "0.5"), "0.5", "attributes.ome"),
        (_document({"ome": {"version": "0.6.dev1"}}, "0.5"), "0.5", '"0.6.dev1"; must be 0.5'),
        (_document({"ome": {"multiscales": []}}, "0.5"), "0.5", "'version' is required"),
    ],
)
def test_groups_refused(document: bytes, version: str, rule: str) -> None:
    with pytest.raises(BadInput) as error:
        parse_group(document, version, "i.zarr")
    assert rule in str(error.value)
    assert "\n" not in str(error.value)


def test_dimension_names() -> None:
    group = parse_group(_document(image_attributes("yx", "0.5"), "0.5"), "0.5", "i.zarr")
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [4, 5],
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 5]}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes"}],
        "fill_value": 0,
    }
    for names, warned in ((["y", "x"], False), (None, True)):
        array = parse_array(json.dumps({**document, "dimension_names": names}).encode(), "0.5", "a")
        image = build_image(group, [array], "i.zarr", "")
        assert any("dimension_names" in text for text in image.warnings) == warned
        assert image.dtype == "|u1"
    for names in (["x", "y"], [None, None]):
        array = parse_array(json.dumps({**document, "dimension_names": names}).encode(), "0.5", "a")
        with pytest.raises(BadInput, match="must equal the axes"):
            build_image(group, [array], "i.zarr", "")


@pytest.mark.parametrize(
    ("row", "column", "name"),
    [
        ("B", "3", "B03"),
        ("B", "03", "B03"),
        ("AF", "48", "AF48"),
        ("A", "x", "Ax"),
        ("1", "A", "1A"),
    ],
)
def test_well_names(row: str, column: str, name: str) -> None:
    assert WellPlace(f"{row}/{column}", row, column).name == name


def test_index_beyond_the_plate() -> None:
    plate = {
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}],
        "wells": [{"path": "A/1", "rowIndex": 1, "columnIndex": 0}],
    }
    group = parse_group(_document({"plate": plate}, "0.4"), "0.4", "p.zarr")
    with pytest.raises(BadInput, match=r"plate\.wells\[0\]\.rowIndex: 1; must be at most 0"):
        parse_plate(group)


def test_work_grows_with_the_wells_of_a_plate_and_no_faster() -> None:
    def work(height: int, width: int) -> int:
        rows = [{"name": f"R{i}"} for i in range(height)]
        columns = [{"name": str(i)} for i in range(width)]
        wells = [
            {"path": f"R{r}/{c}", "rowIndex": r, "columnIndex": c}
            for r in range(height)
            for c in range(width)
        ]
        body = {"plate": {"rows": rows, "columns": columns, "wells": wells}}
        group = parse_group(_document(body, "0.4"), "0.4", "p.zarr")
        count = calls(lambda: found.append(len(parse_plate(group).wells)))
        assert found.pop() == height * width
        return count

    found: list[int] = []
    assert work(32, 48) < 4.2 * work(16, 24)


def test_same_verdicts_as_ome_zarr_models() -> None:
    """The two agree wherever the rule is the specification's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ome_zarr_models.v04.image import ImageAttrs
    from pydantic import ValidationError

    cases = [
        image_attributes("czyx", "0.4", ("0", "1")),
        _changed("axes", axes_of("zcyx")),
        _changed("axes", axes_of("ctyx")),
        _changed("axes", axes_of("cxx")),
        _changed("axes", []),
        _changed("datasets", []),
        _changed("datasets.0.path", 3),
        _changed(SCALE, [1, 1]),
        _changed(SCALE, "no"),
        _changed("version", "0.3"),
        {"multiscales": []},
    ]
    for attributes in cases:
        try:
            ImageAttrs.model_validate(attributes)
            theirs = True
        except ValidationError:
            theirs = False
        try:
            parse_multiscale(parse_group(_document(attributes, "0.4"), "0.4", "i.zarr"))
            ours = True
        except BadInput:
            ours = False
        assert ours == theirs, attributes
