"""``ro-crate-metadata.json``: `Facts` of a finished dataset → JSON-LD. Pure.

A Workflow Run RO-Crate by the Provenance Run profile 0.5, on RO-Crate 1.1. What there is of every
image stands in lines, one property value a batch: the file grows with batches, and is enough to
check inputs and labels, and to run it all again.
"""

from collections.abc import Iterator
from typing import Any

from voxelmill.crate import ids
from voxelmill.crate.actions import actions, mentioned
from voxelmill.crate.facts import BatchFacts, Facts
from voxelmill.crate.flow import OUTPUTS, languages, parameters, steps, workflow
from voxelmill.crate.jsonld import Entity, entity, ref, refs, when
from voxelmill.crate.people import authors, citations, license_of, people, publisher, rembi
from voxelmill.crate.recorded import StoredFile
from voxelmill.crate.works import LABELS

CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
]
BASE, WORKFLOW = (
    "https://w3id.org/ro/crate/1.1",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    WORKFLOW: "Workflow RO-Crate",
}
FORMATS = {
    ".json": "application/json", ".parquet": "application/vnd.apache.parquet",
    ".html": "text/html", ".ozx": "application/zip", ".yaml": "application/yaml",
    ".md": "text/markdown", ".tsv": "text/tab-separated-values", ".csv": "text/csv",
}  # fmt: skip
"""Media types by the end of a name; of others: text/plain."""


def document(facts: Facts) -> dict[str, Any]:
    """Make the JSON-LD document of a dataset."""
    about = rembi(facts.study)
    return {"@context": CONTEXT, "@graph": [
        entity(ids.METADATA, "CreativeWork", about=ref(ids.ROOT),
               conformsTo=refs([BASE, WORKFLOW])),
        _root(facts, about),
        *(entity(address, "CreativeWork", name=name, version=address.rpartition("/")[2])
          for address, name in PROFILES.items()),
        license_of(facts.study), *people(facts.study), *citations(facts.study), *about,
        _input(facts), *(line for batch in facts.batches for line in _lines(batch)),
        *_files(facts), *_folders(facts),
        *parameters(facts), *steps(facts), *languages(facts), *actions(facts),
    ]}  # fmt: skip


def _root(facts: Facts, about: list[Entity]) -> Entity:
    study = facts.study
    parts = [*map(ids.file, facts.files), *facts.folders]
    lost = sum(len(batch.left_out) for batch in facts.batches)
    text = f"Labels, tables and QC verdicts of {facts.source.images} images"
    text += f", {lost} of them left out" if lost else ""
    return entity(
        ids.ROOT, "Dataset", name=study.title or f"Analysis of {facts.dataset}",
        alternateName=facts.dataset,
        description=study.description or f"{text}, made by voxelmill from OME-Zarr.",
        datePublished=_written(facts), license=ref(license_of(study)["@id"]), author=authors(study),
        publisher=publisher(study), keywords=", ".join(study.keywords),
        funding=study.funding, citation=[*refs(c["@id"] for c in citations(study))],
        additionalProperty=refs(one["@id"] for one in about),
        conformsTo=refs(PROFILES), mainEntity=ref(ids.WORKFLOW), hasPart=refs(parts),
        mentions=refs(mentioned(facts)),
    )  # fmt: skip


def _written(facts: Facts) -> str | None:
    """When the last of it was computed."""
    return when(max(job.end for job in facts.jobs))


def _input(facts: Facts) -> Entity:
    source = facts.source
    return entity(
        ids.INPUT, "Dataset", name=source.name, url=source.url, identifier=facts.study.accession,
        size=f"{source.bytes} bytes of pixels" if source.bytes else None,
        description=f"OME-Zarr with {source.images} images: a digest of the inventory of the "
        "stored chunks of each, their names and sizes, stands in its additional properties.",
        exampleOfWork=ref(ids.parameter("dataset")),
        additionalProperty=refs(f"{ids.INVENTORIES}{b.name}" for b in facts.batches if b.inputs),
    )  # fmt: skip


def _lines(batch: BatchFacts) -> Iterator[Entity]:
    """What there is of every image of a batch."""
    labels = {f"{image}\t{name}": sha256 for (image, name), sha256 in batch.labels.items()}
    told = (
        (ids.INVENTORIES, batch.inputs, "image, SHA-256 of its inventory"),
        (ids.LABELS, labels, "image, object set, SHA-256 of the labels"),
        (ids.LEFT_OUT, batch.left_out, "image that is left out, why"),
    )
    for prefix, found, text in told:
        if found:
            yield entity(
                f"{prefix}{batch.name}", "PropertyValue",
                name=f"{prefix[1:-1]} of batch {batch.name}", propertyID=prefix[1:-1],
                description=f"One line an image, cut by tabs: {text}.",
                value="\n".join(f"{key}\t{value}" for key, value in found.items()),
            )  # fmt: skip


def _files(facts: Facts) -> Iterator[Entity]:
    """Files; that of the workflow is the main entity."""
    formal = {path: name for name, path in OUTPUTS.items()}
    formal |= {ids.CONFIG: "configuration", facts.plate_map: "plate_map"}
    for path, stored in facts.files.items():
        found = _file(path, stored) | {"sdDatePublished": _written(facts)}
        if path == ids.README:
            found["about"] = ref(ids.ROOT)
        if path in formal:
            found["exampleOfWork"] = ref(ids.parameter(formal[path]))
        if path == ids.CONFIG:
            found["text"] = facts.config_text
        yield found | workflow(facts) if path == ids.WORKFLOW else found


def _file(path: str, stored: StoredFile) -> Entity:
    suffix = path[path.rfind(".") :] if "." in path else ""
    return {
        "@id": ids.file(path),
        "@type": "File",
        "name": path,
        "encodingFormat": FORMATS.get(suffix, "text/plain"),
        "contentSize": str(stored.bytes),
        "sha256": stored.sha256,
    }


def _folders(facts: Facts) -> Iterator[Entity]:
    """Folders of OME-Zarr, as a whole: the list of checksums has their files."""
    for folder in facts.folders:
        text = "Label images" if folder == LABELS else "Flat-field and dark-field profiles"
        yield entity(
            folder, "Dataset", name=folder, conformsTo=ref("https://ngff.openmicroscopy.org/0.5/"),
            description=f"{text} as OME-Zarr; {ids.CHECKSUMS} has the MD5 of every file.",
        )  # fmt: skip
