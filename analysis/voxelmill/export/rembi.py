"""What REMBI and MIFA ask for, as documents: what voxelmill knows, and null for what nobody said.

``rembi.yaml`` is laid out as the BioImage Archive's own tool reads it (bia-agent, template
rembi-mifa-metadata), with REMBI's module *Image data* besides; ``mifa.yaml`` has the names of
bia-mifa-models (classes Study, Annotations, Version).

Source: REMBI, doi 10.1038/s41592-021-01166-8; MIFA, doi 10.1038/s41592-025-02835-8.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from voxelmill.export.filelist import MASK
from voxelmill.export.finished import Finished
from voxelmill.study import Person, Study
from voxelmill.tables.counts import column_names

Document = dict[str, Any]
REMBI_VERSION = "1.5"
ARCHIVE = "https://www.ebi.ac.uk/biostudies/bioimages/studies/"
IDR = "https://idr.openmicroscopy.org/search/?query=Name:"
LICENSES = {"CC0-1.0": "CC0", "CC-BY-4.0": "CC_BY"}
"""What the archive calls the licences that it takes."""
OURS = ("Plate", "Well", "Images", "Verdict", "Flags", "Excluded", "Count_", "Images_")
"""Columns ``Metadata_<…>`` of a table of wells that are not of a plate map."""
COMPONENT, BIOSAMPLE, SPECIMEN, ACQUISITION, ANALYSIS = (
    "Study component", "Biosample", "Specimen", "Image acquisition", "Image analysis",
)  # fmt: skip
REQUIRED = (
    "title", "description", "license", "authors", "funding", "keywords", "biosample.organism",
    "biosample.biological_entity", "specimen.sample_preparation", "acquisition.imaging_method",
    "acquisition.instrument", "acquisition.parameters",
)  # fmt: skip
"""Fields of a study that the archive wants filled."""


def missing(study: Study) -> list[str]:
    """Settings that the archive wants and nobody has made."""
    given: Document = study.model_dump()
    return [f"study.{name}" for name in REQUIRED if not _at(given, name)]


def _at(value: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    for part in name.split("."):
        value = value[part]
    return value


def rembi(found: Sequence[Finished]) -> Document:
    """Modules of REMBI for all datasets together: one study component."""
    study = found[0].provenance.study
    sample, specimen, acquisition = study.biosample, study.specimen, study.acquisition
    return {
        "study": _study(study),
        "biosamples": {
            BIOSAMPLE: {
                "organism": {
                    "scientific_name": sample.organism,
                    "common_name": None,
                    "ncbi_taxon": None,
                },
                "biological_entity": sample.biological_entity,
                "description": sample.description,
                "experimental_variables": _varied(found),
            }
        },
        "specimens": {SPECIMEN: specimen.model_dump()},
        "acquisitions": {
            ACQUISITION: {
                "imaging_method": {
                    "value": acquisition.imaging_method,
                    "ontology_id": None,
                    "ontology_name": None,
                },
                "imaging_instrument": acquisition.instrument,
                "image_acquisition_parameters": acquisition.parameters,
            }
        },
        "image_data": {"Image data": _image_data(found)},
        "correlations": {},
        "analysis": {ANALYSIS: {"analysis_overview": overview(found[0])}},
        "annotations": {name: annotation(found, name) for name in found[0].sets},
        "version": {name: dict(VERSION) for name in found[0].sets},
        "study_component": {
            COMPONENT: {
                "name": ", ".join(f.dataset for f in found),
                "description": study.description,
                "file_list": "file_list.tsv",
                "rembi_version": REMBI_VERSION,
            }
        },
        "associations": {
            COMPONENT: {
                "biosample_id": BIOSAMPLE,
                "specimen_id": SPECIMEN,
                "acquisition_id": ACQUISITION,
                "analysis_id": ANALYSIS,
            }
        },
    }


VERSION: Mapping[str, Any] = {
    "version": 1.0, "timestamp": None, "changes": None, "previous_version": None,
}  # fmt: skip


def mifa(found: Sequence[Finished]) -> Document:
    """MIFA: the study, one set of annotations an object set, their version."""
    study = found[0].provenance.study
    links = list(_links(study))
    return {
        "title": study.title,
        "description": study.description,
        "keywords": list(study.keywords),
        "license": LICENSES.get(study.license or "", study.license),
        "funding_statement": study.funding,
        "authors": _mifa_authors(study),
        "publications": [{"publication_doi": p} for p in study.publications],
        "link_url": [link["link_url"] for link in links],
        "link_description": [link["link_description"] for link in links],
        "annotations": [
            {"name": name, "authors": _mifa_authors(study), **annotation(found, name),
             "file_list": f"file_list_{name}.tsv"}
            for name in found[0].sets
        ],
        "version": dict(VERSION),
    }  # fmt: skip


def annotation(found: Sequence[Finished], name: str) -> Document:
    """Describe the annotations of one object set."""
    objects = sum(f.objects(name) for f in found)
    software = f"voxelmill {found[0].provenance.voxelmill}"
    return {
        "annotation_overview": f"Instance segmentation masks of {objects:,} {name}, made "
        f"automatically with {software}.",
        "annotation_type": [MASK],
        "annotation_method": f"Automatic, by software: {software}, {_method(found[0], name)}. "
        "Numbers fitted to each image are in the records of the run. No manual correction.",
        "annotation_criteria": "All objects that the method finds are annotated, those cut by the "
        "edge of an image included. Numbers of objects run from 1 in each image and time point; 0 "
        "is background.",
        "annotation_coverage": _coverage(found),
        "annotation_confidence_level": "Not checked by a person. The verdict of automatic quality "
        "control on each image is in the file list (qc_verdict, qc_flags).",
    }


def overview(found: Finished) -> str:
    """Say how the images were analysed."""
    settings, made = found.settings, found.provenance
    methods = "; ".join(f"{name}: {_method(found, name)}" for name in settings["objects"])
    families = ", ".join(f["kind"] for f in settings.get("features", ()))
    metrics = ", ".join(dict.fromkeys(m["kind"] for m in settings.get("qc", {}).get("metrics", ())))
    light = settings.get("illumination") or {}
    corrected = f" Illumination was corrected ({light['kind']})." if light.get("kind") else ""
    packages = ", ".join(f"{name} {version}" for name, version in sorted(made.versions.items()))
    used = f" Software: {packages}." if packages else ""
    return (
        f"Segmented with voxelmill {made.voxelmill}: {methods}.{corrected} Features of objects: "
        f"{families}. Quality control: {metrics}.{used}"
    )


def _method(found: Finished, name: str) -> str:
    spec = found.settings["objects"][name]
    if "subtract" in spec:
        whole, *parts = spec["subtract"]
        return f"{whole} without {', '.join(parts)}"
    segmenter = spec["segmenter"]
    given = ", ".join(f"{k} {v}" for k, v in sorted(segmenter.items()) if _says(k, v))
    channels = spec["channel"]
    named = channels if isinstance(channels, str | int) else ", ".join(map(str, channels))
    return f"segmenter {segmenter['kind']} on channel {named} ({given})"


def _says(name: str, value: Any) -> bool:  # noqa: ANN401 - JSON
    return name not in ("kind", "fitted", "origin") and value is not None


def _coverage(found: Sequence[Finished]) -> str:
    annotated = sum(len(f.images) for f in found)
    lost = [f"{f.dataset}/{i}".rstrip("/") for f in found for i in f.left_out]
    total = annotated + len(lost)
    text = f"{annotated:,} of {total:,} images ({annotated / max(1, total):.1%})"
    return f"{text}; not annotated: {', '.join(lost)}" if lost else text


def _image_data(found: Sequence[Finished]) -> Document:
    spacings = sorted({s for f in found for s in f.spacing_um.values()})
    shapes = sorted({i.labels(f.sets[0]).shape for f in found for i in f.images})
    return {
        "type": "raw images with segmentation masks",
        "format_and_compression": "OME-Zarr, each image zipped without further compression",
        "dimension_extents": [
            {"t": t, "z": z, "y": y, "x": x} for t, _, z, y, x in shapes
        ],
        "pixel_size_description": [{"z": z, "y": y, "x": x, "unit": "µm"} for z, y, x in spacings],
        "channel_information": list(dict.fromkeys(c for f in found for c in f.every_channel)),
        "image_processing_method": None,
        "quality_control_information": "qc_verdict and qc_flags in the file lists; report.html",
    }  # fmt: skip


def _varied(found: Sequence[Finished]) -> list[str]:
    """Columns of plate maps."""
    names = dict.fromkeys(n for f in found for n in column_names(f.layout.wells))
    bare = [n.removeprefix("Metadata_") for n in names if n.startswith("Metadata_")]
    return [n for n in bare if not _ours(n)]


def _ours(name: str) -> bool:
    return any(name == own or (own.endswith("_") and name.startswith(own)) for own in OURS)


def _study(study: Study) -> Document:
    return {
        "title": study.title,
        "description": study.description,
        "private_until_date": None,
        "keywords": list(study.keywords),
        "license": LICENSES.get(study.license or "", study.license),
        "authors": [_author(person) for person in study.authors],
        "funding": {"funding_statement": study.funding, "grant_references": []},
        "publications": [
            {"title": None, "authors": None, "doi": p, "year": None, "pubmed_id": None}
            for p in study.publications
        ],
        "links": list(_links(study)),
        "acknowledgements": None,
        "rembi_version": REMBI_VERSION,
    }


def _links(study: Study) -> Iterator[Document]:
    if study.accession:
        where = IDR if study.accession.lower().startswith("idr") else ARCHIVE
        yield {"link_url": where + study.accession, "link_description": "Source images"}


def _author(person: Person) -> Document:
    first, _, last = person.name.strip().rpartition(" ")
    return {
        "first_name": first or None,
        "last_name": last,
        "email": person.email,
        "role": None,
        "orcid": person.orcid,
        "affiliation": {"name": person.affiliation, "address": None},
    }


def _mifa_authors(study: Study) -> list[Document]:
    return [_mifa_author(person) for person in study.authors]


def _mifa_author(person: Person) -> Document:
    told = _author(person)
    return {
        "author_first_name": told["first_name"],
        "author_last_name": told["last_name"],
        "email": person.email,
        "orcid_id": f"ORCID:{person.orcid}" if person.orcid else None,
        "role": [],
        "organisation": [{"organisation_name": person.affiliation}] if person.affiliation else [],
    }
