"""A submission to the BioImage Archive: what its lists name is there, its documents are complete.

The schemas are written from what the archive says is required: template rembi-mifa-metadata of
bia-agent, and the classes Study and Annotations of bia-mifa-models.
"""

import csv
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml

from exports import IMAGE, LOST, PLATE, damaged_results, link, process, write_nuclei
from voxelmill.crate.recorded import Recorded
from voxelmill.labelsource import labelled_images
from voxelmill.layout import Layout
from voxelmill.plugin import BadConfig, StoreUnavailable
from voxelmill.steps.export import Wanted, export
from voxelmill.steps.finished import recorded
from voxelmill.store.open import open_image
from voxelmill.study import Study

STUDY = Study.model_validate(
    {
        "title": "Nuclei",
        "description": "Of made-up cells.",
        "license": "CC-BY-4.0",
        "authors": [
            {"name": "Josiah Stinkney Carberry", "orcid": "0000-0002-1825-0097",
             "affiliation": "Brown University", "email": "j@example.org"},
            {"name": "Plato"},
        ],
        "funding": "Grant 1.",
        "keywords": ["nuclei", "segmentation"],
        "publications": ["10.1000/182"],
        "accession": "S-BIAD634",
        "biosample": {"organism": "Homo sapiens", "biological_entity": "U2OS cells"},
        "specimen": {"sample_preparation": "Fixed."},
        "acquisition": {"imaging_method": "confocal", "instrument": "A", "parameters": "B"},
    }
)  # fmt: skip
MAP = "well\tcompound\tcontrol\nA01\tDMSO\tnegative\nA02\tx\t\n"


