"""The report as text: self-contained, deterministic, escaped, and its pictures correct."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from report_samples import HOSTILE, hostile, judged, plate, thumbnail
from voxelmill.natural import natural
from voxelmill.report import FieldRow, ReportData, overlay_png, overlay_rgb, render
from voxelmill.report.gallery import gallery, shrink
from voxelmill.report.heatmap import number, shade, short, viridis
from voxelmill.report.layout import measures, places, plate_order, wells_of
from voxelmill.report.overlay import composite, contrast, outlines, scale_bar, svg_path
from voxelmill.report.page import to_yaml
from voxelmill.report.payload import metrics, safe_json, split
from voxelmill.report.ranking import ranked, typical
from voxelmill.report.web import harmless


class Reader(HTMLParser):
    """Collects the elements with their attributes, and the text inside style and script."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"style": [], "script": []}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_data(self, data: str) -> None:
        """Keep raw text."""
        if self.cdata_elem in self.raw:
            self.raw[self.cdata_elem][-1] += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def payload_of(page: str) -> dict[str, Any]:
    return json.loads(read(page).raw["script"][0])


@pytest.fixture(scope="module")
def page() -> str:
    return render(plate())


def test_equal_data_give_equal_bytes(page: str) -> None:
    assert render(plate()) == page


def test_order_of_the_fields_does_not_matter(page: str) -> None:
    data = plate()
    mixed = replace(data, fields=data.fields[::-1], thumbnails=data.thumbnails[::-1])
    assert render(mixed) == page


def test_verdict_counts(page: str) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Of 22 images, 19 passed, 2 have a warning and 1 is quarantined." in text
    assert "B/02/0: 1 of 9 chunks is not stored" in text


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    reader = read(page)
    for tag, attributes in reader.elements:
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or ""
            allowed = value.startswith(("#", "data:")) or (tag == "a" and harmless(value))
            assert allowed or not value, (tag, name, value[:80])
    assert "@import" not in page
    assert all(u.startswith("#") for u in re.findall(r"url\(([^)]*)", page))


def test_policy_admits_exactly_the_own_style_and_script(page: str) -> None:
    reader = read(page)
    policy = next(a["content"] for t, a in reader.elements if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for text in (reader.raw["style"][0], reader.raw["script"][1]):
        assert b64encode(sha256(text.encode()).digest()).decode() in policy
    assert not any("style" in a or any(n.startswith("on") for n in a) for _, a in reader.elements)


def test_hostile_names_stay_text() -> None:
    page = render(hostile())
    reader = read(page)
    tags = [t for t, _ in reader.elements]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert "b" not in tags
    assert not any(n.startswith("on") for _, a in reader.elements for n in a)
    assert not any((a.get("href") or "").startswith("javascript") for _, a in reader.elements)
    assert not any((a.get("href") or "").startswith("data:text") for _, a in reader.elements)
    assert "{{ 7 * 7 }}" in page
    assert "".join(HOSTILE) in payload_of(page)["sets"]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.none() | st.integers()))
