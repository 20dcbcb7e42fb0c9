"""Every kind of mistake in a configuration or sheet is one line with place, found and allowed."""

import json
import re
from pathlib import Path

import pytest
import yaml

from voxelmill.config import PARTS, Config, Settings
from voxelmill.configfile import (
    Row,
    load_config,
    load_part,
    load_settings,
    load_sheet,
    locate,
    parse,
    read_yaml,
)
from voxelmill.features import Feature
from voxelmill.home import home
from voxelmill.objectsets import Segmented, Subtracted
from voxelmill.plugin import BadConfig
from voxelmill.published import Published
from voxelmill.segmenters import Segmenter
from voxelmill.storeoptions import VARIABLE

NUCLEI = {"channel": "DNA", "segmenter": {"kind": "watershed", "diameter_um": 12}}
GOOD = {"datasets": "sheet.tsv", "objects": {"nuclei": NUCLEI}}


def config(**changes: object) -> Config:
    return parse(Config, {**GOOD, **changes}, "c.yaml")


def refused(**changes: object) -> str:
    with pytest.raises(BadConfig) as error:
        config(**changes)
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix("c.yaml: ")


def nuclei(**changes: object) -> dict[str, object]:
    return {"nuclei": {**NUCLEI, **changes}}


def segmenter(**fields: object) -> dict[str, object]:
    return nuclei(segmenter=fields)


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"fetures": ["shape"]}, "fetures", "unknown key; allowed: .*Did you mean 'features'"),
        ({"objects": nuclei(chanel="x")}, "objects.nuclei.chanel", "Did you mean 'channel'"),
        ({"objects": {"nuclei": {"channel": "DNA"}}}, "objects.nuclei.segmenter", "missing"),
        ({"objects": segmenter(kind="watershd")}, "objects.nuclei.segmenter",
         "no such segmenter kind; allowed: .*propagate, threshold, watershed.*found 'watershd'"),
        ({"objects": segmenter(diameter_um=3)}, "objects.nuclei.segmenter", "no such.*no kind"),
        ({"objects": segmenter(kind="watershed", diameter_nm=3)},
         "objects.nuclei.segmenter.diameter_nm", "unknown key; allowed: .*diameter_um"),
        ({"objects": segmenter(kind="watershed", diameter_um="wide")},
         "objects.nuclei.segmenter.diameter_um", "valid number.*found 'wide'"),
        ({"objects": segmenter(kind="watershed", diameter_um=-1)},
         "objects.nuclei.segmenter.diameter_um", "greater than 0.*found -1"),
        ({"objects": segmenter(kind="watershed")}, "objects.nuclei.segmenter", "set exactly one"),
        ({"objects": {"Nuclei": NUCLEI}}, "objects.Nuclei", "match pattern"),
        ({"objects": {}}, "objects", "at least 1"),
        ({"objects": None}, "objects", "valid dictionary"),
        ({"objects": {"a": {"subtract": ["b"]}}}, "objects.a.subtract", "issing|required|1"),
        ({"objects": {**nuclei(), "a": {"subtract": ["nuclei", "b"]}}}, "",
         "objects.a: no object set 'b'; there are: nuclei"),
        ({"objects": {"a": {"subtract": ["b", "b"]}, "b": {"subtract": ["a", "a"]}}}, "",
         "objects: .*a → b.* need each other|objects: .*b → a.* need each other"),
        ({"features": ["shap"]}, "features.0", "no such feature kind; allowed: .*shape.*'shap'"),
        ({"features": [{"kind": "shape", "x": 1}]}, "features.0.x", "unknown key"),
        ({"qc": {"metrics": ["focs"]}}, "qc.metrics.0", "no such QC metric kind; allowed: .*focus"),
        ({"qc": {"metrics": [{"kind": "focus", "zzz": 1}]}}, "qc.metrics.0.zzz", "unknown key"),
        ({"qc": {"gate": "drop"}}, "qc.gate", "'report'.*found 'drop'"),
        ({"sparse": "zeros"}, "sparse", "'refuse' or 'allow'.*found 'zeros'"),
        ({"blocks": {"size": 1}}, "blocks.size", "greater than or equal to 16.*found 1"),
        ({"batches": {"images": 0}}, "batches.images", "found 0"),
        ({"compute": {"kind": "address"}}, "compute", "`address` belongs to"),
        ({"compute": {"address": "tcp://x"}}, "compute", "`address` belongs to"),
        ({"max_quarantined": "many"}, "max_quarantined", "valid integer.*found 'many'"),
    ],
    ids=str,
)  # fmt: skip
def test_one_line(changes: dict[str, object], place: str, says: str) -> None:
    text = refused(**changes)
    assert text.startswith(place)
    assert re.search(says, text), text
    assert "pydantic" not in text
    assert "function-" not in text