def required(*names: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON schema
    """Schema of an object with texts that must be filled, and fields of other schemas."""
    text = {"type": "string", "minLength": 1}
    fields = dict.fromkeys(names, text) | more
    return {"type": "object", "required": list(fields), "properties": fields}


def each(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "minProperties": 1, "additionalProperties": schema}


def some(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": schema}


WORDS = some({"type": "string"})
ANNOTATION = required(
    "annotation_overview", "annotation_method", "annotation_criteria", "annotation_coverage",
    annotation_type=some({"enum": ["segmentation_mask"]}),
)  # fmt: skip
REMBI = required(
    study=required("title", "description", keywords=WORDS, rembi_version={"const": "1.5"},
                   authors=some(required("last_name", affiliation=required()))),
    biosamples=each(required("biological_entity", organism=required("scientific_name"))),
    specimens=each(required("sample_preparation")),
    acquisitions=each(required("imaging_instrument", "image_acquisition_parameters",
                               imaging_method=required("value"))),
    image_data={"type": "object"},
    correlations={"type": "object"},
    analysis=each(required("analysis_overview")),
    annotations=each(ANNOTATION),
    version=each(required(version={"type": "number"}, timestamp={"type": ["string", "null"]})),
    study_component=each(required("name", "description")),
    associations=each(required("biosample_id", "specimen_id", "acquisition_id", "analysis_id")),
)  # fmt: skip
MIFA = required(
    "title", "description", "funding_statement",
    keywords=WORDS,
    license={"enum": ["CC0", "CC_BY"]},
    link_url=WORDS,
    authors=some(required("author_last_name")),
    annotations=some({"allOf": [ANNOTATION, required("file_list", authors={"type": "array"})]}),
    version=required(version={"type": "number"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a plate of which one image is damaged, and its results."""
    return damaged_results(tmp_path_factory.mktemp("bia"), 5, MAP)


@pytest.fixture(autouse=True)
def _here(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link(home, tmp_path)
    monkeypatch.chdir(tmp_path)


def run(results: str = "results", **wanted: Any) -> list[str]:  # noqa: ANN401 - of Wanted
    told: list[str] = []
    export(results, Wanted(bia=Path("out"), **wanted), told.append)
    return told


def listed(name: str) -> list[dict[str, str]]:
    with (Path("out") / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def lists() -> dict[str, list[dict[str, str]]]:
    return {p.name: listed(p.name) for p in sorted(Path("out").glob("file_list*.tsv"))}


def document(name: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load((Path("out") / f"{name}.yaml").read_text(encoding="utf-8"))


def unpacked(file: Path, to: Path) -> Path:
    with zipfile.ZipFile(file) as archive:
        assert all(i.compress_type == zipfile.ZIP_STORED for i in archive.infolist())
        archive.extractall(to)
    (folder,) = to.iterdir()
    assert f"{folder.name}.zip" == file.name
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*")
            if p.is_file()}  # fmt: skip


def check_lists(layout: Layout) -> None:
    """Everything is listed once and is there; every label image and table is listed."""
    found = lists()
    paths = [row["Files"] for rows in found.values() for row in rows]
    assert len(set(paths)) == len(paths)
    there = {p.relative_to("out").as_posix() for p in Path("out/").rglob("*") if p.is_file()}
    assert set(paths) == there - set(found) - {"rembi.yaml", "mifa.yaml"}
    assert all(re.fullmatch(r"[A-Za-z0-9!_.*'()/-]+", path) for path in paths)
    assert all(next(iter(row)) == "Files" for rows in found.values() for row in rows)
    masks = {
        (row["image"], name.removeprefix("file_list_").removesuffix(".tsv"))
        for name, rows in found.items()
        for row in rows
        if name != "file_list.tsv"
    }
    assert masks == {(i, s) for i, (_, sets) in labelled_images(layout).items() for s in sets}
    tables = [r["Files"] for r in found["file_list.tsv"] if r["type"] == "table"]
    assert len(tables) == len(list(layout.root.glob("objects/*/*.parquet"))) + 2


def test_every_label_image_and_table_is_listed_once_and_is_there() -> None:
    run()
    layout = Layout(Path("results/p"))
    check_lists(layout)
    rows = listed("file_list_nuclei.tsv")
    assert len(rows) == 7
    assert all(r["annotation_type"] == "segmentation_mask" for r in rows)
    assert [r["source_image"] for r in rows][:2] == ["plate.zarr/A/01/1", "plate.zarr/A/02/0"]
    assert rows[0]["well"] == "A01"
    assert sum(int(r["objects"]) for r in rows) > 20
    for row in rows:
        image = row["image"]
        folder = unpacked(Path("out") / row["Files"], Path("unzipped") / image)
        stored = files(layout.labels / image / "labels" / "nuclei")
        told, packed = json.loads(stored.pop("zarr.json")), files(folder)
        source = told["attributes"]["ome"]["image-label"].pop("source")
        assert source["image"].endswith(image)
        assert json.loads(packed.pop("zarr.json")) == told
        assert packed == stored
        assert open_image(str(folder)).shape == (1, 1, 1, 256, 256)
    for row in listed("file_list.tsv"):
        if row["object_set"] == "cells":
            batch = row["Files"][-12:]
            copy = (Path("out") / row["Files"]).read_bytes()
            assert copy == (layout.root / "objects" / "cells" / batch).read_bytes()


def test_a_full_study_makes_complete_documents() -> None:
    told = run(study=STUDY)
    assert [line for line in told if "missing" in line or "licence" in line] == []
    jsonschema.validate(document("rembi"), REMBI)
    jsonschema.validate(document("mifa"), MIFA)
    study = document("rembi")["study"]
    assert study["authors"][0]["first_name"] == "Josiah Stinkney"
    assert study["authors"][1] | {"first_name": None, "last_name": "Plato"} == study["authors"][1]
    annotation = document("mifa")["annotations"][-1]
    assert annotation["name"] == "nuclei"
    assert "watershed on channel DNA" in annotation["annotation_method"]
    assert "diameter_um 12.0" in annotation["annotation_method"]
    assert f"7 of 8 images (87.5%); not annotated: p/{LOST}" in annotation["annotation_coverage"]
    (sample,) = document("rembi")["biosamples"].values()
    assert sample["experimental_variables"] == ["compound", "control"]
    (pixels,) = document("rembi")["image_data"].values()
    assert pixels["channel_information"] == ["DNA", "AGP", "ER"]
    assert pixels["pixel_size_description"] == [{"z": 1.0, "y": 0.65, "x": 0.65, "unit": "µm"}]
    assert listed("file_list_cells.tsv")[0]["source_image"] == "S-BIAD634/plate.zarr/A/01/1"


@pytest.mark.parametrize("field", ["title", "license", "funding", "biosample"])
def test_what_is_missing_is_named_and_null(field: str) -> None:
    (line,) = [t for t in run(study=STUDY.model_copy(update={field: type(getattr(STUDY, field))()
                              if field == "biosample" else None})) if "missing" in t]  # fmt: skip
    assert f"study.{field}" in line
    assert "--config" in line
    both = [(document("rembi"), REMBI), (document("mifa"), MIFA)]
    errors = [e for found, schema in both for e in _errors(found, schema)]
    assert errors
    assert all(e.instance is None for e in errors), "written as null, not left out"


def _errors(found: Any, schema: dict[str, Any]) -> list[Any]:  # noqa: ANN401 - JSON
    return list(jsonschema.Draft202012Validator(schema).iter_errors(found))


def test_an_empty_study_names_all_that_the_archive_wants() -> None:
    (line,) = [t for t in run() if t.startswith("missing: ")]
    assert line.count("study.") == 12
    assert _errors(document("rembi"), REMBI)
    assert any("the images are not in it" in t for t in run_again())


def run_again() -> list[str]:
    shutil.rmtree("out")
    return run()


def test_another_licence_is_told() -> None:
    told = run(study=STUDY.model_copy(update={"license": "GPL-3.0"}))
    assert any("licence GPL-3.0: the archive takes CC0-1.0 or CC-BY-4.0" in t for t in told)


def test_images_are_taken_in_but_not_the_damaged_one() -> None:
    run(images=True, study=STUDY.model_copy(update={"accession": None}))
    check_lists(Layout(Path("results/p")))
    images = {r["image"]: r for r in listed("file_list.tsv") if r["type"] == "image"}
    assert len(images) == 7
    assert LOST not in images
    row = images["A/02/0"]
    assert (row["well"], row["axes"], row["shape"]) == ("A02", "cyx", "3 x 256 x 256")
    assert (row["channels"], row["pixel_size_um"]) == ("DNA, AGP, ER", "0.65 x 0.65")
    assert (row["dtype"], row["qc_verdict"] != "") == ("u2", True)
    folder = unpacked(Path("out") / row["Files"], Path("unzipped"))
    assert files(folder) == files(Path("plate.zarr/A/02/0"))
    sources = {r["source_image"] for r in listed("file_list_nuclei.tsv")}
    assert sources == {r["Files"] for r in images.values()}


def test_zipped_labels_make_the_same_submission(home: Path) -> None:
    shutil.copy(home / "sheet.tsv", "sheet.tsv")
    process(PLATE + "batches: {images: 5}\nlabels: zip\n", "zipped")
    assert not Path("zipped/p/labels.ome.zarr").exists()
    run("zipped")
    check_lists(Layout(Path("zipped/p")))
    masks = files(Path("out/p/labels"))
    shutil.rmtree("out")
    run()
    assert masks == files(Path("out/p/labels"))


def test_the_same_results_give_the_same_bytes() -> None:
    run(study=STUDY)
    first = files(Path("out"))
    shutil.rmtree("out")
    run(study=STUDY)
    assert files(Path("out")) == first


def test_a_lost_shard_of_labels_is_no_submission(home: Path) -> None:
    shutil.copytree(home / "results", "lost")
    folder = Path("lost/p/labels.ome.zarr/A/02/0/labels/nuclei/0")
    next(p for p in folder.rglob("c/**/*") if p.is_file()).unlink()
    with pytest.raises(StoreUnavailable, match=r"nuclei: 1 of 1 chunks of level 0 absent"):
        run("lost")
    assert not Path("out").exists()


def test_a_time_series_without_a_plate() -> None:
    write_nuclei("tcyx", frames=3)
    process(IMAGE, "series")
    run("series")
    check_lists(Layout(Path("series/image")))
    (row,) = listed("file_list_nuclei.tsv")
    assert row["Files"] == "image/labels/image_nuclei.ome.zarr.zip"
    assert (row["time_points"], row["well"], row["source_image"]) == ("3", "", "image.zarr")


def test_several_datasets_are_one_submission_if_their_sets_are_alike() -> None:
    write_nuclei("cyx")
    sheet = "dataset\turl\na\timage.zarr\nb\timage.zarr\n"
    Path("sheet.tsv").write_text(sheet)
    process(IMAGE, "two")
    run("two")
    assert [r["dataset"] for r in listed("file_list_nuclei.tsv")] == ["a", "b"]
    shutil.copytree("results/p", "two/p")
    shutil.rmtree("out")
    with pytest.raises(BadConfig, match="p has other object sets than a"):
        run("two")


def test_the_study_comes_from_the_crate_unless_another_is_given() -> None:
    config = {"study": {"title": "In the crate"}}
    told = Recorded(".", "p", "", "plate.zarr", config, versions={"numpy": "2.0"})
    found = recorded(told, "0.1.0", None, "ab")
    assert (found.study.title, found.versions, found.crate) == (
        "In the crate", {"numpy": "2.0"}, "ab",
    )  # fmt: skip
    assert recorded(told, "0.1.0", STUDY, "").study.title == "Nuclei"


def test_labels_unpack_to_the_numbers_of_the_table() -> None:
    import zarr

    run(sets=("nuclei",))
    row = listed("file_list_nuclei.tsv")[0]
    folder = unpacked(Path("out") / row["Files"], Path("unzipped"))
    labels = np.asarray(zarr.open_array(folder / "0", mode="r")[:])
    assert np.unique(labels[labels > 0]).size == int(row["objects"])