def test_safe_json_is_inert_and_lossless(value: object) -> None:
    text = safe_json(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_well_names_find_their_place() -> None:
    found = places(("A", "B"), ("1", "02", "12"))
    assert found["A1"] == found["A01"] == found["A/1"] == (0, 0)
    assert found["B02"] == found["B2"] == found["B/02"] == (1, 1)
    assert found["B12"] == (1, 2)


def test_plate_order_and_wells() -> None:
    data = plate()
    shuffled = replace(data, fields=data.fields[::-1])
    fields = plate_order(shuffled)
    wells = wells_of(shuffled, fields)
    assert [w.name for w in wells][:5] == ["A01", "A02", "A03", "A04", "B01"]
    assert wells[1].place == (0, 1)
    assert [fields[i].site for i in wells[0].fields] == ["0", "1"]


def test_wells_off_the_layout_are_named(page: str) -> None:
    data = plate()
    odd = FieldRow("Z/99/0", "Z99", "0", counts={"nuclei": 1})
    assert "not on the maps: Z99" in render(replace(data, fields=(*data.fields, odd)))
    assert "not on the maps" not in page


def test_measures_are_counts_quality_and_numeric_columns() -> None:
    data = plate()
    fields = plate_order(data)
    found = {m.name: m for m in measures(data, wells_of(data, fields), fields)}
    assert found["Metadata_Count_nuclei"].values[:2] == (1.0, 21.0)
    assert found["Metadata_Count_nuclei"].values[5] == 51.0
    assert found["ImageQuality_Focus_DNA"].values[8] == 0.1
    assert found["Nuclei_AreaShape_Area"].unit == "µm²"
    assert "Metadata_Dose" in found
    assert "Comment" not in found
    assert "Metadata_Well" not in found


def test_page_without_a_plate_has_table_and_pictures() -> None:
    data = plate()
    fields = tuple(replace(f, well="", site="") for f in data.fields)
    thumbs = tuple(replace(t, well="", site="") for t in data.thumbnails)
    bare = ReportData("single", fields=fields, thumbnails=thumbs)
    page = render(bare)
    assert 'id="plate"' not in page
    assert 'id="fields"' in page
    assert page.count("<figure") == len(thumbs)


def test_empty_dataset_renders() -> None:
    assert "No images were processed." in render(ReportData("nothing"))


def test_all_quarantined_renders() -> None:
    fields = tuple(FieldRow(f.image, f.well, f.site, "quarantined", "gone") for f in plate().fields)
    page = render(replace(plate(), fields=fields, thumbnails=(), wells={}))
    assert "Of 22 images, 22 are quarantined." in page


def test_undefined_values_are_null_not_nan(page: str) -> None:
    row = FieldRow("A/01/9", "A01", "9", qc={"ImageQuality_Focus_DNA": float("nan")})
    data = replace(plate(), fields=(*plate().fields, row))
    assert "NaN" not in str(read(render(data)).raw["script"][0])
    assert payload_of(page)["metrics"][0]["series"][0]["limits"] == [0.3, None]


def test_metric_and_channel_are_told_apart() -> None:
    assert split("ImageQuality_Focus_my_dna", ("dna", "my_dna")) == ("ImageQuality_Focus", "my_dna")
    assert split("Something", ("dna",)) == ("Something", "")
    grouped = metrics(plate(), plate().fields)
    assert [len(m["series"]) for m in grouped] == [2]  # type: ignore[arg-type]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(alphabet="ab²0123456789", max_size=6), max_size=8))
def test_natural_order_is_total(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(sorted(names), key=natural)


def test_natural_order_counts() -> None:
    assert sorted(["s10", "s9", "s1"], key=natural) == ["s1", "s9", "s10"]


def test_viridis_is_viridis() -> None:
    colours = viridis()
    assert (len(colours), colours[0], colours[-1]) == (256, "#440154", "#fde725")


@settings(max_examples=80, deadline=None)
@given(
    st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
)
def test_shade_is_monotonic(a: float, b: float, c: float) -> None:
    low, value, high = sorted((a, b, c))
    level = shade(value, low, high)
    assert level is not None
    assert 0 <= level <= 255
    if high > low:
        assert (shade(low, low, high), shade(high, low, high)) == (0, 255)


@settings(max_examples=80, deadline=None)
@given(st.floats(-1e12, 1e12))
def test_numbers_read_back(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=1e-3)
    assert len(short(value)) <= 7


def test_yaml_takes_any_settings() -> None:
    text = to_yaml({"a": (np.float64(1.5), np.arange(2)), "b": {"c": None}, "d": object})
    assert text.startswith("a:\n- 1.5\n- - 0\n  - 1\nb:\n  c: null\n")


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("a/b.parquet", True),
        ("https://x.org/a", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("../x?a=b:c", True),
        ("file:///x", False),
    ],
)
def test_links(address: str, fine: bool) -> None:
    assert harmless(address) is fine


def fill(curves: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.drawContours(canvas, curves, -1, 1, -1)
    return canvas


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_outlines_enclose_their_objects(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 80), np.int32)
    for i in range(count):
        y, x, h, w = *rng.integers(0, 40, 2), *rng.integers(1, 20, 2)
        labels[y : y + h, x : x + w] = 7 * i + 3
    for label in np.unique(labels[labels > 0]):
        alone = np.where(labels == label, label, 0)
        inside = fill(outlines(alone, 0.0), labels.shape)
        assert np.array_equal(inside > 0, alone > 0)


def test_outlines_keep_touching_objects_apart_and_holes() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25] = 1, 2
    assert len(outlines(labels)) == 2
    labels[8:12, 8:12] = 0
    assert len(outlines(labels)) == 3
    assert outlines(np.zeros((5, 5), np.int32)) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12))