def test_more_mistakes_are_counted() -> None:
    assert refused(sparse="x", max_quarantined=-1).endswith("(and 1 more)")


def test_plugins_are_picked_by_kind_and_may_be_bare() -> None:
    found = config(features=["shape", {"kind": "intensity"}])
    assert [f.kind for f in found.features] == ["shape", "intensity"]  # type: ignore[attr-defined]
    assert all(isinstance(f, Feature) and type(f) is not Feature for f in found.features)
    spec = found.objects["nuclei"]
    assert isinstance(spec, Segmented)
    assert isinstance(spec.segmenter, Segmenter)
    assert spec.segmenter.model_dump()["diameter_um"] == 12


def test_defaults() -> None:
    found = config()
    assert [f.model_dump()["kind"] for f in found.features] == ["shape", "intensity"]
    assert {m.model_dump()["kind"] for m in found.qc.metrics} >= {"focus", "saturation"}
    assert (found.results, found.sparse, found.max_quarantined) == ("results", "refuse", 0)
    assert (found.blocks.size, found.compute.kind, found.compute.processes) == (
        2048,
        "local",
        False,
    )


def test_a_channel_may_be_a_number() -> None:
    assert config(objects=nuclei(channel=0)).channels() == ["0"]


SETS = {
    "cytoplasm": {"subtract": ["cells", "nuclei"]},
    "cells": {"channel": "AGP", "segmenter": {"kind": "propagate", "seeds": "nuclei"}},
    "nuclei": NUCLEI,
    "spots": {**NUCLEI, "channel": "AGP"},
}


def test_order_and_channels() -> None:
    found = config(objects=SETS)
    order = found.order()
    assert sorted(order) == sorted(SETS)
    assert order.index("nuclei") < order.index("cells") < order.index("cytoplasm")
    assert isinstance(found.objects["cytoplasm"], Subtracted)
    assert found.channels() == ["AGP", "DNA"]


def test_a_circle_through_seeds() -> None:
    grown = {"channel": "DNA", "segmenter": {"kind": "propagate", "seeds": "b"}}
    assert "need each other" in refused(objects={"a": grown, "b": {"subtract": ["a", "a"]}})


def test_part_holds_what_a_step_depends_on_and_no_more() -> None:
    one = config(objects=SETS)
    changed = {
        "features": config(objects=SETS, features=["shape"]),
        "qc": config(objects=SETS, qc={"metrics": ["focus"]}),
        "gate": config(objects=SETS, qc={"gate": "auto"}),
        "sparse": config(objects=SETS, sparse="allow"),
        "illumination": config(objects=SETS, illumination={"kind": "flatfield"}),
        "objects": config(),
        "study": config(objects=SETS, study={"license": "CC0-1.0"}),
        "blocks": config(objects=SETS, blocks={"size": 64}),
        "max_quarantined": config(objects=SETS, max_quarantined=3),
    }
    reruns = {
        key: {s for s in PARTS if other.part(s) != one.part(s)} for key, other in changed.items()
    }
    assert reruns == {
        "features": {"measure", "aggregate", "report", "provenance"},
        "qc": {"qc", "review", "aggregate", "report", "provenance"},
        "gate": {"review", "report", "provenance"},
        "sparse": {"qc", "review", "illumination", "segment", "measure", "report", "provenance"},
        "illumination": {"illumination", "segment", "measure", "report", "provenance"},
        "objects": {"segment", "measure", "aggregate", "report", "provenance"},
        "study": {"provenance"},
        "blocks": set(),
        "max_quarantined": set(),
    }


@pytest.mark.parametrize("step", PARTS)
def test_settings_travel_as_json(step: str) -> None:
    found = config(objects=SETS, features=["intensity"], sparse="allow")
    model = Published if step == "provenance" else Settings
    read = load_part(model, json.dumps(found.part(step)))
    assert type(read) is model
    assert read.part(step) == found.part(step)
    if "objects" in PARTS[step]:
        assert read.objects == found.objects
        assert list(read.objects) == list(found.objects), "order of columns and stages"


