"""A document is read back whole, whatever the names in it; what is no crate is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxelmill.crate import ids
from voxelmill.crate.document import document
from voxelmill.crate.facts import BatchFacts, Container, Facts, Job, Software, Source
from voxelmill.crate.people import institution
from voxelmill.crate.read import read_crate
from voxelmill.crate.recorded import StoredFile
from voxelmill.plugin import BadInput
from voxelmill.study import Person, Study

DIGEST = "0" * 64
VERSIONS = {"python": "3.11.1", "voxelmill": "0.1.0", "numpy": "2.0", "snakemake": "9.5"}
SOFTWARE = Software(VERSIONS, {"numpy": "https://numpy.org"}, "0.1.0+abc", DIGEST, "cite it")
CONFIG: dict[str, Any] = {"objects": {"nuclei": {"channel": "DNA"}}, "qc": {"gate": "report"}}
PARTS = {"qc": ("qc",), "segment": ("objects",), "measure": ("objects",), "aggregate": ("qc",)}
names = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\t\n\r"), max_size=9
)


def batch(name: str, images: list[str], sets: tuple[str, ...] = ("nuclei",)) -> BatchFacts:
    return BatchFacts(
        name, len(images), dict.fromkeys(images, DIGEST),
        {(image, s): DIGEST for image in images for s in sets}, {},
    )  # fmt: skip


def facts(batches: tuple[BatchFacts, ...], **more: object) -> Facts:
    steps = ("qc", "segment", "measure")
    jobs = [
        Job(s, b.name, 2e9, 1e9, 3.5, 2, 4.0, "0.1.0", "did it") for s in steps for b in batches
    ]
    paths = [ids.CONFIG, ids.WORKFLOW, ids.CHECKSUMS, "wells.parquet"]
    paths += [f"records/{s}/{b.name}.json" for s in steps for b in batches]
    given: dict[str, Any] = {
        "dataset": "plate", "source": Source("../../plate.zarr", "plate.zarr", 1, 5),
        "study": Study(), "config": CONFIG, "config_text": json.dumps(CONFIG), "parts": PARTS,
        "jobs": (*jobs, Job("aggregate", "", 2e9)), "batches": batches,
        "files": {path: StoredFile(7, DIGEST) for path in paths},
        "folders": ("labels.ome.zarr/",), "software": SOFTWARE,
    }  # fmt: skip
    return Facts(**{**given, **more})


def write(folder: Path, found: Facts) -> Path:
    (folder / ids.METADATA).write_text(json.dumps(document(found)))
    return folder


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    one = BatchFacts(
        "0000", 3, {"": DIGEST, "A/01/0": "1"}, {("", "nuclei"): "2"}, {"x y": "why: so"}
    )
    files = {f"objects/a b/ü%{n}.parquet": StoredFile(n, str(n)) for n in range(2)}
    files |= {ids.CONFIG: StoredFile(1, "c"), ids.WORKFLOW: StoredFile(2, "w"),
              "provenance/plate_map.csv": StoredFile(3, "p")}  # fmt: skip
    given_ = facts((one,), files=files, plate_map="provenance/plate_map.csv")
    found = read_crate(str(write(tmp_path, given_)))
    assert found.root == str(tmp_path)
    assert (found.dataset, found.url, found.name) == ("plate", "../../plate.zarr", "plate.zarr")
    assert (found.config, found.plate_map) == (CONFIG, "provenance/plate_map.csv")
    assert (found.versions, found.lock) == (VERSIONS, DIGEST)
    assert (found.inputs, found.labels, found.left_out) == (one.inputs, one.labels, one.left_out)
    assert found.files == files
    assert read_crate(str(tmp_path / ids.METADATA)).files == files
    assert read_crate(f"{tmp_path}/") == found


@given(st.dictionaries(names, st.text("0123456789abcdef", min_size=64, max_size=64)))
def test_any_names_of_images(inputs: dict[str, str]) -> None:
    text = json.dumps(document(facts((BatchFacts("0000", 1, inputs, {}, {}),))))
    lines = {e["@id"]: e for e in json.loads(text)["@graph"]}.get("#inventories-0000")
    told = [] if lines is None else [line.split("\t") for line in lines["value"].split("\n")]
    assert {image: digest for image, digest in told} == inputs  # noqa: C416 - of two each


def test_the_document_grows_with_batches_and_not_with_images() -> None:
    def size(images: int, batches: int) -> tuple[int, int]:
        sets = ("nuclei", "cells", "cytoplasm")
        many = tuple(
            batch(f"{b:04d}", [f"A/{b:02d}/{n}" for n in range(images)], sets)
            for b in range(batches)
        )
        found = document(facts(many))
        return len(found["@graph"]), len(json.dumps(found, indent=1))

    assert size(48, 4)[0] == size(1, 4)[0]
    entities, length = size(48, 72)
    assert entities < 72 * 40
    assert length < 4_000_000


def test_references_are_of_what_is_there() -> None:
    people = (Person(name="Ada", orcid="0000-0002-1825-0097", affiliation="X"), Person(name="B C"))
    study = Study(authors=people, license="my own words", publications=("10.1234/x", "to come"))
    software = replace(SOFTWARE, container=Container("x", "quay.io", "1", DIGEST))
    told = {"who": "Ada", "when": "2026-01-01T00:00:00+00:00", "why": ""}
    found = document(facts((batch("0000", ["a"]),), study=study, software=software, approval=told))
    known = {entity["@id"] for entity in found["@graph"]}
    used = {value["@id"] for entity in found["@graph"] for many in entity.values()
            for value in (many if isinstance(many, list) else [many])
            if isinstance(value, dict)}  # fmt: skip
    outside = {i for i in used - known if not i.startswith("https://")}
    assert outside == set()
    assert len(known) == len(found["@graph"]), "each entity once"
    root = next(e for e in found["@graph"] if e["@id"] == "./")
    assert {"@id": "#approval"} in root["mentions"]


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [("EMBL (https://ror.org/03mstc592)", "EMBL", "https://ror.org/03mstc592"),
     ("Å bo", "Å bo", "https://ror.org/search?query=%C3%85%20bo")],
)  # fmt: skip
def test_institutions_have_an_address(text: str, name: str, address: str) -> None:
    assert institution(text) == (name, address)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"@graph": 3}', '{"@graph": [{"@id": "./"}]}', "\x00",
     '{"@graph": [{"@id": "#input", "name": "x"}]}'],
)  # fmt: skip
def test_what_is_no_crate_of_ours_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / ids.METADATA).write_text(text)
    with pytest.raises(BadInput, match="damaged, or no crate that voxelmill wrote") as caught:
        read_crate(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, facts((batch("0000", ["a"]),))) / ids.METADATA
    path.write_text(path.read_text().replace("a\\tnuclei\\t", "a nuclei "))
    with pytest.raises(BadInput, match="#labels-0000"):
        read_crate(str(tmp_path))


def test_an_absent_crate_is_told(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none", tmp_path / "none" / ids.METADATA):
        with pytest.raises(BadInput, match="no ro-crate-metadata"):
            read_crate(str(place))