def test_svg_path_reads_back(points: list[tuple[int, int]]) -> None:
    text = svg_path([np.array(points, np.int32)])
    found = [int(n) for n in re.findall(r"-?\d+", text.replace("h.1", ""))]
    steps = np.array(found, np.int64).reshape(-1, 2)
    assert np.array_equal(np.cumsum(steps, axis=0), np.array(points))


def test_overlay_draws_on_boundaries_only() -> None:
    thumb = thumbnail("a", "A01", "0", 1)
    plain = overlay_rgb(thumb.pixels, {})
    drawn = overlay_rgb(thumb.pixels, {"nuclei": thumb.labels["nuclei"]})
    changed = (plain != drawn).any(axis=-1)
    assert drawn.shape == (96, 96, 3)
    assert drawn.dtype == np.uint8
    assert changed[13, 13:21].all()
    near = cv2.dilate((thumb.labels["nuclei"] > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert not (changed & ~near).any()


def test_overlay_png_decodes() -> None:
    data = overlay_png(thumbnail("a", "A01", "0", 1), ["cells"])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (96, 96, 3)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "float32", "float64", "bool"])
def test_any_dtype_is_shown(dtype: str) -> None:
    plane = np.zeros((8, 8))
    plane[4:] = 1
    rgb = composite(plane[None].astype(dtype), [contrast([plane.astype(dtype)])], [(255, 255, 255)])
    assert rgb[0, 0].tolist() == [0, 0, 0]
    assert rgb[7, 7].tolist() == [255, 255, 255]


def test_contrast_survives_nan_and_constant_images() -> None:
    assert contrast([np.full((4, 4), np.nan)]) == (0.0, 1.0)
    assert contrast([np.full((4, 4), 7.0)]) == (7.0, 8.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 4000), st.floats(1e-3, 1e3))
def test_scale_bar_is_round_and_fits(width: int, pixel_um: float) -> None:
    bar = scale_bar(width, pixel_um)
    assert bar is not None
    length, text = bar
    assert width / 11 <= length <= width / 4 * 1.001
    size, unit = text.split()
    micrometres = float(size) * (1000 if unit == "mm" else 1)
    assert micrometres == pytest.approx(length * pixel_um, rel=1e-6)
    assert re.fullmatch(r"[125]0*|0\.0*[125]|[125]e-\d+", size)


def test_no_scale_bar_without_a_pixel_size() -> None:
    assert scale_bar(100, None) is None
    assert scale_bar(100, 0.0) is None


def test_shrinking_keeps_the_physical_size() -> None:
    small = shrink(thumbnail("a", "A01", "0", 1), 48)
    assert small.pixels.shape == (2, 48, 48)
    assert small.pixel_size_um == pytest.approx(1.3)
    assert set(np.unique(small.labels["cells"])) == set(range(10))


def test_gallery_keeps_its_budget_and_counts_the_rest() -> None:
    thumbs = plate().thumbnails
    whole = gallery(thumbs)
    assert (len(whole.cards), whole.left_out) == (21, 0)
    budget = 3 * whole.cards[0].size_bytes
    few = gallery(thumbs, budget=budget)
    assert 0 < len(few.cards) < 21
    assert few.left_out == 21 - len(few.cards)
    assert sum(c.size_bytes for c in few.cards) <= budget


def test_first_thumbnails_cover_all_wells_the_worst_first() -> None:
    fields = judged().fields
    order = sorted(ranked(fields), key=ranked(fields).__getitem__)
    assert order[:2] == ["A/03/1", "C/01/0"]
    assert len({f.well for f in fields if f.image in order[:11]}) == 11
    assert order[-1] == "B/02/0"


def test_typical_images_are_nearest_to_their_wells_medians() -> None:
    counts = (10, 90, 50, 52, 51)
    rows = tuple(
        FieldRow(f"A/1/{i}", "A1", str(i), counts={"nuclei": n}) for i, n in enumerate(counts)
    )
    assert typical(rows) == {"A/1/4"}
    worst = replace(rows[0], flags=("Empty",))
    order = sorted(found := ranked((worst, *rows[1:])), key=found.__getitem__)
    assert order[:3] == ["A/1/0", "A/1/4", "A/1/1"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 3), st.sampled_from("pwf")), max_size=25)
)
def test_every_image_has_one_rank_and_every_well_comes_first(
    found: list[tuple[int, int, str]],
) -> None:
    verdicts = {"p": "pass", "w": "warn", "f": "fail"}
    rows = tuple(
        FieldRow(
            f"i{i}", f"w{well}", "", counts={} if n < 0 else {"nuclei": n}, verdict=verdicts[v]
        )  # type: ignore[arg-type]
        for i, (well, n, v) in enumerate(found)
    )
    rank = ranked(rows)
    assert sorted(rank.values()) == list(range(len(rows)))
    wells = {f.well for f in rows}
    first = [f for f in rows if rank[f.image] < len(wells)]
    assert {f.well for f in first} == wells
    for row in first:
        own = [f.verdict for f in rows if f.well == row.well]
        assert row.verdict == next(v for v in ("fail", "warn", "pass") if v in own)