def test_settings_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**GOOD, "sparse": "allow"}))
    read = load_settings(str(tmp_path / "c.yaml"))
    assert read.sparse == "allow"
    assert read.objects == config().objects


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "--config: not JSON"), ('{"objets": {}}', "--config: objets: unknown key"),
     ("nowhere.yaml", "nowhere.yaml: cannot be read")],
)  # fmt: skip
def test_wrong_settings(text: str, says: str) -> None:
    with pytest.raises(BadConfig, match=says):
        load_settings(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"a: [1", "not YAML"), (b"- 1", "holds no keys"), (b"", "holds no keys"),
     (b"a: \xff", "not YAML"), (b"a: !!python/object:os.system x", "not YAML")],
)  # fmt: skip
def test_files_that_are_no_configuration(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(BadConfig, match=f"c.yaml: {says}") as error:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("results: a\nsparse: error\nresults: b", "results: twice, in lines 1 and 3; allowed: once"),
     ("objects:\n  nuclei: {}\n  'nuclei': {}", "objects.nuclei: twice, in lines 2 and 3"),
     ("features:\n- {kind: a, kind: b}", "features.0.kind: twice, in lines 2 and 2"),
     ("a: &a {k: 1, k: 2}\nb: *a", "a.k: twice")],
)  # fmt: skip
def test_a_key_twice(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(BadConfig, match=f"c.yaml: {says}") as error:
        load_config(tmp_path / "c.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "a: 1", "a: &a {k: 1}\nb: {<<: *a, k: 2}\nc: *a", "a: {'1': x, 1: y}",
     "a: &a {k: 1}\nb: &b {l: 1}\nc:\n  <<: *a\n  <<: *b\n  m: [*a, *a]", "- a\n- a"],
)  # fmt: skip
def test_plain_yaml_means_the_same(text: str) -> None:
    assert read_yaml(text, "c.yaml") == yaml.safe_load(text)


def test_yaml_that_holds_itself() -> None:
    read = read_yaml("&a {k: *a}", "c.yaml")
    assert isinstance(read, dict)
    assert read["k"] is read


def test_locate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside").mkdir()
    for name in ("beside/both", "both", "here"):
        (tmp_path / name).touch()
    assert locate("both", tmp_path / "beside") == "beside/both"
    assert locate("here", tmp_path / "beside") == "here"
    assert locate("nowhere", tmp_path / "beside") == "nowhere"
    assert locate("", tmp_path) == ""
    for fixed in ("https://x.org/y", "s3://b/y", str(tmp_path / "here")):
        assert locate(fixed, tmp_path / "beside") == fixed


def sheet(folder: Path, content: str | bytes, name: str = "sheet.tsv") -> list[Row]:
    """Read a sheet; in the folder there are ``p.zarr`` and ``map.csv``."""
    (folder / "p.zarr").mkdir()
    (folder / "map.csv").touch()
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return load_sheet(config(datasets=name), folder / "c.yaml")


def test_a_sheet(tmp_path: Path) -> None:
    text = "\ufeffdataset\turl\tplate_map\n\n a \tp.zarr\tmap.csv\nb\thttps://x.org/y\t\nc-1.x\tp.zarr\n"
    found = sheet(tmp_path, text)
    assert [(r.dataset, bool(r.plate_map)) for r in found] == [
        ("a", True), ("b", False), ("c-1.x", False)
    ]  # fmt: skip
    assert Path(found[0].url).resolve() == tmp_path / "p.zarr"
    assert found[1].url == "https://x.org/y"
    assert found[2].plate_map == ""


def test_a_sheet_with_commas(tmp_path: Path) -> None:
    assert len(sheet(tmp_path, "dataset,url\na,p.zarr\n", "sheet.csv")) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no line"),
        ("dataset\turl\n", "no line"),
        ("dataset\tpath\na\tp.zarr\n", "columns dataset, path; allowed: dataset, url"),
        ("dataset\turl\na\tp.zarr\tx\n", "columns .*allowed: dataset, url"),
        ("dataset\turl\n\tp.zarr\n", "2: dataset ''; allowed: letters"),
        ("dataset\turl\na b\tp.zarr\n", "dataset 'a b'; allowed: letters"),
        ("dataset\turl\n../a\tp.zarr\n", "allowed: letters"),
        ("dataset\turl\n.a\tp.zarr\n", "allowed: letters"),
        ("dataset\turl\na\tp.zarr\na\tp.zarr\n", "3: dataset 'a' is there already"),
        ("dataset\turl\na\t\n", "no url"),
        ("dataset\turl\na\n", "no url"),
        ("dataset\turl\na\tq.zarr\n", "q.zarr is not there"),
        ("dataset\turl\tplate_map\na\tp.zarr\tm.csv\n", "m.csv is not there"),
        ("dataset\turl\na\tp.zarr\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_wrong_sheet(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(BadConfig, match=says) as error:
        sheet(tmp_path, content)
    assert "\n" not in str(error.value)
    assert "sheet.tsv" in str(error.value)


@pytest.mark.parametrize("path", sorted(home("configs").glob("*.yaml")), ids=lambda p: p.name)
def test_the_configurations_that_ship_are_valid(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "{}")
    found = load_config(path)
    assert found.objects
    assert (found.dump is not None) == (path.name == "weekly-dump.yaml")
    told = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"`{path.name}`" in told