def test_pictures_are_jpeg_of_the_right_size() -> None:
    card = gallery(plate().thumbnails).cards[0]
    data = np.frombuffer(b64decode(card.picture.split(",")[1]), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (card.height, card.width, 3)


def test_left_out_measures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxelmill.report.layout.MOST_MEASURE_VALUES", 44)
    page = render(plate())
    assert "2 further columns of the well table are left out" in page
    assert len(payload_of(page)["measures"]) == 4


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_was_found_of_the_plate_comes_first() -> None:
    page = render(judged())
    text = words_of(page)
    assert "The plate passes with warnings." in text
    assert "Fewer nuclei in the outer wells" in text
    assert "Edge effect warn -12.5 % outer wells against inner ones" in text
    assert "Drift pass no value no column has enough wells" in text
    assert "A04 0 A/04/0 excluded bubble; by A. Person" in text
    assert "C02 warn count far below its neighbours" in text
    assert text.index("Edge effect") < text.index("Plate maps")
    assert "who A. Person when 2026-11-26 why bubble in A04" in text


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("pass", "The plate passes."), ("fail", "The plate fails."), (None, "Needs attention.")],
)
def test_headline(verdict: Any, words: str) -> None:  # noqa: ANN401
    data = replace(judged(), verdict=verdict, findings=())
    assert words in words_of(render(data))


def test_wells_are_marked_by_the_shape_of_their_state() -> None:
    page = render(judged())
    assert {w["name"]: w["state"] for w in payload_of(page)["wells"] if w["state"] != "pass"} == {
        "B02": "quarantined", "C01": "warn", "C02": "warn",
    }  # fmt: skip
    bare = replace(judged(), wells={"Metadata_Well": judged().wells["Metadata_Well"]})
    assert {w["name"]: w["state"] for w in payload_of(render(bare))["wells"]}["A03"] == "fail"
    # The verdict is that of the field that failed, not the lack of the one that was excluded.
    assert {w["name"]: w["state"] for w in payload_of(render(bare))["wells"]}["A04"] == "pass"


def test_treatments_group_wells_and_doses_are_numbers_too() -> None:
    data = payload_of(render(judged()))
    assert [g["name"] for g in data["groupings"]] == ["Compound", "Dose nM"]
    assert data["groupings"][0]["groups"] == ["DMSO", "taxol"]
    assert data["groupings"][0]["of"][:5] == [0, 0, 0, 0, 1]
    found = {
        m.name: m for m in measures(judged(), wells_of(judged(), judged().fields), judged().fields)
    }
    assert found["Metadata_Dose_nM"].values[:4] == (0.0, 10.0, 20.0, 0.0)
    assert "Metadata_Compound" not in found


def test_histograms_are_those_of_the_shown_measures() -> None:
    data = payload_of(render(judged()))
    (found,) = data["objects"].values()
    assert found == {"range": [50, 150], "counts": [2, 8, 20, 9, 1], "outside": [1, 2]}
    alone = ReportData("slide", histograms=judged().histograms)
    assert len(payload_of(render(alone))["objects"]) == 1


def test_illumination_is_drawn_on_one_scale() -> None:
    page = render(judged())
    assert page.count('class="flat"') == 4
    assert "from 48 images" in page
    assert 'id="flats"' not in render(plate())


def test_effort_stands_only_where_it_is_told() -> None:
    assert "Run time 12 min" in words_of(render(judged()))
    assert "index of all datasets" in render(plate())


def test_a_page_stays_below_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = len(render(replace(plate(), thumbnails=())).encode())
    most = bare + 110_000
    monkeypatch.setattr("voxelmill.report.page.MOST_BYTES", most)
    monkeypatch.setattr("voxelmill.report.page.LEAST_BYTES", 0)
    page = render(plate())
    assert len(page.encode()) <= most
    assert 0 < page.count("<figure") < 21
    assert "left out to keep this file small" in page
